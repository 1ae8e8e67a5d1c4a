"""A schema as a judge of values of one kind, and what it can say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from planner.contracts.containment.claims import Claim, Either, Opaque, Way
from planner.contracts.containment.parts import Part, Parts


@dataclass(frozen=True, slots=True)
class Judgement:
    """The claims that hold where a keyword is kept, and the ways in which it can be broken."""

    kept: tuple[Claim, ...] = ()
    broken: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A part, seen as a judge of values of one kind."""

    part: Part
    parts: Parts
    kind: str

    def get(self, keyword: str, default: Any = None) -> Any:
        return self.part.schema.get(keyword, default)

    def has(self, keyword: str) -> bool:
        return keyword in self.part.schema

    def number(self, schema: Any) -> int:
        return self.parts.number(schema, self.part.document)

    def numbers(self, schemas: Iterable[Any]) -> list[int]:
        return [self.number(schema) for schema in schemas]


Rule = Callable[[Subject], Judgement]
SILENT = Judgement()
NEVER = Judgement((Either(()),), ((),))


def opaque(subject: Subject, keyword: str) -> Judgement:
    """Return the judgement of a keyword that is not modelled: known only to be itself."""
    key = (keyword, subject.part.number)
    return Judgement((Opaque(key, holds=True),), ((Opaque(key, holds=False),),))


def either(ways: Iterable[Way], broken: Iterable[Way]) -> Judgement:
    """Return the judgement of a keyword that is kept in one of several ways."""
    return Judgement((Either(tuple(ways)),), tuple(broken))
