"""Any schema gets a valid value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.contracts.json_schema import lint, validator_for
from tasks.agents.offline.composer import compose
from tasks.agents.offline.story import read_story
from tests.support.bundles import bundle_for
from tests.support.laws import examples

STORY = read_story(bundle_for())


def problems(schema: dict[str, Any]) -> list[Any]:
    assert lint(schema) == []
    return validator_for(schema).problems(compose(schema, STORY))


def of(part: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["x"], "properties": {"x": part}, **more}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "string", "minLength": 3000},
        {"type": "string", "maxLength": 3},
        {"type": "string", "minLength": 7, "maxLength": 7},
        {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"},
        {"type": "string", "pattern": "^(draft|final)-v[0-9]+$"},
        {"type": "string", "pattern": "^[^\\n]+$", "minLength": 50},
        {"type": "string", "pattern": "^#[a-z]+$", "minLength": 20, "maxLength": 25},
        {"type": "string", "pattern": "^\\S+@\\S+$"},
        *({"type": "string", "format": name} for name in (
            "date", "date-time", "time", "email", "uri", "uuid", "hostname", "ipv4", "ipv6", "json-pointer", "regex",
            "duration", "uri-reference",
        )),
        {"type": "integer", "minimum": 3, "exclusiveMaximum": 5},
        {"type": "integer", "multipleOf": 7, "minimum": 50},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "number", "exclusiveMinimum": 0.001, "exclusiveMaximum": 0.002},
        {"type": "number", "multipleOf": 0.25, "minimum": 0.3, "maximum": 0.6},
        {"type": "number", "maximum": -3},
        {"enum": [None, 3, "x"]},
        {"const": {"a": [1]}},
        {"type": ["null", "integer"]},
        {"type": "null"},
        True,
        {},
        {"type": "array", "minItems": 5, "uniqueItems": True, "items": {"enum": ["a", "b", "c", "d", "e"]}},
        {"type": "array", "minItems": 6, "uniqueItems": True, "items": {"type": "integer", "minimum": 1, "maximum": 6}},
        {"type": "array", "minItems": 12, "uniqueItems": True, "items": {"type": "string", "maxLength": 30}},
        {"type": "array", "minItems": 2, "uniqueItems": True, "items": {"type": "boolean"}},
        {"type": "array", "minItems": 9, "uniqueItems": True, "items": {"type": "number", "minimum": 0, "maximum": 1}},
        {"type": "array", "minItems": 4, "uniqueItems": True, "items": {"type": "number", "maximum": 1}},
        {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"type": "string", "format": "email"}},
        {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
        {"type": "array", "contains": {"const": "must"}, "items": {"type": "string"}},
        {"type": "array", "contains": {"const": 5}, "minContains": 2, "maxItems": 2},
        {"type": "array", "maxItems": 0},
        {"anyOf": [{"type": "string", "minLength": 4}, {"type": "integer"}], "maximum": 3},
        {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 100}]},
        {"oneOf": [{"type": "object", "required": ["a"]}, {"type": "object", "required": ["b"]}]},
        {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 4}]},
        {"not": {"type": "string"}, "type": ["string", "integer"]},
        {"if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]}, "then": {"required": ["b"]},
         "type": "object", "required": ["kind"], "properties": {"kind": {"enum": ["a", "c"]}}},
        {"type": "object", "minProperties": 3},
        {"type": "object", "additionalProperties": {"type": "number"}, "minProperties": 2},
        {"type": "object", "patternProperties": {"^k_[a-z]+$": {"type": "integer"}}, "additionalProperties": False,
         "minProperties": 2},
        {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "maxProperties": 1},
        {"type": "object", "properties": {"a": {"type": "string"}}, "dependentRequired": {"a": ["z"]}},
        {"type": "object", "required": ["undeclared"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {"never": False}},
    ],
    ids=str,
)  # fmt: skip
def test_each_keyword_is_honoured(part: Any) -> None:
    assert problems(of(part)) == []


def test_references_are_followed_and_recursion_ends() -> None:
    schema = {
        **of({"$ref": "#/$defs/node"}),
        "$defs": {
            "node": {
                "type": "object",
                "required": ["name", "children"],
                "properties": {
                    "name": {"type": "string"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
            }
        },
    }
    assert problems(schema) == []


@pytest.mark.parametrize(
    "part",
    [
        {"type": "array", "minItems": 10**9, "items": {"type": "array", "minItems": 10**9}},
        {"type": "string", "minLength": 10**9},
        {"type": "object", "minProperties": 10**9},
    ],
    ids=str,
)
def test_a_schema_that_asks_for_too_much_gets_less_instead_of_all_memory(part: Any) -> None:
    assert len(str(compose(of(part), STORY))) < 2_000_000


def test_the_older_draft_is_understood() -> None:
    items = [{"type": "integer"}, {"type": "string"}]
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **of({"type": "array", "items": items, "minItems": 2}),
    }
    assert problems(schema) == []


KEYS = st.sampled_from(["headline", "body", "score", "tags", "id", "title", "foo", "keyPoints", "status", "a_b"])
BOUND = st.integers(0, 40)
TEXTS = st.builds(
    lambda low, room, cap: {"type": "string", "minLength": low} | ({"maxLength": low + room} if cap else {}),
    BOUND, BOUND, st.booleans(),
)  # fmt: skip
FORMATS = st.sampled_from(["date", "date-time", "email", "uri", "uuid"]).map(lambda f: {"type": "string", "format": f})
PATTERNS = st.sampled_from(["^[a-z]{2,5}$", "^\\d+$", "[A-Z]", "^(x|y)-[0-9a-f]{4}$"]).map(
    lambda p: {"type": "string", "pattern": p}
)
WHOLE = st.builds(lambda low, room: {"type": "integer", "minimum": low, "maximum": low + room}, BOUND, BOUND)
MULTIPLES = st.builds(
    lambda step, low: {"type": "integer", "multipleOf": step, "minimum": low}, st.integers(1, 9), BOUND
)
NUMBERS = st.builds(
    lambda low, room: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + room},
    BOUND, st.integers(1, 9),
)  # fmt: skip
LISTED = st.lists(st.one_of(st.text(max_size=5), st.integers(), st.none(), st.booleans()), min_size=1, max_size=4).map(
    lambda values: {"enum": values}
)
FLAGS = st.just({"type": "boolean"})
LEAVES = st.one_of(TEXTS, FORMATS, PATTERNS, WHOLE, MULTIPLES, NUMBERS, LISTED, FLAGS)


def _objects(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, count, closed: {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:count],
            "additionalProperties": not closed,
        },
        st.dictionaries(KEYS, parts, max_size=4), st.integers(0, 4), st.booleans(),
    )  # fmt: skip


def _arrays(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda items, low, room: {"type": "array", "items": items, "minItems": low, "maxItems": low + room},
        parts, st.integers(0, 4), st.integers(0, 3),
    )  # fmt: skip


def _choices(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(parts, min_size=1, max_size=3).map(lambda options: {"anyOf": options})


SCHEMAS = st.recursive(LEAVES, lambda parts: st.one_of(_objects(parts), _arrays(parts), _choices(parts)), max_leaves=8)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, SCHEMAS, min_size=1, max_size=3))
def test_every_generated_schema_gets_a_valid_value_and_always_the_same(properties: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    assert problems(schema) == []
    assert compose(schema, STORY) == compose(schema, STORY)
