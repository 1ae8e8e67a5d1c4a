"""A condition as it stands in a document: its text, its canonical text and its JSON-Logic, checked to agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.errors import Problem
from policies.shape import ObjectReader


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What policies and conditions may speak of: the schema of every facet by its name."""

    schemas: Mapping[str, Any]

    @classmethod
    def of(cls, schemas: Mapping[str, Any]) -> Vocabulary:
        return cls(schemas)


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of a value whose members a condition names bare; None when no schema describes that part."""

    schema: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ConditionProblem(Problem):
    """The wording of a condition is at fault, not the shape of the document around it."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A checked condition. `json_logic` is what is evaluated; `dsl` is what its author wrote, if he wrote a text."""

    json_logic: Any
    dsl: str | None = None
    canonical_dsl: str | None = None
    warnings: tuple[Mapping[str, Any], ...] = ()
    variables: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"jsonLogic": self.json_logic}
        if self.dsl is not None:
            body["dsl"] = self.dsl
        if self.canonical_dsl is not None:
            body["canonicalDsl"] = self.canonical_dsl
        if self.warnings:
            body["warnings"] = [dict(warning) for warning in self.warnings]
        if self.variables:
            body["variables"] = list(self.variables)
        return body


def check_clause(
    reader: ObjectReader, key: str, *, vocabulary: Vocabulary, scope: Scope | None = None, required: bool = False
) -> Clause | None:
    """Return the condition at `key`; its shape and its wording are reported to the reader's problems."""
    child = reader.child(key, required=required)
    if child is None:
        return None
    texts = {name: _read_text(child, name) for name in ("dsl", "canonicalDsl")}
    logic = child.raw.get("jsonLogic") if child.has("jsonLogic") else None
    for ignored in ("warnings", "variables"):
        list(child.items(ignored))
    child.close()
    if "dsl" not in child.raw and "jsonLogic" not in child.raw:
        child.problems.append(Problem(child.at, "needs `dsl` (the condition as text) or `jsonLogic`", "required"))
        return None
    return Clause(logic, texts["dsl"], texts["canonicalDsl"])


def _read_text(reader: ObjectReader, name: str) -> str | None:
    """Return the text, blank ones included: what is wrong with a text is for the language to say."""
    if not reader.has(name):
        return None
    value = reader.raw[name]
    if isinstance(value, str):
        return value
    reader.report(name, "must be a string", "type")
    return None
