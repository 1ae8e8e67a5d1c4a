"""What a schema says about values of one kind, in small statements that can each be turned into their opposite.

A keyword is read as claims that all hold where its schema is kept, and as ways (each a group of claims) in which a
value can break it. Schemas inside a claim are written as literals: the number of a part, negative where the value must
not satisfy that part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

KINDS = ("null", "boolean", "number", "string", "array", "object")
Way = tuple["Claim", ...]


@dataclass(frozen=True, slots=True)
class Is:
    """The value satisfies the part, or does not when the literal is negative."""

    literal: int


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of the ways holds; without any, nothing can."""

    ways: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Opaque:
    """A keyword whose meaning is not modelled holds, or not; `key` is equal where its meaning is equal."""

    key: tuple[str, int]
    holds: bool


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of these scalars."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The value is none of these scalars."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Size:
    """So many characters, items or members, both ends included."""

    least: int = 0
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """The number lies on one side of the limit; `open` excludes the limit itself."""

    limit: float
    upper: bool
    open: bool


@dataclass(frozen=True, slots=True)
class Multiple:
    """The number is a multiple of the step, or is none."""

    step: Fraction
    holds: bool


@dataclass(frozen=True, slots=True)
class Pattern:
    """The text matches, or does not."""

    text: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Format:
    """The text has the format, or has it not."""

    name: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Row:
    """The first items satisfy the literals of `prefix`, each its own, and all behind them `rest`."""

    prefix: tuple[int, ...]
    rest: int


@dataclass(frozen=True, slots=True)
class Item:
    """There is an item at the index and it satisfies the literal."""

    index: int
    literal: int


@dataclass(frozen=True, slots=True)
class SomeItem:
    """There is an item at `start` or later that satisfies the literal."""

    start: int
    literal: int


@dataclass(frozen=True, slots=True)
class Distinct:
    """No two items are equal, or some two are."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Members:
    """Members satisfy the literals of their name and of every pattern that matches it, or else `others`."""

    named: Mapping[str, int]
    patterns: tuple[tuple[str, int], ...]
    others: int


@dataclass(frozen=True, slots=True)
class Present:
    """There is a member of the name and it satisfies the literal."""

    name: str
    literal: int


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no member of the name."""

    name: str


@dataclass(frozen=True, slots=True)
class Names:
    """Every name satisfies the literal."""

    literal: int


@dataclass(frozen=True, slots=True)
class SomeMember:
    """There is a member that satisfies `value`, under another name than these, which satisfies `name`.

    `patterns` tell what the name matches and what it does not.
    """

    value: int
    named: frozenset[str] = frozenset()
    patterns: tuple[tuple[str, bool], ...] = ()
    name: int = 1


Claim = (
    Is
    | Either
    | Opaque
    | OneOf
    | NoneOf
    | Size
    | Bound
    | Multiple
    | Pattern
    | Format
    | Row
    | Item
    | SomeItem
    | Distinct
    | Members
    | Present
    | Absent
    | Names
    | SomeMember
)
