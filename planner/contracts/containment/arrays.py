"""Lists that have items like these at these places, so many of them, all different or not.

Shorter is always easier, so the shortest list that holds what must be there decides. An item that may stand anywhere is
tried at every place that differs from the others. Items that must all be different are chosen by matching places with
values, each place offering as many values as there are places, or all that it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

from planner.contracts.containment.answers import EMPTY, Answer, Search, State, found, joined, unknown
from planner.contracts.containment.claims import Claim, Distinct, Item, Row, Size, SomeItem
from planner.contracts.containment.sizes import Sizes
from planner.contracts.schema_keywords import identity

MAX_ITEMS = 2_000
MAX_DISTINCT = 60
Literals = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(slots=True)
class ArrayFacts:
    """What is claimed of a list."""

    sizes: Sizes = field(default_factory=Sizes)
    rows: tuple[Row, ...] = ()
    items: Mapping[int, Literals] = field(default_factory=dict)
    somewhere: tuple[SomeItem, ...] = ()
    distinct: bool | None = None

    def copy(self) -> ArrayFacts:
        return replace(self)

    def add(self, claim: Claim) -> bool:
        match claim:
            case Size():
                self.sizes = self.sizes.narrowed(claim)
            case Row():
                self.rows = (*self.rows, claim)
            case Item(index, literal):
                self.items = _with(self.items, index, literal)
            case SomeItem():
                self.somewhere = (*self.somewhere, claim)
            case Distinct(holds):
                agrees = self.distinct in {None, holds}
                self.distinct = holds
                return agrees
            case _:
                raise TypeError(claim)
        return True

    def solve(self, search: Search) -> Answer:
        best = EMPTY
        for items, pair in self._placements():
            search.spend()
            best = best.or_else(self._fill(items, pair, search))
            if best.verdict == "found":
                break
        return best

    def _placements(self) -> Iterator[tuple[Mapping[int, Literals], Pair | None]]:
        """Yield the ways to give the items that may stand anywhere a place, and the equal ones two."""
        top = max(
            (*(len(row.prefix) for row in self.rows), *(i + 1 for i in self.items), *(s.start for s in self.somewhere)),
            default=0,
        ) + len(self.somewhere)
        pairs: Iterator[Pair | None] = iter((None,)) if self.distinct is not False else combinations(range(top + 2), 2)
        for pair in pairs:
            for places in product(*(range(claim.start, top) for claim in self.somewhere)):
                items = self.items
                for claim, place in zip(self.somewhere, places, strict=True):
                    items = _with(items, place, claim.literal)
                yield items, pair

    def _fill(self, items: Mapping[int, Literals], pair: Pair | None, search: Search) -> Answer:
        """Return the shortest list with these items."""
        length = max((self.sizes.least, *(index + 1 for index in items), *((pair[1] + 1,) if pair else ())))
        if self.sizes.most is not None and length > self.sizes.most:
            return EMPTY
        head = max(
            (*(len(row.prefix) for row in self.rows), *(i + 1 for i in items), *((pair or (0, 0))[1:])), default=0
        )
        # Behind the head every place is like every other.
        states = [self._state(index, items) for index in range(min(length, head + 2))]
        if pair:
            states[pair[0]] = states[pair[1]] = states[pair[0]] | states[pair[1]]
        if self.distinct:
            return _fill_distinct(states, length, search)
        answers: dict[State, Answer] = {}
        for state in states:
            answers[state] = answers.get(state) or search.solve(state)
            if answers[state] == EMPTY:
                return EMPTY
        listed = [answers[state].under(index) for index, state in enumerate(states)]
        if length > MAX_ITEMS:
            return unknown(f"no list of {length} items is written for a proof")
        return joined(listed, lambda values: values + values[-1:] * (length - len(values)))

    def _state(self, index: int, items: Mapping[int, Literals]) -> State:
        literals = [row.prefix[index] if index < len(row.prefix) else row.rest for row in self.rows]
        return frozenset((*literals, *items.get(index, ())))


def _with(items: Mapping[int, Literals], index: int, literal: int) -> Mapping[int, Literals]:
    return {**items, index: (*items.get(index, ()), literal)}


def _fill_distinct(states: Sequence[State], length: int, search: Search) -> Answer:
    if length > MAX_DISTINCT:
        empty = any(search.solve(state) == EMPTY for state in dict.fromkeys(states))
        return EMPTY if empty else unknown(f"no list of {length} different items is written for a proof")
    places = [states[min(index, len(states) - 1)] for index in range(length)]
    offers: dict[State, tuple[list[Any], Answer]] = {}
    for state in places:
        if state not in offers:
            offers[state] = _offer(state, length, search)
        if not offers[state][0] and offers[state][1] == EMPTY:
            return EMPTY
    chosen = _match([offers[state][0] for state in places])
    if chosen is not None:
        return found(chosen)
    doubts = (offers[state][1].under(index) for index, state in enumerate(places))
    return next((unknown(doubt.reason, doubt.pointer) for doubt in doubts if doubt.verdict == "unknown"), EMPTY)


def _offer(state: State, count: int, search: Search) -> tuple[list[Any], Answer]:
    """Return up to so many different values, and the answer to “is there another?” that ended the search."""
    values: list[Any] = []
    while len(values) < count:
        search.spend()
        answer = search.solve(state)
        if answer.verdict != "found":
            return values, answer
        values.append(answer.value)
        state |= {-search.constant(answer.value)}
    return values, EMPTY


def _match(offers: Sequence[Sequence[Any]]) -> list[Any] | None:
    """Return one value of each offer, all different, or None when that cannot be (augmenting paths)."""
    taken: dict[Any, tuple[int, Any]] = {}

    def place(index: int, seen: set[Any]) -> bool:
        for value in offers[index]:
            mark = identity(value)
            if mark in seen:
                continue
            seen.add(mark)
            if mark not in taken or place(taken[mark][0], seen):
                taken[mark] = (index, value)
                return True
        return False

    if not all(place(index, set()) for index in range(len(offers))):
        return None
    return [value for _, value in sorted(taken.values(), key=lambda entry: entry[0])]
