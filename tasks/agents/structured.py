"""The response format of a call: the output schema in the strict dialect of structured outputs, where that is possible.

Strict mode guarantees the shape while the model writes, but its dialect is small: every object closed, every property
required, few keywords. `strict_schema` narrows a schema into it: it closes objects, makes optional properties required
but nullable (`without_added_nulls` takes those nulls out again), and drops what only limits values, for the answer is
validated against the full schema anyway. What cannot be narrowed is sent as it is, not strict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MAX_DEPTH = 9
_MAX_PROPERTIES = 4000
_NAME_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]+")
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
_KEPT = {"type", "description", "title", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
_KEPT |= {"multipleOf", "minItems", "maxItems"}
# Limits and notes that the strict dialect lacks and that narrow no shape: the prompt names them, the validator checks.
_DROPPED = {"minLength", "maxLength", "pattern", "uniqueItems", "default", "examples", "$schema", "$id", "$comment"}
_DROPPED |= {"format", "readOnly", "writeOnly", "deprecated", "minProperties"}
_WALKED = {"properties", "required", "additionalProperties", "items", "anyOf", "$ref", "$defs"}


class _NotStrictError(Exception):
    """The schema says something that the strict dialect cannot."""


def response_format(name: str, schema: Mapping[str, Any], *, allow_strict: bool = True) -> dict[str, Any]:
    """Return the `response_format` for an answer of this schema, strict where its dialect allows."""
    strict = strict_schema(schema) if allow_strict else None
    return {
        "type": "json_schema",
        "json_schema": {
            "name": _NAME_CHARACTERS.sub("_", name)[:64] or "output",
            "schema": dict(schema) if strict is None else strict,
            "strict": strict is not None,
        },
    }


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema in the strict dialect, or None when it has no equivalent there."""
    if schema.get("type") != "object" or "anyOf" in schema:
        return None
    try:
        narrowed = _narrow(schema, 0)
    except _NotStrictError:
        return None
    return narrowed if _count_properties(narrowed) <= _MAX_PROPERTIES else None


def without_added_nulls(value: Any, schema: Any) -> Any:
    """Return `value` without the nulls that stand for an absent optional property of `schema`."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, list):
        return [without_added_nulls(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    return {
        key: without_added_nulls(item, properties.get(key))
        for key, item in value.items()
        if item is not None or key in required or _takes_null(properties.get(key, True))
    }


def _narrow(schema: Any, depth: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        raise _NotStrictError
    if unknown := schema.keys() - _KEPT - _DROPPED - _WALKED:
        raise _NotStrictError(unknown)
    narrowed = {key: schema[key] for key in schema if key in _KEPT}
    if schema.get("format") in _FORMATS:
        narrowed["format"] = schema["format"]
    if "$defs" in schema:
        narrowed["$defs"] = {name: _narrow(part, depth + 1) for name, part in schema["$defs"].items()}
    if "$ref" in schema:
        return {**narrowed, "$ref": _local(schema["$ref"])}
    if "anyOf" in schema:
        return {**narrowed, "anyOf": [_narrow(part, depth + 1) for part in schema["anyOf"]]}
    if not schema.keys() & {"type", "enum", "const"}:
        raise _NotStrictError
    types = _types(schema)
    if "object" in types:
        narrowed |= _narrow_object(schema, depth)
    if "array" in types:
        narrowed["items"] = _narrow(schema.get("items"), depth + 1)
    return narrowed


def _narrow_object(schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not properties or isinstance(schema.get("additionalProperties", True), Mapping):
        raise _NotStrictError
    required = set(schema.get("required", ()))
    if not required <= properties.keys():
        raise _NotStrictError
    return {
        "properties": {
            name: _narrow(part, depth + 1) if name in required else _or_null(part, depth + 1)
            for name, part in properties.items()
        },
        "required": list(properties),
        "additionalProperties": False,
    }


def _or_null(schema: Any, depth: int) -> dict[str, Any]:
    narrowed = _narrow(schema, depth)
    return narrowed if _takes_null(schema) else {"anyOf": [narrowed, {"type": "null"}]}


def _takes_null(schema: Any) -> bool:
    """Tell whether null may stand here by the schema itself; what cannot be told at a glance counts as no."""
    if isinstance(schema, bool):
        return schema
    if "anyOf" in schema:
        return any(_takes_null(part) for part in schema["anyOf"])
    return "null" in _types(schema) or ("enum" in schema and None in schema["enum"])


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _local(reference: str) -> str:
    if not re.fullmatch(r"#(/\$defs/[^/]+)?", reference):
        raise _NotStrictError(reference)
    return reference


def _count_properties(schema: Any) -> int:
    if isinstance(schema, Mapping):
        own = len(schema["properties"]) if isinstance(schema.get("properties"), Mapping) else 0
        return own + sum(_count_properties(part) for part in schema.values())
    return sum(_count_properties(part) for part in schema) if isinstance(schema, list) else 0
