"""Where in a JSON Schema further schemas stand: the one table that lint, compiler and prover walk by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.errors import pointer

HOLD_ONE = (
    *("additionalItems", "additionalProperties", "unevaluatedItems", "unevaluatedProperties", "items", "contains"),
    *("propertyNames", "not", "if", "then", "else", "contentSchema"),
)
HOLD_LIST = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
HOLD_MAP = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
IN_PLACE = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies", "$ref"}
)


@dataclass(frozen=True, slots=True)
class Child:
    """A schema inside a schema: its pointer below the parent, the keyword that holds it, and itself."""

    place: str
    keyword: str
    schema: Any


def children(schema: Any) -> Iterator[Child]:
    """Yield the schemas that stand directly in `schema`; what has the wrong shape to be one is passed over."""
    if not isinstance(schema, dict):
        return
    for keyword, held in schema.items():
        if keyword in HOLD_MAP and isinstance(held, dict):
            for name, member in held.items():
                if is_schema(member):
                    yield Child(pointer(keyword, name), keyword, member)
        elif keyword in HOLD_LIST and isinstance(held, list):
            for index, member in enumerate(held):
                if is_schema(member):
                    yield Child(pointer(keyword, index), keyword, member)
        elif keyword in HOLD_ONE and is_schema(held):
            yield Child(pointer(keyword), keyword, held)


def subschemas(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield every schema of the document with its pointer, the document itself first."""
    stack = [("", schema)]
    while stack:
        place, here = stack.pop()
        yield place, here
        stack.extend((place + child.place, child.schema) for child in children(here))


def is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)
