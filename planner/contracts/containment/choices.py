"""The scalars that are listed as allowed and those that are excluded, compared as JSON Schema compares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planner.contracts.containment.answers import EMPTY, Answer, Search, found
from planner.contracts.containment.claims import Claim, NoneOf, OneOf
from planner.contracts.schema_keywords import identity


@dataclass(frozen=True, slots=True)
class Choices:
    """`listed` are the only scalars possible (None: no list), `excluded` the identities of those that are not."""

    listed: tuple[Any, ...] | None = None
    excluded: frozenset[Any] = frozenset()

    def __contains__(self, value: Any) -> bool:
        """Whether the scalar is excluded."""
        return identity(value) in self.excluded

    def narrowed(self, claim: OneOf | NoneOf) -> Choices:
        marks = frozenset(map(identity, claim.values))
        if isinstance(claim, NoneOf):
            return Choices(self.listed, self.excluded | marks)
        listed = claim.values if self.listed is None else self.listed
        return Choices(tuple(value for value in listed if identity(value) in marks), self.excluded)


@dataclass(slots=True)
class LiteralFacts:
    """What is claimed of a value of a kind that has few values: null, true and false."""

    choices: Choices

    def copy(self) -> LiteralFacts:
        return LiteralFacts(self.choices)

    def add(self, claim: Claim) -> bool:
        if not isinstance(claim, OneOf | NoneOf):
            raise TypeError(claim)
        self.choices = self.choices.narrowed(claim)
        return True

    def solve(self, _search: Search) -> Answer:
        return next((found(v) for v in self.choices.listed or () if v not in self.choices), EMPTY)
