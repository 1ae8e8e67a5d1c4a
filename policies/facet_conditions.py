"""Conditions on a part of one facet's value: goals of a run and post-conditions of a capability share this shape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from policies.clauses import Clause, Vocabulary, check_clause
from policies.errors import Problem
from policies.shape import ObjectReader, shown

_INDEX = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class FacetCondition:
    """`condition` must hold for what stands at `path` inside the value of `facet`."""

    facet: str
    path: str
    condition: Clause

    def as_json(self) -> dict[str, Any]:
        return {"facet": self.facet, "path": self.path, "condition": self.condition.as_json()}


def split_path(path: str) -> tuple[str, ...]:
    """Return the segments of a path: `#/variants[0]/body` is variants, 0, body; `#` is the whole value."""
    plain = _INDEX.sub(r"/\1", path.removeprefix("#"))
    segments = [segment for segment in plain.split("/") if segment]
    return tuple(segment.replace("~1", "/").replace("~0", "~") for segment in segments)


def schema_at(schema: Any, path: str) -> dict[str, Any]:
    """Return what a condition at `path` may speak of, as the schema of an object; `{}` when the schema does not say.

    A part that is no object is spoken of by the last name on the path, or as `value` when the path is empty.
    """
    segments = split_path(path)
    current: Any = schema
    for segment in segments:
        current = _step(current, segment)
    if not isinstance(current, dict) or not current:
        return {}
    if current.get("type") == "object" or "properties" in current:
        return current
    name = next((segment for segment in reversed(segments) if not segment.isdigit()), "value")
    return {"type": "object", "properties": {name: current}}


def _step(schema: Any, segment: str) -> Any:
    if not isinstance(schema, dict):
        return None
    if segment.isdigit() and "items" in schema:
        return schema["items"]
    properties = schema.get("properties")
    return properties.get(segment) if isinstance(properties, dict) else None


def check_facet_conditions(
    reader: ObjectReader, key: str, *, vocabulary: Vocabulary, at_least: int = 0
) -> tuple[FacetCondition, ...]:
    """Return the conditions in the array at `key`; what is wrong is reported to the reader."""
    found = [_check_one(item, at, vocabulary, reader.problems) for item, at in reader.items(key, at_least=at_least)]
    return tuple(condition for condition in found if condition is not None)


def _check_one(raw: Any, at: str, vocabulary: Vocabulary, problems: list[Problem]) -> FacetCondition | None:
    reader = ObjectReader.of(raw, at, problems)
    if reader is None:
        return None
    facet, path = reader.text("facet", required=True), reader.text("path", required=True)
    if facet is not None and facet not in vocabulary.schemas:
        reader.report(
            "facet", f"no facet is called {shown(facet)}.{reader.hint(facet, vocabulary.schemas)}", "unknown_facet"
        )
    part = schema_at(vocabulary.schemas.get(facet or ""), path or "")
    condition = check_clause(reader, "condition", vocabulary=vocabulary, bare_schema=part, required=True)
    reader.close()
    if facet is None or path is None or condition is None:
        return None
    return FacetCondition(facet, path, condition)
