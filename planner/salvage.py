"""Keep what is usable of a value that does not fit its schema: leave out the members at fault, and say which."""

from __future__ import annotations

from typing import Any

from planner.contracts.json_schema import validator_for
from policies.errors import pointer


def salvage(value: Any, schema: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Return the value without the members and elements that break the schema, and the pointers of what was left out.

    The result may still not fit (a required member was at fault); the caller validates it.
    """
    dropped: list[str] = []
    return _keep(value, schema, "", dropped), tuple(dropped)


def fits(value: Any, schema: dict[str, Any]) -> bool:
    return validator_for(schema).is_valid(value)


def _keep(value: Any, schema: Any, at: str, dropped: list[str]) -> Any:
    if not isinstance(schema, dict) or fits(value, schema):
        return value
    if isinstance(value, dict):
        return _keep_members(value, schema, at, dropped)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return _keep_elements(value, schema["items"], at, dropped)
    return value


def _keep_members(value: dict[str, Any], schema: dict[str, Any], at: str, dropped: list[str]) -> dict[str, Any]:
    known = schema.get("properties", {})
    kept: dict[str, Any] = {}
    for name, member in value.items():
        place = at + pointer(name)
        if name not in known:
            if schema.get("additionalProperties") is False:
                dropped.append(place)
            else:
                kept[name] = member
            continue
        inner: list[str] = []
        remains = _keep(member, known[name], place, inner)
        if fits(remains, known[name]):
            kept[name] = remains
            dropped += inner
        else:
            dropped.append(place)
    return kept


def _keep_elements(value: list[Any], schema: dict[str, Any], at: str, dropped: list[str]) -> list[Any]:
    kept = []
    for index, element in enumerate(value):
        place = at + pointer(index)
        inner: list[str] = []
        remains = _keep(element, schema, place, inner)
        if fits(remains, schema):
            kept.append(remains)
            dropped += inner
        else:
            dropped.append(place)
    return kept
