"""Find how facets fill the caller's own schema: by name, by property key, or by shape where the names differ.

A schema is read as *places*: its properties, or its root when it is no object of named parts. Each place gets its
candidates, best first; the planner takes the first one that it can have produced. A chosen candidate then says two
things: the JMESPath expression that lifts the facet's value into the place, and the demand that the producing node has
to meet so that the lifted value satisfies the caller.

Forms: `whole` (the value as it is), `items` (the value's items, gathered from every branch), `item` (the first item of
a list), `collect` (one value per branch, made a list), `member` (one property of an object).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from planner.contracts.facets import Facet
from planner.contracts.references import stand_alone
from planner.contracts.shapes import closed, likeness, merged, types_of
from policies.errors import pointer

Form = Literal["whole", "items", "item", "collect", "member"]
Match = Literal["name", "key", "expected", "shape"]
_RANK: dict[Match, int] = {"name": 0, "key": 1, "expected": 2, "shape": 3}
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to fill a place; `share` (0 to 1) says how many of the wanted property names the facet has."""

    facet: str
    form: Form
    match: Match
    share: float = 1.0
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the caller's schema that facets fill: its root (`key` None) or one property of it."""

    key: str | None
    required: bool
    schema: dict[str, Any]
    candidates: tuple[Candidate, ...]

    @property
    def pointer(self) -> str:
        return "" if self.key is None else pointer(self.key)

    @property
    def bounds(self) -> tuple[int, int | None]:
        """The least and the greatest number of items that the place takes, (0, None) when it sets none."""
        flat = merged(self.schema)
        return int(flat.get("minItems", 0)), flat.get("maxItems")

    @property
    def is_list(self) -> bool:
        return _lists(self.schema)


def find_places(schema: Any, facets: Sequence[Facet], expected: Iterable[str] = ()) -> tuple[Place, ...]:
    """Return the places of the caller's `schema` with their candidates among `facets`.

    `expected` are the facets that the envelope asks for in other words (channel, format); they may match on less. The
    root is one place when it is no object with properties, or when a required property of it has no candidate and
    some facet has the shape of the whole.
    """
    wished = tuple(expected)
    root = stand_alone(schema, schema)
    flat = merged(root)
    names: dict[str, Any] = flat.get("properties", {})
    required = frozenset(flat.get("required", names))
    places = tuple(
        Place(name, name in required, part if isinstance(part, dict) else {}, _candidates(name, part, facets, wished))
        for name, part in names.items()
    ) + tuple(
        Place(name, required=True, schema={}, candidates=_candidates(name, {}, facets, wished))
        for name in sorted(required - names.keys())
    )
    if places and all(place.candidates for place in places if place.required):
        return places
    whole = Place(None, required=True, schema=flat, candidates=_candidates(None, flat, facets, wished))
    return (whole,) if whole.candidates or not places else places


def expression(place: Place, candidate: Candidate, *, branched: bool) -> str:
    """Return the JMESPath expression that takes the place's value out of {facet: value}.

    A branched facet arrives as a list of {branch, value} in the order of the branches.
    """
    facet = _name(candidate.facet)
    one = f"{facet}[0].value" if branched else facet
    schema = merged(place.schema)
    match candidate.form:
        case "items":
            return _picked(f"{facet}[].value[]" if branched else f"{facet}[]", schema.get("items", {}))
        case "collect":
            return _picked(f"{facet}[].value" if branched else f"[{facet}][]", schema.get("items", {}))
        case "item":
            return _picked(f"{one}[0]", schema)
        case "member":
            return _picked(f"{one}.{_name(candidate.member or '')}", schema)
        case "whole":
            return _picked(one, schema)


def facet_expression(facet: str, *, is_list: bool, branched: bool) -> str:
    """Return the expression for a facet under its own name: branches give one list, or else their first value."""
    name = _name(facet)
    if not branched:
        return name
    return f"{name}[].value[]" if is_list else f"{name}[0].value"


def demand(place: Place, candidate: Candidate, *, items: int | None = None, start: int = 0) -> dict[str, Any]:
    """Return the schema that the facet's value has to meet for the place's sake.

    `items` asks a branch for exactly so many items, the first of which becomes item `start` of the whole list.
    """
    schema = merged(place.schema)
    match candidate.form:
        case "items" if items is not None:
            return {"type": "array", "minItems": items, "maxItems": items, **_item_schema(schema, start, items)}
        case "items":
            return {**schema, "items": _open(schema["items"])} if "items" in schema else schema
        case "collect":
            return _as_object(_open(schema.get("items", {})))
        case "item":
            return {"type": "array", "minItems": 1, "items": _open(schema)}
        case "member":
            name = candidate.member or ""
            return {"type": "object", "required": [name], "properties": {name: _open(schema)}}
        case "whole":
            return _as_object(_open(schema))


def projection(schema: Any) -> tuple[str, ...] | None:
    """Return the members that are picked for a place of this schema, None where the value is taken as it is."""
    return tuple(merged(schema).get("properties", {})) if _projects(schema) else None


def normalised(name: str) -> str:
    """Return a name without case and separators: `post_copy` and `postCopy` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _candidates(
    key: str | None, schema: Any, facets: Sequence[Facet], expected: Sequence[str]
) -> tuple[Candidate, ...]:
    found = [candidate for facet in facets for candidate in _ways(key, schema, facet, expected=facet.name in expected)]
    position = {facet.name: index for index, facet in enumerate(facets)}
    return tuple(sorted(found, key=lambda c: (_RANK[c.match], -c.share, not _kindred(key, c.facet), position[c.facet])))


def _ways(key: str | None, schema: Any, facet: Facet, *, expected: bool) -> Iterable[Candidate]:
    match = _name_match(key, facet)
    for form, offered, wanted in _forms(facet.schema, schema):
        alike = likeness(offered, wanted)
        if alike is None:
            continue
        if match is not None:
            yield Candidate(facet.name, form, match, alike.share)
            return
        if alike.by_structure:
            yield Candidate(facet.name, form, "expected" if expected else "shape", alike.share)
            return
        if expected and alike.share > 0:
            yield _member(key, schema, facet) or Candidate(facet.name, form, "expected", alike.share)
            return
    if expected and (member := _member(key, schema, facet)):
        yield member


def _member(key: str | None, schema: Any, facet: Facet) -> Candidate | None:
    """Return the facet's member of the place's name, if it can fill the place."""
    for name, part in merged(facet.schema).get("properties", {}).items():
        if key is not None and normalised(name) == normalised(key) and likeness(part, schema) is not None:
            return Candidate(facet.name, "member", "expected", member=name)
    return None


def _forms(offered: Any, wanted: Any) -> Iterable[tuple[Form, Any, Any]]:
    """Yield the forms in which a value of one type can fill a place of another, with the two schemas to compare."""
    lists, wants_list = _lists(offered), _lists(wanted)
    if lists and wants_list:
        yield "items", offered, wanted
    elif wants_list:
        yield "collect", offered, merged(wanted).get("items", {})
    else:
        yield "whole", offered, wanted
        if lists:
            yield "item", merged(offered).get("items", {}), wanted


def _lists(schema: Any) -> bool:
    return "array" in types_of(schema) and types_of(schema) <= {"array", "null"}


def _name_match(key: str | None, facet: Facet) -> Match | None:
    if key is None:
        return None
    if key == facet.name:
        return "name"
    return "key" if normalised(key) in {normalised(facet.name), normalised(facet.property_key)} else None


def _kindred(key: str | None, facet: str) -> bool:
    """Whether one name is part of the other (`variants`, `copyVariants`): the tie-break between equal shapes."""
    left, right = normalised(key or ""), normalised(facet)
    return bool(left) and (left in right or right in left)


def _item_schema(schema: dict[str, Any], start: int, count: int) -> dict[str, Any]:
    prefix = schema.get("prefixItems", [])
    own = [_open(part) for part in prefix[start : start + count]]
    rest = {"items": _open(schema["items"])} if "items" in schema else {}
    return {**({"prefixItems": own} if own else {}), **rest}


def _open(schema: Any) -> Any:
    """Lift the ban on further properties from the place's own objects: the expression picks the named ones."""
    if not _projects(schema):
        return schema
    return {k: v for k, v in merged(schema).items() if k not in {"additionalProperties", "unevaluatedProperties"}}


def _as_object(schema: Any) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _projects(schema: Any) -> bool:
    return closed(schema) and "patternProperties" not in merged(schema)


def _picked(source: str, schema: Any) -> str:
    return f"{source}.pick(@, {_literal(schema)})" if _projects(schema) else source


def _literal(schema: Any) -> str:
    text = json.dumps(list(merged(schema).get("properties", {})), ensure_ascii=False).replace("`", "\\`")
    return f"`{text}`"


def _name(identifier: str) -> str:
    return identifier if _BARE.match(identifier) else json.dumps(identifier, ensure_ascii=False)
