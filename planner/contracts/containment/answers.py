"""The answers to “is there such a value?”: none, this one, or not known with a reason and perhaps a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from policies.errors import pointer

State = frozenset[int]
TRUE = 1
_NOTHING = object()


class ExhaustedError(Exception):
    """The question took more steps or time than one question may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a value exists, that value or a guess at one, and what is not known where in the value."""

    verdict: Literal["empty", "found", "unknown"]
    value: Any = _NOTHING
    reason: str = ""
    pointer: str = ""

    @property
    def has_value(self) -> bool:
        return self.value is not _NOTHING

    def doubted(self, reason: str) -> Answer:
        """Return a found value as a mere guess."""
        return replace(self, verdict="unknown", reason=reason) if self.verdict == "found" else self

    def under(self, segment: str | int) -> Answer:
        return replace(self, pointer=pointer(segment) + self.pointer) if self.verdict == "unknown" else self

    def or_else(self, other: Answer) -> Answer:
        """Return the better of two answers to parts of one question: a value, then a guess, then a doubt."""
        return max(self, other, key=_merit)


EMPTY = Answer("empty")


class Search(Protocol):
    """What the kinds of values ask of the search for the values inside them."""

    def solve(self, state: Iterable[int]) -> Answer: ...

    def spend(self) -> None: ...

    def constant(self, value: Any) -> int: ...

    def own(self, schema: dict[str, Any]) -> int: ...


def found(value: Any) -> Answer:
    return Answer("found", value)


def unknown(reason: str, at: str = "") -> Answer:
    return Answer("unknown", reason=reason, pointer=at)


def joined(answers: Sequence[Answer], build: Callable[[list[Any]], Any]) -> Answer:
    """Return the answer for a value built of parts: empty as soon as one part is, in doubt as soon as one is."""
    if EMPTY in answers:
        return EMPTY
    doubts = [answer for answer in answers if answer.verdict == "unknown"]
    for doubt in doubts:
        if not doubt.has_value:
            return doubt
    value = build([answer.value for answer in answers])
    return replace(doubts[0], value=value) if doubts else found(value)


def _merit(answer: Answer) -> int:
    return {"found": 3, "unknown": 1, "empty": 0}[answer.verdict] + answer.has_value
