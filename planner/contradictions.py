"""Parts of an envelope that cannot both be satisfied, found before anything is planned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import gt, lt
from typing import Any

from planner.contracts.output_contract import OutputContract
from planner.refusals import ContractUnsatisfiableError
from policies.errors import Problem, pointer
from policies.legacy import MAX_VARIANTS
from policies.shape import is_number, is_whole

_DELIVERABLE = re.compile(r"variant|post|draft|option|copy|copies", re.IGNORECASE)
_VARIANT_COUNTS = (
    ("inputs", "variantCount"),
    ("policies", "variantCount"),
    ("policies", "planner", "topology", "variantCount"),
)


def contradictions(raw: dict[str, Any], contract: OutputContract) -> Iterator[Problem]:
    """Yield a problem at both ends of each contradiction between the number of variants and the caller's contract."""
    if contract.schema is None:
        return
    for path in _VARIANT_COUNTS:
        count = _at(raw, path)
        if is_whole(count) and 1 <= count <= MAX_VARIANTS:
            yield from _against_array(count, pointer(*path), contract.schema)


def _against_array(count: int, counted_at: str, schema: dict[str, Any]) -> Iterator[Problem]:
    found = _variant_array(schema, count)
    if found is None:
        return
    array, place = found
    for keyword, broken in (("minItems", lt), ("maxItems", gt)):
        bound = array.get(keyword)
        if is_number(bound) and broken(count, bound):
            bounded_at = f"/outputContract/schema{place}/{keyword}"
            says = (
                f"{counted_at} asks for {count} variants, and {keyword} at {bounded_at} is {bound}; change one of them"
            )
            for end in (counted_at, bounded_at):
                yield Problem(end, says, ContractUnsatisfiableError.code)


def _variant_array(schema: dict[str, Any], count: int) -> tuple[dict[str, Any], str] | None:
    """Return the array that would hold the variants and its pointer, or None when the schema leaves that open."""
    if schema.get("type") == "array":
        return schema, ""
    properties = schema.get("properties")
    arrays = {
        name: part
        for name, part in (properties.items() if isinstance(properties, dict) else ())
        if isinstance(part, dict) and part.get("type") == "array"
    }
    named = [name for name, part in arrays.items() if _DELIVERABLE.search(name) or _holds_copy(part)]
    # Several variants need an array of objects; a single one may well stand outside of every array.
    several = [name for name, part in arrays.items() if count > 1 and _items(part).get("type") == "object"]
    candidates = named or several
    return (arrays[candidates[0]], pointer("properties", candidates[0])) if len(candidates) == 1 else None


def _holds_copy(array: dict[str, Any]) -> bool:
    members = _items(array).get("properties")
    return isinstance(members, dict) and {"headline", "body"} <= members.keys()


def _items(array: dict[str, Any]) -> dict[str, Any]:
    items = array.get("items")
    return items if isinstance(items, dict) else {}


def _at(raw: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return raw
