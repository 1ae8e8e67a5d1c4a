"""Replace local references in a JSON Schema by what they point at, so that a part of it can stand alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

_DEFINITIONS = ("$defs", "definitions")


def stand_alone(schema: Any, root: Any) -> Any:
    """Return `schema`, a part of `root`, without references and definitions.

    A reference that leads back to itself, or nowhere, becomes the schema that allows everything: weaker, never wrong,
    because the caller's whole schema is still checked at the end.
    """
    return _expand(schema, root, ())


def _expand(schema: Any, root: Any, open_refs: tuple[str, ...]) -> Any:
    if not isinstance(schema, dict):
        return [_expand(part, root, open_refs) for part in schema] if isinstance(schema, list) else schema
    rest = {
        key: value if key in _VERBATIM else _expand_member(key, value, root, open_refs)
        for key, value in schema.items()
        if key not in _DEFINITIONS and key != "$ref"
    }
    ref = schema.get("$ref")
    if ref is None:
        return rest
    target = {} if ref in open_refs else _expand(_follow(ref, root), root, (*open_refs, ref))
    if not rest:
        return target
    return {**rest, "allOf": [*rest.get("allOf", []), target]} if target != {} else rest


_VERBATIM = frozenset({"const", "enum", "default", "examples", "required", "$comment", "description", "title"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})


def _expand_member(key: str, value: Any, root: Any, open_refs: tuple[str, ...]) -> Any:
    """Expand a keyword's value; under `properties` the keys are the caller's own names, not keywords."""
    if key in _NAMED and isinstance(value, dict):
        return {name: _expand(part, root, open_refs) for name, part in value.items()}
    return _expand(value, root, open_refs)


def _follow(ref: str, root: Any) -> Any:
    if ref != "#" and not ref.startswith("#/"):
        return {}
    found = root
    for raw in ref.split("/")[1:]:
        segment = unquote(raw).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and segment in found:
            found = found[segment]
        elif isinstance(found, list) and segment.isdigit() and int(segment) < len(found):
            found = found[int(segment)]
        else:
            return {}
    return found
