"""Compare two JSON Schemas by shape: can a value satisfy both, and how many property names do they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ALL = frozenset({"null", "boolean", "object", "array", "number", "integer", "string"})
_IMPLIED: Mapping[str, frozenset[str]] = {
    "properties": frozenset({"object"}),
    "items": frozenset({"array"}),
    "prefixItems": frozenset({"array"}),
}
_JSON_TYPES: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much of a wanted shape another shape names: `share` of its properties from 0 to 1, out of `named`."""

    share: float
    named: int

    @property
    def by_structure(self) -> bool:
        """Whether the shapes resemble each other by property names, not just by type."""
        return self.named > 0 and self.share >= 0.5


def merged(schema: Any) -> dict[str, Any]:
    """Return the schema as one object whose `allOf` parts have been laid into it (for reading, not for validating)."""
    if not isinstance(schema, dict):
        return {} if schema is not False else {"enum": []}
    flat = {key: value for key, value in schema.items() if key != "allOf"}
    for part in map(merged, schema.get("allOf", ())):
        for key, value in part.items():
            if key == "properties":
                flat[key] = {**value, **flat.get(key, {})}
            elif key == "required":
                flat[key] = sorted({*value, *flat.get(key, ())})
            else:
                flat.setdefault(key, value)
    return flat


def types_of(schema: Any) -> frozenset[str]:
    """Return the JSON types that the schema leaves possible; an integer is a number too."""
    flat = merged(schema)
    named = flat.get("type")
    if named is not None:
        return _widened([named] if isinstance(named, str) else named)
    if "const" in flat or "enum" in flat:
        values = [flat["const"]] if "const" in flat else flat["enum"]
        return _widened(_JSON_TYPES.get(type(value), "null") for value in values)
    return next((types for key, types in _IMPLIED.items() if key in flat), _ALL)


def likeness(offered: Any, wanted: Any) -> Likeness | None:
    """Return how alike two schemas are, or None when no value could satisfy both or what is wanted must be missing."""
    left, right = merged(offered), merged(wanted)
    for key in ("anyOf", "oneOf"):
        if key in right:
            found = [likeness(offered, {**_without(right, key), "allOf": [way]}) for way in right[key]]
            return max((f for f in found if f), key=lambda f: (f.share, f.named), default=None)
    if not types_of(left) & types_of(right) or _values_disjoint(left, right):
        return None
    if "array" in types_of(right) and "array" in types_of(left) and "items" in right:
        return likeness(left.get("items", {}), right["items"])
    if "properties" in right or right.get("required"):
        return _object_likeness(left, right)
    return Likeness(1.0, 0)


def closed(schema: Any) -> bool:
    """Return whether an object schema forbids properties that it does not name."""
    flat = merged(schema)
    return flat.get("additionalProperties") is False or flat.get("unevaluatedProperties") is False


def _object_likeness(left: dict[str, Any], right: dict[str, Any]) -> Likeness | None:
    if "object" not in types_of(left):
        return Likeness(1.0, 0)
    offered, wanted = left.get("properties", {}), right.get("properties", {})
    if any(name not in offered and closed(left) for name in right.get("required", ())):
        return None
    shared = [name for name in wanted if name in offered]
    if any(likeness(offered[name], wanted[name]) is None for name in shared):
        return None
    return Likeness(len(shared) / len(wanted), len(wanted)) if wanted else Likeness(1.0, 0)


def _widened(types: Any) -> frozenset[str]:
    found = frozenset(types)
    return found | {"integer"} if "number" in found else found


def _values_disjoint(left: dict[str, Any], right: dict[str, Any]) -> bool:
    listed = [[s["const"]] if "const" in s else s.get("enum") for s in (left, right)]
    if listed[0] is None or listed[1] is None:
        return False
    return not any(value in listed[1] for value in listed[0])


def _without(schema: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}
