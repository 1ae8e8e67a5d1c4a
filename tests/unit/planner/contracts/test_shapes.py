"""Likeness of schemas, and schemas freed of references."""

from __future__ import annotations

from typing import Any

import pytest

from planner.contracts.references import stand_alone
from planner.contracts.shapes import closed, likeness, merged, types_of

PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "types"),
    [
        ({"type": ["string", "null"]}, {"string", "null"}),
        ({"type": "number"}, {"number", "integer"}),
        ({"enum": ["a", 1]}, {"string", "integer"}),
        ({"const": 1.5}, {"number", "integer"}),
        ({"properties": {}}, {"object"}),
        ({"items": {}}, {"array"}),
        ({"allOf": [{"type": "string"}]}, {"string"}),
        (False, set()),
    ],
)
def test_types_are_read_or_inferred(schema: Any, types: set[str]) -> None:
    assert types_of(schema) == types


def test_the_schema_that_says_nothing_allows_every_type() -> None:
    assert len(types_of({})) == len(types_of(True)) == 7


@pytest.mark.parametrize(
    ("offered", "wanted", "share"),
    [
        (PERSON, PERSON, 1.0),
        (PERSON, {"properties": {"name": {}, "shoe": {}}}, 0.5),
        (PERSON, {"properties": {"name": {"type": "array"}}}, None),
        (PERSON | {"additionalProperties": False}, {"required": ["shoe"]}, None),
        (PERSON, {"required": ["shoe"]}, 1.0),
        ({"type": "array", "items": PERSON}, {"items": {"properties": {"name": {}}}}, 1.0),
        ({"type": "string"}, {"type": "array"}, None),
        ({"type": "integer"}, {"type": "number"}, 1.0),
        ({"enum": ["a"]}, {"enum": ["b"]}, None),
        ({"enum": ["a", "b"]}, {"const": "b"}, 1.0),
        (PERSON, {"anyOf": [{"type": "string"}, {"properties": {"name": {}}}]}, 1.0),
        (PERSON, {"oneOf": [{"type": "string"}, {"type": "null"}]}, None),
    ],
)
def test_likeness_is_the_share_of_wanted_names_or_nothing_when_no_value_fits(
    offered: Any, wanted: Any, share: float | None
) -> None:
    found = likeness(offered, wanted)
    assert (None if found is None else found.share) == share


def test_parts_of_all_of_are_read_as_one() -> None:
    schema = {"required": ["a"], "allOf": [{"required": ["b"], "properties": {"b": {}}, "additionalProperties": False}]}
    assert merged(schema)["required"] == ["a", "b"]
    assert closed(schema)


def test_references_are_replaced_by_what_they_point_at() -> None:
    root = {
        "$defs": {"name": {"type": "string"}, "a/b": {"type": "null"}},
        "properties": {"n": {"$ref": "#/$defs/name", "minLength": 1}, "m": {"$ref": "#/$defs/a~1b"}},
    }
    assert stand_alone(root, root) == {
        "properties": {"n": {"minLength": 1, "allOf": [{"type": "string"}]}, "m": {"type": "null"}}
    }


def test_a_reference_to_itself_or_to_nowhere_allows_everything() -> None:
    root = {"properties": {"child": {"$ref": "#"}, "lost": {"$ref": "#/$defs/none"}, "named": {"$ref": "#anchor"}}}
    found = stand_alone(root, root)["properties"]
    assert found == {"child": {"properties": {"child": {}, "lost": {}, "named": {}}}, "lost": {}, "named": {}}


def test_properties_named_like_keywords_stay_properties() -> None:
    root = {
        "properties": {"$ref": {"type": "string"}, "enum": {"$ref": "#/definitions/x"}},
        "definitions": {"x": {"a": 1}},
    }
    found = stand_alone(root, root)["properties"]
    assert found == {"$ref": {"type": "string"}, "enum": {"a": 1}}
