"""Schemas are linted, and values checked, in bounded time and with every problem at its place."""

from __future__ import annotations

import copy
import threading
import time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.contracts.json_schema import SchemaInvalidError, lint, schema_hash, validator_for
from policies import strict_json
from tests.support.json_strategies import almost_schemas, schemas, values
from tests.support.laws import examples


def problems(schema, value):
    return [(p.pointer, p.keyword) for p in validator_for(schema).problems(value)]


@given(almost_schemas)
def test_lint_never_raises_never_changes_its_input_and_answers_the_same_twice(schema):
    before = copy.deepcopy(schema)
    first = lint(schema)
    assert lint(schema) == first
    assert strict_json.dumps(schema) == strict_json.dumps(before)


@given(almost_schemas, values)
def test_a_value_is_checked_or_the_schema_refused_and_nothing_else_happens(schema, value):
    if found := lint(schema):
        with pytest.raises(SchemaInvalidError) as caught:
            validator_for(schema)
        assert set(caught.value.problems) == set(found)
    else:
        validator = validator_for(schema)
        assert validator.is_valid(value) == (not validator.problems(value))


@given(schemas, values)
@settings(max_examples=examples(300))
def test_the_verdict_is_the_librarys_own(schema, value):
    # Given a schema of keywords whose library version is right, multipleOf aside, which it computes in binary
    if "multipleOf" in strict_json.dumps(schema):
        return
    reference = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    assert lint(schema) == []
    assert validator_for(schema).is_valid(value) == reference.is_valid(value)


@given(schemas)
def test_what_lint_lets_pass_is_a_schema_for_the_library_too(schema):
    if not lint(schema):
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "strin"}, "/type"),
        ({"properties": {"a/b": {"minLength": -1}}}, "/properties/a~1b/minLength"),
        ({"pattern": "("}, "/pattern"),
        ({"pattern": "a" * 1001}, "/pattern"),
        ({"pattern": "(?:" * 300 + "a" + ")" * 300}, "/pattern"),
        ({"patternProperties": {"[": {}}}, "/patternProperties/["),
        ({"items": [{}, {}]}, "/items"),
        ({"$schema": "http://example.com/schema"}, "/$schema"),
        ({"$schema": 3}, "/$schema"),
        ({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}, "/properties/a/$schema"),
        ({"properties": {"a": {"$id": "http://example.com/a"}}}, "/properties/a/$id"),
        ({"$ref": "http://169.254.169.254/latest"}, "/$ref"),
        ({"$ref": "file:///etc/passwd"}, "/$ref"),
        ({"$ref": "other.json#/a"}, "/$ref"),
        ({"$ref": "#/$defs/none"}, "/$ref"),
        ({"$ref": "#nowhere"}, "/$ref"),
        ({"$dynamicRef": "#a"}, "/$dynamicRef"),
        ({"$ref": "#/x/y", "x": {"y": {"type": "wrong"}}}, "/x/y/type"),
        ({"$ref": "#"}, ""),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#"}]}}}, ""),
        ({"unevaluatedProperties": False, "allOf": [{"patternProperties": {"^a": {}}}]}, "/unevaluatedProperties"),
        ("text", ""),
        ([], ""),
    ],
)
def test_what_is_no_usable_schema_is_refused_at_its_pointer(schema, pointer):
    assert pointer in [problem.pointer for problem in lint(schema)]


def test_every_fault_is_told_at_once():
    schema = {"type": "x", "required": "a", "properties": {"a": {"pattern": "("}, "b": 3}}
    assert {p.pointer for p in lint(schema)} == {"/type", "/required", "/properties/a/pattern", "/properties"}


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}], "definitions": {}},
        {"$id": "http://example.com/never-fetched", "$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}},
        {"properties": {"a": {"$ref": "#"}}},
        {"$ref": "#here", "$defs": {"a": {"$anchor": "here"}}},
        {"$ref": "#/components/a%20b", "components": {"a b": {"type": "string"}}},
        {"properties": {"$schema": {"type": "string"}, "$id": {"type": "string"}}},
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False, "dependentRequired": {"a": ["b"]}},
        True,
    ],
)
def test_known_drafts_local_references_and_recursion_pass(schema):
    assert lint(schema) == []
    validator_for(schema).problems({"a": {"a": 1}, "$schema": "x"})


def _deep(depth):
    schema = {"type": "string"}
    for _ in range(depth):
        schema = {"properties": {"a": schema}}
    return schema


def _doubling(levels):
    defs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{levels}": {}}}


def _chain(links):
    defs = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(links)}
    return {"$ref": "#/$defs/d0", "$defs": {**defs, f"d{links}": {}}}


@pytest.mark.parametrize(
    "bomb", [_deep(33), _deep(3000), _doubling(16), _doubling(3000), _chain(2000), {"enum": list(range(1_000_000))}]
)
def test_schema_bombs_are_refused_quickly(bomb):
    began = time.perf_counter()
    assert lint(bomb)
    assert time.perf_counter() - began < 2


def test_the_guards_hold_also_beneath_a_schema_that_names_its_draft():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "properties": {"a": {"items": {"pattern": "^(a+)+$"}}},
    }
    began = time.perf_counter()
    assert problems(schema, {"a": ["a" * 40 + "!"]}) == [("/a/0", "pattern")]
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("keyword", ["patternProperties", "pattern"])
def test_patterns_that_would_hang_end_within_their_time(keyword):
    slow, text = "^(a|aa)+$", "a" * 60 + "!"
    schema, value = ({"pattern": slow}, text) if keyword == "pattern" else ({keyword: {slow: False}}, {text: 1})
    began = time.perf_counter()
    found = validator_for(schema).problems(value)
    assert time.perf_counter() - began < 1
    assert found == [] or found[0].keyword in {"pattern", "limit"}


def test_many_slow_patterns_together_end_within_a_second_or_so():
    began = time.perf_counter()
    validator_for({"items": {"pattern": "^(a|a?b|ab?)+$"}}).problems(["ab" * 40 + "!"] * 500)
    assert time.perf_counter() - began < 3


def test_a_schema_that_branches_at_every_level_runs_out_of_steps_instead_of_time():
    twice = {"anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": ["b"]}, {"properties": {"a": {"$ref": "#"}}}]}
    value = {"z": 1}
    for _ in range(60):
        value = {"a": value}
    assert problems({**twice, "not": {"required": ["z"]}}, value) == [("", "limit")]


def test_a_value_nested_too_deeply_is_one_problem():
    value = []
    for _ in range(5000):
        value = [value]
    assert problems({"items": {"$ref": "#"}}, value) == [("", "depth")]


def test_unique_items_are_compared_as_json_schema_does_and_fast():
    unique = {"uniqueItems": True}
    assert problems(unique, [1, True, 0, False, "1", None, [1], [True], {"a": 1}, {"a": True}]) == []
    for doubled in ([1, 1.0], [{"a": 1, "b": [2]}, {"b": [2.0], "a": 1.0}], [[], []], [None, None]):
        assert problems(unique, doubled) == [("", "uniqueItems")]
    began = time.perf_counter()
    assert problems(unique, [{"n": n} for n in range(4000)]) == []
    assert time.perf_counter() - began < 1


def test_listed_values_tell_true_from_one_and_take_one_for_one_point_zero():
    assert problems({"enum": [1]}, True) == [("", "enum")]
    assert problems({"const": {"a": False}}, {"a": 0}) == [("", "const")]
    assert problems({"enum": [1.0]}, 1) == []


def test_multiples_are_counted_in_decimal_and_never_overflow():
    assert problems({"multipleOf": 0.1}, 0.3) == []
    assert problems({"multipleOf": 0.1}, 0.35) == [("", "multipleOf")]
    assert problems({"multipleOf": 1e-300}, 10**399) == []


def test_each_missing_and_each_extra_member_has_its_own_problem_and_pointer():
    schema = {
        "properties": {
            "a": {"required": ["b", "c/d"], "additionalProperties": False, "properties": {"b": {}, "c/d": {}}}
        },
    }
    found = validator_for(schema).problems({"a": {"x": 1, "y": 2}})
    assert {(p.pointer, p.keyword) for p in found} == {
        ("/a/b", "required"),
        ("/a/c~1d", "required"),
        ("/a/x", "additionalProperties"),
        ("/a/y", "additionalProperties"),
    }
    assert all(p.pointer.rsplit("/", 1)[1].replace("~1", "/") in p.message for p in found)
    assert {p.schema_path for p in found} == {"/properties/a/required", "/properties/a/additionalProperties"}


def test_formats_are_checked_without_hanging():
    schema = {"properties": {"d": {"format": "date-time"}, "u": {"format": "uri"}, "i": {"format": "iri"}}}
    assert problems(schema, {"d": "2024-02-29T10:00:00Z", "u": "https://x.nl/a", "i": "https://münchen.de/ä"}) == []
    began = time.perf_counter()
    bad = {"d": "2023-02-29T10:00:00Z", "u": "no address", "i": "a" * 100_000}
    assert sorted(pointer for pointer, _ in problems(schema, bad)) == ["/d", "/i", "/u"]
    assert time.perf_counter() - began < 1


def test_a_problem_reads_in_our_form_and_in_that_of_older_clients():
    found = validator_for({"minLength": 5}).problems("ab")[0]
    assert found.as_json() == {
        "pointer": "",
        "message": "must have at least 5 characters, has 2",
        "keyword": "minLength",
        "schemaPath": "/minLength",
        "instancePath": "",
    }


@pytest.mark.parametrize(
    ("schema", "value", "words"),
    [
        ({"type": ["string", "null"]}, 3, "string or null, not integer"),
        ({"anyOf": [{"type": "string"}, {"required": ["z"]}]}, {}, "“z” is missing"),
        ({"oneOf": [True, True]}, 1, "more than one"),
        ({"properties": {"a": False}}, {"a": 1}, "no value is allowed"),
        ({"anyOf": [False, False]}, 1, "no value is allowed"),
        ({"enum": ["x" * 500]}, "y" * 500, "…"),
    ],
)
def test_messages_say_what_was_expected_and_stay_short(schema, value, words):
    message = validator_for(schema).problems(value)[0].message
    assert words in message
    assert len(message) < 400


def test_a_forbidden_member_is_reported_at_its_own_place():
    schema = {"properties": {"a": {"properties": {"b": False}}}, "items": {"prefixItems": [False]}}
    assert problems(schema, {"a": {"b": 1}}) == [("/a/b", "not")]
    assert problems(schema, [[1]]) == [("/0/0", "not")]


def test_problems_are_cut_at_a_hundred():
    assert len(problems({"items": {"type": "string"}}, [1] * 5000)) == 100


def test_a_validator_is_built_once_per_schema_and_serves_many_threads():
    schema = {"type": "object", "required": ["a"], "properties": {"b": {"type": "string"}}}
    assert validator_for(schema) is validator_for(dict(reversed(schema.items())))
    assert validator_for(schema).schema_hash == schema_hash(schema)
    results = []
    threads = [threading.Thread(target=lambda: results.append(problems(schema, {"b": 1}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all({pointer for pointer, _ in found} == {"/a", "/b"} for found in results)


def test_changing_a_schema_afterwards_does_not_change_its_validator():
    schema = {"required": ["a"]}
    validator = validator_for(schema)
    schema["required"].append("b")
    assert [p.pointer for p in validator.problems({})] == ["/a"]


def test_booleans_are_no_numbers_in_the_cache_either():
    assert problems({"const": 1}, True) == [("", "const")]
    assert problems({"const": True}, True) == []


@given(st.sampled_from(["draft-07", "2020-12"]))
def test_both_drafts_know_tuples(draft):
    seven = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    twenty = {"prefixItems": [{"type": "string"}]}
    assert problems(seven if draft == "draft-07" else twenty, [1]) == [("/0", "type")]
