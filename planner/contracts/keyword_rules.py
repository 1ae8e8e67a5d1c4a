"""What each keyword of a JSON Schema may hold: one table from keyword to the complaint about its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.contracts.schema_walk import HOLD_LIST, HOLD_MAP, HOLD_ONE, is_schema

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_LEGACY = ("draft-07", "draft-06", "2019-09")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value) and len(set(value)) == len(value)


def _rule(test: Callable[[Any], bool], message: str) -> Callable[[Any, str], str | None]:
    return lambda value, _draft: None if test(value) else message


def _check_type(value: Any, _draft: str) -> str | None:
    names = [value] if isinstance(value, str) else value
    if _is_names(names) and names and all(name in TYPES for name in names):
        return None
    return f"must be one of {', '.join(TYPES)}, or a list of different ones"


def _check_items(value: Any, draft: str) -> str | None:
    if isinstance(value, list):
        return None if draft in _LEGACY and all(map(is_schema, value)) else "a list of schemas is called prefixItems"
    return None if is_schema(value) else "must be a schema"


def _check_dependencies(value: Any, _draft: str) -> str | None:
    if isinstance(value, dict) and all(is_schema(v) or _is_names(v) for v in value.values()):
        return None
    return "must be an object of schemas or lists of names"


def _is_schema_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(is_schema, value.values()))


def _is_schema_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(is_schema, value))


def _refuse_dynamic(_value: Any, _draft: str) -> str:
    return "is not supported: use $ref to a place in this document"


RULES: dict[str, Callable[[Any, str], str | None]] = {
    **dict.fromkeys(HOLD_ONE, _rule(is_schema, "must be a schema: an object, true or false")),
    **dict.fromkeys(HOLD_LIST, _rule(_is_schema_list, "must be a list of schemas that is not empty")),
    **dict.fromkeys(HOLD_MAP, _rule(_is_schema_map, "must be an object whose members are schemas")),
    **dict.fromkeys(
        ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _rule(_is_number, "must be a number")
    ),
    **dict.fromkeys(
        (
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
            "minContains",
            "maxContains",
        ),
        _rule(_is_count, "must be a whole number, 0 or more"),
    ),
    **dict.fromkeys(
        ("uniqueItems", "deprecated", "readOnly", "writeOnly"),
        _rule(lambda value: isinstance(value, bool), "must be true or false"),
    ),
    **dict.fromkeys(
        ("title", "description", "format", "pattern", "$id", "$ref", "$anchor", "$comment", "contentEncoding"),
        _rule(lambda value: isinstance(value, str), "must be a text"),
    ),
    **dict.fromkeys(("enum", "examples"), _rule(lambda value: isinstance(value, list), "must be a list")),
    **dict.fromkeys(("$dynamicRef", "$recursiveRef"), _refuse_dynamic),
    "multipleOf": _rule(lambda value: _is_number(value) and value > 0, "must be a number greater than 0"),
    "required": _rule(_is_names, "must be a list of different names"),
    "dependentRequired": _rule(
        lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
        "must be an object of lists of names",
    ),
    "type": _check_type,
    "items": _check_items,
    "dependencies": _check_dependencies,
}
