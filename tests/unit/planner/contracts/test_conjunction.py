"""The conjunction of two schemas accepts what both accept, and says so when nothing is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.contracts.compiler import UnsatisfiableError, conjoin, contradiction
from planner.contracts.json_schema import lint, validator_for
from tests.support.json_strategies import schemas, values
from tests.support.laws import examples


@given(schemas, schemas, st.lists(values, min_size=1, max_size=12))
@settings(max_examples=examples(400))
def test_a_conjunction_accepts_exactly_what_both_sides_accept(left, right, samples):
    ours, theirs = validator_for(left), validator_for(right)
    try:
        both = conjoin(left, right)
    except UnsatisfiableError:
        assert not any(ours.is_valid(value) and theirs.is_valid(value) for value in samples)
        return
    assert lint(both) == []
    merged = validator_for(both)
    for value in samples:
        assert merged.is_valid(value) == (ours.is_valid(value) and theirs.is_valid(value))


@pytest.mark.parametrize(
    ("left", "right", "both"),
    [
        ({"type": "number"}, {"type": "integer"}, {"type": "integer"}),
        ({"type": ["integer", "string"]}, {"type": ["number", "null"]}, {"type": "integer"}),
        ({"enum": [1, 2, 3]}, {"enum": [3, 1, 9]}, {"enum": [1, 3]}),
        ({"const": "a"}, {"enum": ["a", "b"]}, {"enum": ["a"]}),
        ({"minimum": 1, "maximum": 9}, {"minimum": 3}, {"minimum": 3, "maximum": 9}),
        ({"multipleOf": 4}, {"multipleOf": 6}, {"multipleOf": 12}),
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": "a", "allOf": [{"pattern": "b"}]}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        (
            {"properties": {"a": {"minLength": 2}}},
            {"properties": {"a": {"maxLength": 5}, "b": {}}},
            {"properties": {"a": {"minLength": 2, "maxLength": 5}, "b": {}}},
        ),
        ({"items": {"type": "number"}}, {"items": {"minimum": 0}}, {"items": {"type": "number", "minimum": 0}}),
        ({"enum": [1, "a", None]}, {"type": "string"}, {"enum": ["a"], "type": "string"}),
        ({"type": ["string", "integer"], "minimum": 3}, {"maximum": 1}, {"type": "string", "minimum": 3, "maximum": 1}),
    ],
)
def test_keywords_merge_into_one_plain_schema(left, right, both):
    assert conjoin(left, right) == both


@pytest.mark.parametrize(
    ("left", "right", "pointer"),
    [
        ({"type": "string"}, {"type": "integer"}, ""),
        ({"enum": [1, 2]}, {"enum": [3]}, ""),
        ({"const": 1}, {"const": True}, ""),
        ({"type": "number", "minimum": 3}, {"type": "number", "exclusiveMaximum": 3}, ""),
        ({"type": "integer", "exclusiveMinimum": 1}, {"exclusiveMaximum": 2}, ""),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, {"maximum": 7}, ""),
        ({"type": "string", "minLength": 5}, {"maxLength": 4}, ""),
        ({"type": "array", "minItems": 2}, {"maxItems": 1}, ""),
        ({"enum": ["a", "b"]}, {"minLength": 2}, ""),
        (
            {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
            {"type": "object", "properties": {"a": {"type": "array"}}},
            "/a",
        ),
        (
            {"type": "object", "required": ["a"], "properties": {"a": {}}},
            {"type": "object", "additionalProperties": False},
            "/a",
        ),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, {"items": {"type": "null"}}, "/0"),
        (True, False, ""),
    ],
)
def test_what_nothing_can_satisfy_is_found_at_the_value_at_fault(left, right, pointer):
    for pair in ((left, right), (right, left)):
        with pytest.raises(UnsatisfiableError) as caught:
            conjoin(*pair)
        assert caught.value.pointer == pointer
        assert caught.value.reason


@given(schemas, st.lists(values, min_size=1, max_size=12))
@settings(max_examples=examples(300))
def test_a_schema_called_contradictory_accepts_nothing(schema, samples):
    if contradiction(schema):
        assert not any(validator_for(schema).is_valid(value) for value in samples)


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 2}, ""),
        ({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "enum": [1]}}}, "/a"),
        ({"type": "object", "required": ["a"], "properties": {}, "additionalProperties": False}, ""),
        ({"type": "array", "minItems": 1, "items": False}, "/0"),
        ({"type": "string", "allOf": [{"type": "null"}]}, ""),
        ({"anyOf": [False, {"type": "string", "const": 1}]}, ""),
    ],
)
def test_a_contradiction_inside_one_schema_is_found(schema, pointer):
    assert contradiction(schema).pointer == pointer


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/a", "type": "string", "minLength": 3, "maxLength": 2, "$defs": {"a": {}}},
        {"properties": {"x": {"enum": [{"y": 1}], "properties": {"y": {"$ref": "#/$defs/n"}}}}, "$defs": {"n": {}}},
        {"required": ["x"], "properties": {"x": {"enum": [{"y": 1}], "properties": {"y": {"$ref": "#"}}}}},
    ],
)
def test_references_are_no_ground_for_a_contradiction(schema):
    assert contradiction(schema) is None


def test_the_inputs_stay_as_they_are():
    left, right = {"properties": {"a": {"type": "number"}}}, {"properties": {"a": {"minimum": 1}}}
    conjoin(left, right)["properties"]["a"]["title"] = "changed"
    assert left == {"properties": {"a": {"type": "number"}}}
    assert right == {"properties": {"a": {"minimum": 1}}}
