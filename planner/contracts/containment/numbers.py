"""Numbers between these bounds, on these grids and off those.

Numbers are read as they are written in decimal, which is how the validator counts multiples; their order is the same
either way. Only beyond 2^53 can the two readings part, and there an empty answer is not trusted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from planner.contracts.containment.answers import EMPTY, Answer, Search, found, unknown
from planner.contracts.containment.choices import Choices
from planner.contracts.containment.claims import Bound, Claim, Multiple, NoneOf, OneOf
from planner.contracts.schema_keywords import exact

MAX_TRIES = 5_000
_EXACT_FLOATS = 2**53
_DENOMINATORS = (1, 2, 4, *(10**digits for digits in range(1, 16)))


@dataclass(slots=True)
class NumberFacts:
    """What is claimed of a number."""

    choices: Choices = field(default_factory=Choices)
    bounds: tuple[Bound, ...] = ()
    steps: tuple[Fraction, ...] = ()
    gaps: tuple[Fraction, ...] = ()

    def copy(self) -> NumberFacts:
        return replace(self)

    def add(self, claim: Claim) -> bool:
        match claim:
            case OneOf() | NoneOf():
                self.choices = self.choices.narrowed(claim)
            case Bound():
                self.bounds = (*self.bounds, claim)
            case Multiple(step, holds):
                if holds:
                    self.steps = (*self.steps, step)
                else:
                    self.gaps = (*self.gaps, step)
            case _:
                raise TypeError(claim)
        return True

    def solve(self, _search: Search) -> Answer:
        if self.choices.listed is not None:
            return next((found(value) for value in self.choices.listed if self._fits(value)), EMPTY)
        answer = self._solve_grid(_common_step(self.steps)) if self.steps else self._solve_dense()
        if answer == EMPTY and self._is_vague():
            return unknown("numbers beyond 2^53 cannot be told apart reliably")
        return answer

    def _fits(self, value: Any) -> bool:
        number = exact(value)
        return (
            all(_within(value, bound) for bound in self.bounds)
            and not any(number % step for step in self.steps)
            and all(number % gap for gap in self.gaps)
            and value not in self.choices
        )

    def _is_vague(self) -> bool:
        """Whether a bound is so large that floats near it have two readings that a proof could confuse."""
        fractions = any(bound.limit != int(bound.limit) for bound in self.bounds)
        large = [bound.limit for bound in self.bounds if abs(bound.limit) >= _EXACT_FLOATS]
        odd_steps = any(step != 1 for step in (*self.steps, *self.gaps))
        return bool(large) and (odd_steps or fractions or any(isinstance(limit, float) for limit in large))

    def _range(self) -> tuple[Fraction | None, Fraction | None]:
        low = max((exact(b.limit) for b in self.bounds if not b.upper), default=None)
        high = min((exact(b.limit) for b in self.bounds if b.upper), default=None)
        return low, high

    def _excludes(self, number: Fraction) -> bool:
        return any(bound.open and exact(bound.limit) == number for bound in self.bounds)

    def _solve_grid(self, step: Fraction) -> Answer:
        """Walk the multiples of the step, those next to zero first, as far as a new remainder could turn up."""
        low, high = self._range()
        first = None if low is None else math.ceil(low / step)
        last = None if high is None else math.floor(high / step)
        if first is not None and self._excludes(first * step):
            first += 1
        if last is not None and self._excludes(last * step):
            last -= 1
        if first is not None and last is not None and first > last:
            return EMPTY
        periods = [(_common_step((step, gap)) / step).numerator for gap in self.gaps]
        if 1 in periods:
            return EMPTY
        enough = 2 * math.lcm(*periods) * (len(self.choices.excluded) + 1) + 2
        walked = list(islice(_outwards(first, last), min(enough, MAX_TRIES)))
        values = [_plain(index * step) for index in walked]
        for value in values:
            if value is not None and self._fits(value):
                return found(value)
        complete = first is not None and last is not None and len(walked) == last - first + 1
        return EMPTY if complete and None not in values else unknown("no number was found between the bounds")

    def _solve_dense(self) -> Answer:
        low, high = self._range()
        if low is not None and high is not None and low >= high:
            if low > high or self._excludes(low):
                return EMPTY
            value = _plain(low)
            if value is None:
                return unknown("the only number between the bounds cannot be written")
            return found(value) if self._fits(value) else EMPTY
        for denominator in _DENOMINATORS:
            first = None if low is None else math.ceil(low * denominator)
            last = None if high is None else math.floor(high * denominator)
            for index in islice(_outwards(first, last), 40 + len(self.choices.excluded)):
                value = _plain(Fraction(index, denominator))
                if value is not None and self._fits(value):
                    return found(value)
        return unknown("no number was found between the bounds")


def _within(value: Any, bound: Bound) -> bool:
    if bound.open:
        return bool(value < bound.limit if bound.upper else value > bound.limit)
    return bool(value <= bound.limit if bound.upper else value >= bound.limit)


def _common_step(steps: Iterable[Fraction]) -> Fraction:
    """Return the smallest number that is a multiple of every step."""
    listed = list(steps)
    return Fraction(math.lcm(*(s.numerator for s in listed)), math.gcd(*(s.denominator for s in listed)))


def _outwards(first: int | None, last: int | None) -> Iterator[int]:
    """Yield the whole numbers from first to last (None: without end), those next to zero first."""
    middle = max(0, first) if first is not None else 0
    middle = min(middle, last) if last is not None else middle
    yield middle
    above, below = middle + 1, middle - 1
    while (last is None or above <= last) or (first is None or below >= first):
        if last is None or above <= last:
            yield above
        if first is None or below >= first:
            yield below
        above, below = above + 1, below - 1


def _plain(number: Fraction) -> int | float | None:
    """Return the number as JSON has it, None when it has no such number."""
    if number.denominator == 1:
        return number.numerator
    try:
        value = float(number)
    except OverflowError:
        return None
    return value if exact(value) == number else None
