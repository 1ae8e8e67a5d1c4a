"""Schemas of what several values make together: any one of them, or lists put end to end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from planner.contracts.shapes import merged
from policies import strict_json


def either(schemas: Iterable[Any]) -> Any:
    """Return the schema of a value that satisfies one of the schemas; nothing satisfies one of none."""
    distinct = {strict_json.dumps(schema): schema for schema in schemas}
    found = list(distinct.values())
    return found[0] if len(found) == 1 else {"anyOf": found} if found else False


def end_to_end(schemas: Sequence[Any]) -> dict[str, Any]:
    """Return the schema of the list that lists of these schemas make, one behind the other."""
    flats = [merged(schema) for schema in schemas]
    made: dict[str, Any] = {"type": "array", "minItems": sum(int(flat.get("minItems", 0)) for flat in flats)}
    if all("maxItems" in flat for flat in flats):
        made["maxItems"] = sum(int(flat["maxItems"]) for flat in flats)
    entries = either(entry for flat in flats for entry in (*flat.get("prefixItems", ()), flat.get("items", {})))
    return {**made, "items": entries}
