"""Which schemas fit the strict dialect, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from planner.contracts.json_schema import validator_for
from tasks.agents.structured import response_format, strict_schema, without_added_nulls
from tests.support.bundles import builtin
from tests.support.fake_openai import sample

TEXT = {"type": "string"}


def test_objects_are_closed_and_optional_properties_become_nullable() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "minLength": 3}, "b": TEXT}}
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {"a": TEXT, "b": {"anyOf": [TEXT, {"type": "null"}]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "part",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": TEXT, "properties": {"a": TEXT}},
        {"oneOf": [TEXT]},
        {"allOf": [TEXT]},
        {"not": TEXT},
        {},
        True,
        {"type": "array"},
        {"$ref": "#/properties/x"},
        {"type": "array", "prefixItems": [TEXT]},
        {"type": "object", "properties": {"a": TEXT}, "required": ["b"]},
    ],
    ids=str,
)
def test_what_the_dialect_cannot_say_is_sent_as_it_is(part: Any) -> None:
    schema = {"type": "object", "required": ["x"], "properties": {"x": part}}
    assert strict_schema(schema) is None
    assert response_format("x", schema)["json_schema"] == {"name": "x", "schema": schema, "strict": False}


def test_definitions_are_narrowed_too() -> None:
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    }
    strict = strict_schema(schema)
    assert strict is not None
    assert strict["$defs"]["node"]["additionalProperties"] is False
    assert strict["properties"]["a"] == {"$ref": "#/$defs/node"}


def test_an_answer_in_the_strict_form_of_the_writers_contract_is_valid_without_its_nulls() -> None:
    # Given the contract of the LinkedIn writer in the strict dialect
    schema = builtin().output_schema
    strict = strict_schema(schema)
    assert strict is not None
    # When a model answers it with null for what is optional
    answer = sample(strict)
    answer["copyVariants"][0]["id"] = None
    # Then the answer satisfies the contract itself
    assert validator_for(schema).is_valid(without_added_nulls(answer, schema))


def test_nulls_that_the_schema_asks_for_stay() -> None:
    schema = {
        "properties": {"a": {"type": ["string", "null"]}, "b": {"type": "array", "items": {"properties": {"c": TEXT}}}}
    }
    assert without_added_nulls({"a": None, "b": [{"c": None}], "d": None}, schema) == {"a": None, "b": [{}], "d": None}


def test_the_name_of_a_format_holds_only_what_the_protocol_allows() -> None:
    assert response_format("social_post.preview", {})["json_schema"]["name"] == "social_post_preview"
