"""What a JSON Schema says about the values a condition can name: their type, their enumeration, their members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 12

ANY = "any"
TYPES = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A value that a schema describes: where, of which type, with which allowed values, and whether inside a list."""

    segments: tuple[str, ...]
    type: str
    enum: tuple[Any, ...] | None
    in_list: bool
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """Types without null and allowed values without null; None means that the schema does not say."""

    types: frozenset[str] | None
    enum: tuple[Any, ...] | None

    def both(self, other: Facts) -> Facts:
        types = (
            other.types if self.types is None else self.types & other.types if other.types is not None else self.types
        )
        if self.enum is None or other.enum is None:
            return Facts(types, other.enum if self.enum is None else self.enum)
        return Facts(types, tuple(value for value in self.enum if value in other.enum))

    def either(self, other: Facts) -> Facts:
        types = None if self.types is None or other.types is None else self.types | other.types
        if not self.types and self.types is not None:
            return Facts(types, other.enum)
        if not other.types and other.types is not None:
            return Facts(types, self.enum)
        return Facts(types, None if self.enum is None or other.enum is None else (*self.enum, *other.enum))


def walk(schema: Any, segments: tuple[str, ...] = (), *, named: bool = True) -> Iterator[Member]:
    """Yield the value itself (unless `named` is false) and, beneath it, its properties and those of list items."""
    yield from _walk(schema, schema, segments, in_list=False, named=named, depth=0)


def _walk(
    schema: Any, root: Any, segments: tuple[str, ...], *, in_list: bool, named: bool, depth: int
) -> Iterator[Member]:
    schema = resolve(schema, root)
    kind, enum = describe(schema, root)
    if named:
        yield Member(segments, kind, enum, in_list, schema)
    if depth >= MAX_DEPTH:
        return
    for item in items(schema, root, depth):
        yield from _walk(item, root, segments, in_list=True, named=False, depth=depth + 1)
    for name, member in properties(schema, root, depth):
        yield from _walk(member, root, (*segments, name), in_list=in_list, named=True, depth=depth + 1)


def describe(schema: Mapping[str, Any], root: Any) -> tuple[str, tuple[Any, ...] | None]:
    """Return the one type of a schema (`any` when it has none or several) and its enumeration."""
    facts = gather(schema, root, 0)
    if facts.types is None or len(facts.types) != 1:
        return ANY, None
    return next(iter(facts.types)), facts.enum


def gather(schema: Any, root: Any, depth: int) -> Facts:
    schema = resolve(schema, root)
    facts = Facts(own_types(schema), own_enum(schema))
    if depth >= MAX_DEPTH:
        return facts
    for part in parts(schema, "allOf"):
        facts = facts.both(gather(part, root, depth + 1))
    for keyword in ("anyOf", "oneOf"):
        choices = [gather(part, root, depth + 1) for part in parts(schema, keyword)]
        if choices:
            joined = choices[0]
            for choice in choices[1:]:
                joined = joined.either(choice)
            facts = facts.both(joined)
    return facts


def own_types(schema: Mapping[str, Any]) -> frozenset[str] | None:
    declared = schema.get("type")
    names = [declared] if isinstance(declared, str) else declared if isinstance(declared, list) else None
    if names is not None:
        return frozenset(TYPES[name] for name in names if isinstance(name, str) and name in TYPES)
    values = own_enum(schema)
    if values is not None:
        return frozenset(type_of(value) for value in values)
    if isinstance(schema.get("properties"), Mapping):
        return frozenset(("object",))
    return frozenset(("array",)) if "items" in schema else None


def own_enum(schema: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if "const" in schema:
        values = [schema["const"]]
    elif isinstance(schema.get("enum"), list):
        values = schema["enum"]
    else:
        return None
    return tuple(value for value in values if value is not None)


def type_of(value: Any) -> str:
    """Return the type name of a JSON value other than null."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def properties(schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the properties of a schema and of its branches, each name once; several definitions become a choice."""
    found: dict[str, list[Any]] = {}
    for branch in branches(schema, root, depth):
        declared = branch.get("properties")
        if isinstance(declared, Mapping):
            for name, member in declared.items():
                found.setdefault(str(name), []).append(member)
    for name, members in found.items():
        yield name, members[0] if len(members) == 1 else {"anyOf": members}


def items(schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[Any]:
    found = [branch["items"] for branch in branches(schema, root, depth) if isinstance(branch.get("items"), Mapping)]
    if found:
        yield found[0] if len(found) == 1 else {"anyOf": found}


def branches(schema: Any, root: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    schema = resolve(schema, root)
    yield schema
    if depth < MAX_DEPTH:
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in parts(schema, keyword):
                yield from branches(part, root, depth + 1)


def parts(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return value if isinstance(value, list) else []


def resolve(schema: Any, root: Any) -> Mapping[str, Any]:
    """Follow local references; what is no object schema (`true`, a broken reference) says nothing."""
    for _ in range(MAX_DEPTH):
        if not isinstance(schema, Mapping):
            return {}
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        schema = follow(root, reference)
    return {}


def follow(root: Any, reference: str) -> Any:
    if not reference.startswith("#"):
        return None
    place = root
    for segment in reference[1:].split("/")[1:]:
        key = segment.replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, Mapping) else None
    return place
