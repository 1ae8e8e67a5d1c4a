"""A condition as it stands in a document: its text, its canonical text and its JSON-Logic, checked to agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policies.conditions import Catalog, ConditionError, Diagnostic, build_catalog, reconcile
from policies.errors import Problem
from policies.shape import ObjectReader


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What policies and conditions may speak of: the schema of every facet by its name, and the condition catalogue."""

    schemas: Mapping[str, Any]
    catalog: Catalog

    @classmethod
    def of(cls, schemas: Mapping[str, Any]) -> Vocabulary:
        return cls(schemas, build_catalog(schemas))


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
    reader: ObjectReader, key: str, *, vocabulary: Vocabulary, bare_schema: Any = None, required: bool = False
) -> Clause | None:
    """Return the condition at `key`; its shape and its wording are reported to the reader's problems.

    With `bare_schema`, the members of that schema may be named bare; `{}` describes nothing and leaves names free.
    """
    child = reader.child(key, required=required)
    if child is None:
        return None
    before = len(child.problems)
    dsl, canonical = _read_text(child, "dsl"), _read_text(child, "canonicalDsl")
    child.has("jsonLogic")
    for derived in ("warnings", "variables"):
        list(child.items(derived))
    child.close()
    if not child.raw.keys() & {"dsl", "jsonLogic"}:
        child.problems.append(Problem(child.at, "needs `dsl` (the condition as text) or `jsonLogic`", "required"))
    if len(child.problems) > before:
        return None
    return _check_wording(child, dsl, canonical, vocabulary.catalog, bare_schema)


def _check_wording(
    child: ObjectReader, dsl: str | None, canonical: str | None, catalog: Catalog, bare_schema: Any
) -> Clause | None:
    logic = child.raw.get("jsonLogic")
    try:
        condition = reconcile(dsl, logic, canonical, catalog, bare_schema=bare_schema)
    except ConditionError as error:
        place = child.place("jsonLogic" if dsl is None else "dsl")
        child.problems.extend(_problem(found, place) for found in error.diagnostics)
        return None
    return Clause(
        json_logic=condition.json_logic,
        dsl=dsl,
        canonical_dsl=condition.canonical_dsl,
        warnings=tuple(warning.as_json() for warning in condition.warnings),
        variables=condition.variables,
    )


def wording_problems(dsl: str | None, logic: Any, place: str) -> tuple[ConditionProblem, ...]:
    """Return what is wrong with a condition whatever it speaks of: names are left unchecked."""
    try:
        reconcile(dsl, logic, bare_schema={})
    except ConditionError as error:
        return tuple(_problem(found, place) for found in error.diagnostics)
    return ()


def _problem(found: Diagnostic, place: str) -> ConditionProblem:
    hint = (
        f" (did you mean `{found.suggestion}`?)" if found.suggestion and found.suggestion not in found.message else ""
    )
    return ConditionProblem(place, found.message + hint, found.code, found.range.as_json())


def _read_text(reader: ObjectReader, name: str) -> str | None:
    """Return the text, blank ones included: what is wrong with a text is for the language to say."""
    if not reader.has(name):
        return None
    value = reader.raw[name]
    if isinstance(value, str):
        return value
    reader.report(name, "must be a string", "type")
    return None
