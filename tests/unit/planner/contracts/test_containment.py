"""Every value of one schema satisfies another: proved, refuted with a value that does not, or left open, and why."""

from __future__ import annotations

import time

import pytest

from planner.contracts import containment
from planner.contracts.containment import Containment, Witness, contained, instance_of
from planner.contracts.containment.proof import _decide
from planner.contracts.facets import load_catalogue
from planner.contracts.json_schema import SchemaInvalidError, validator_for

TEXT = {"type": "string"}
INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
CATALOGUE = load_catalogue()
FACETS = {name: CATALOGUE[name].schema for name in CATALOGUE}
DRAFT_07 = {"$schema": "http://json-schema.org/draft-07/schema#"}


def record(required=(), *, closed=False, **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {**schema, "additionalProperties": False} if closed else schema


def rows(items, **more):
    return {"type": "array", "items": items, **more}


def tree(value, **more):
    return {"$ref": "#/$defs/t", "$defs": {"t": record(v=value, below=rows({"$ref": "#/$defs/t"}), **more)}}


def linked(value, key="$defs"):
    inside = record(["v"], v=value, next={"anyOf": [{"type": "null"}, {"$ref": f"#/{key}/node"}]})
    return {"$ref": f"#/{key}/node", key: {"node": inside}}


PROVED = [
    # types
    (TEXT, True),
    (INTEGER, NUMBER),
    ({"type": ["integer", "null"]}, {"type": ["null", "number", "string"]}),
    ({"type": "number", "multipleOf": 1}, INTEGER),
    ({"const": 2.0}, INTEGER),
    ({"type": ["boolean", "null"]}, {"enum": [None, True, False]}),
    (True, {"type": ["null", "boolean", "number", "string", "array", "object"]}),
    # listed values
    ({"enum": ["a", "b"]}, {"enum": ["c", "b", "a"]}),
    ({"const": {"a": [1, 2]}}, {"enum": [{"a": [1.0, 2]}, None]}),
    ({"enum": ["a", 3, {"x": 1}]}, {"type": ["string", "integer", "object"]}),
    ({"enum": [1, 5, "x"], "minimum": 2}, {"enum": [5, "x"]}),
    ({"enum": ["short", "a much longer text"], "maxLength": 6}, {"const": "short"}),
    # numbers
    ({"minimum": 3}, {"exclusiveMinimum": 2}),
    ({"type": "integer", "exclusiveMinimum": 2}, {"minimum": 3}),
    ({"minimum": 0.3, "maximum": 0.3}, {"multipleOf": 0.1}),
    ({"type": "number", "multipleOf": 6}, {"multipleOf": 1.5}),
    ({"type": "number", "multipleOf": 0.5, "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"const": 0.5}),
    ({"type": "integer", "minimum": 1, "maximum": 3}, {"enum": [1, 2, 3]}),
    ({"type": "integer", "allOf": [{"multipleOf": 4}, {"multipleOf": 6}]}, {"multipleOf": 12}),
    # texts
    ({"minLength": 3, "maxLength": 5}, {"minLength": 2, "maxLength": 5}),
    ({"type": "string", "maxLength": 0}, {"const": ""}),
    ({"pattern": "^a+$", "minLength": 2}, {"pattern": "^a+$"}),
    ({"type": "string", "pattern": "^[0-9]{5}(-[0-9]{4})?$"}, {"minLength": 5}),
    ({"type": "string", "format": "uri"}, {"minLength": 1}),
    ({"type": "string", "format": "date"}, {"format": "date"}),
    ({"type": "string"}, {"format": "of-our-own"}),
    # lists
    (rows(INTEGER, minItems=2), rows(NUMBER, minItems=1)),
    ({"type": "array", "maxItems": 1}, {"uniqueItems": True}),
    ({"type": "array", "prefixItems": [TEXT, INTEGER], "items": False}, {"items": {"type": ["string", "number"]}}),
    ({"type": "array", "prefixItems": [TEXT], "items": False}, {"maxItems": 1}),
    (rows({"enum": [1, 2]}, uniqueItems=True), {"maxItems": 2}),
    (rows({"type": "boolean"}, uniqueItems=True, minItems=2), {"contains": {"const": True}}),
    (rows(INTEGER, contains=TEXT), False),
    (rows(rows({"type": "null"}, maxItems=1), uniqueItems=True), {"maxItems": 2}),
    # objects
    (record(["a", "b"], a=TEXT, b=TEXT), record(["a"], a=TEXT)),
    (record(["a"], closed=True, a=INTEGER), {"additionalProperties": NUMBER, "maxProperties": 1}),
    (record(["a"], closed=True, a=TEXT), record(a=TEXT, b=INTEGER)),
    ({"type": "object", "required": ["a", "b"]}, {"minProperties": 2}),
    ({"type": "object", "maxProperties": 0}, {"additionalProperties": False}),
    ({"properties": {"a": False}}, {"properties": {"a": INTEGER}}),
    (record(a=TEXT, b={"type": ["string", "null"]}), {"properties": {"b": {"not": INTEGER}}}),
    (
        {"patternProperties": {"^x-": INTEGER}, "additionalProperties": False, "type": "object"},
        {"additionalProperties": NUMBER},
    ),
    (
        {"patternProperties": {"^[a-z]+$": TEXT}, "additionalProperties": False, "type": "object"},
        {"propertyNames": {"pattern": "^[a-z]+$"}},
    ),
    ({"type": "object", "propertyNames": {"enum": ["a", "b"]}}, {"maxProperties": 2}),
    ({"required": ["a"], "dependentRequired": {"a": ["b"]}, "type": "object"}, {"required": ["b"]}),
    ({**record(a=TEXT), "unevaluatedProperties": False}, {"maxProperties": 1}),
    # combinations
    ({"anyOf": [TEXT, INTEGER]}, {"type": ["string", "number"]}),
    ({"type": ["string", "number"]}, {"anyOf": [NUMBER, TEXT]}),
    ({"type": "integer"}, {"anyOf": [{"minimum": 3}, {"maximum": 3}]}),
    ({"type": "integer"}, {"oneOf": [{"minimum": 3}, {"maximum": 2}]}),
    ({"oneOf": [TEXT, {"minLength": 2}]}, {"not": {"type": "string", "minLength": 2}}),
    ({"allOf": [{"minimum": 1}, {"maximum": 5}, INTEGER]}, {"enum": [1, 2, 3, 4, 5]}),
    ({"not": {"anyOf": [TEXT, NUMBER]}}, {"not": TEXT}),
    ({"if": TEXT, "then": {"minLength": 2}, "else": INTEGER}, {"anyOf": [INTEGER, {"type": "string", "minLength": 1}]}),
    (
        {"anyOf": [record(["kind", "x"], kind={"const": "x"}, x=INTEGER), record(["kind"], kind={"const": "y"})]},
        {"oneOf": [record(["kind"], kind={"const": "y"}), record(["kind"], kind={"const": "x"}, x=NUMBER)]},
    ),
    # nothing satisfies the first
    (False, False),
    ({"type": "string", "minLength": 3, "maxLength": 2}, INTEGER),
    (record(["a"], a={"allOf": [TEXT, INTEGER]}), False),
    (rows({"type": "boolean"}, uniqueItems=True, minItems=3), TEXT),
    ({"$ref": "#/$defs/t", "$defs": {"t": record(["next"], next={"$ref": "#/$defs/t"})}}, False),
    # references
    (tree(INTEGER), tree(NUMBER)),
    (linked({"const": 1}), linked(INTEGER)),
    (linked(TEXT), {**DRAFT_07, **linked(TEXT, "definitions")}),
    ({"$defs": {"a": INTEGER}, "properties": {"x": {"$ref": "#/$defs/a"}}}, {"properties": {"x": NUMBER}}),
    (record(a=TEXT), {"$ref": "#t", "$defs": {"x": {"$anchor": "t", "type": "object"}}}),
    # older spellings
    ({**DRAFT_07, "type": "array", "items": [TEXT], "additionalItems": False}, {"prefixItems": [TEXT], "maxItems": 1}),
    ({"prefixItems": [INTEGER]}, {**DRAFT_07, "items": [NUMBER]}),
    (INTEGER, {**DRAFT_07, "definitions": {"n": NUMBER}, "$ref": "#/definitions/n", "type": "string"}),
    ({"required": ["a", "b"], "type": "object"}, {**DRAFT_07, "dependencies": {"a": ["b"], "c": record(["a"])}}),
    # what only describes
    ({"title": "One", "type": "string", "default": 3}, {"description": "Other", "type": "string", "x-ours": [1]}),
]

REFUTED = [
    (True, TEXT, ""),
    (NUMBER, INTEGER, ""),
    ({"type": ["integer", "null"]}, INTEGER, ""),
    ({"enum": [0, False]}, {"const": 0}, ""),
    ({"minimum": 2, "type": "number"}, {"exclusiveMinimum": 2}, ""),
    ({"multipleOf": 3, "type": "integer"}, {"multipleOf": 6}, ""),
    ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"multipleOf": 0.25}, ""),
    ({"type": "string", "minLength": 1}, {"minLength": 2}, ""),
    ({"type": "string", "pattern": "^[a-z]+$"}, {"pattern": "^[a-f]+$"}, ""),
    ({"type": "string", "pattern": "^[a-z]{1,9}$"}, {"maxLength": 9}, ""),
    ({"type": "string", "format": "uri"}, {"format": "date"}, ""),
    ({"type": "string"}, {"format": "email"}, ""),
    (rows(TEXT), {"minItems": 1}, ""),
    (rows(TEXT), {"uniqueItems": True}, ""),
    (rows(NUMBER), rows(INTEGER), "/0"),
    ({"type": "array", "prefixItems": [TEXT]}, rows(TEXT), "/1"),
    (rows({"type": "boolean"}, uniqueItems=True), {"maxItems": 1}, ""),
    (record(a=TEXT), record(["a"], a=TEXT), "/a"),
    (record(["a"], a={}), record(a=TEXT), "/a"),
    (record(a=TEXT), record(closed=True, a=TEXT), "/x"),
    (record(["a"], a=record(["b"], b=INTEGER)), record(a=record(b={"minimum": 1})), "/a/b"),
    ({"type": "object", "maxProperties": 2}, {"maxProperties": 1}, ""),
    ({"patternProperties": {"^x-": INTEGER}, "type": "object"}, {"additionalProperties": INTEGER}, "/"),
    ({"type": "object"}, {"propertyNames": {"maxLength": 3}}, ""),
    ({"anyOf": [TEXT, INTEGER]}, {"oneOf": [TEXT, {"type": ["string", "integer"]}]}, ""),
    ({"type": "string"}, {"not": {"pattern": "^x"}}, ""),
    (tree(NUMBER), tree(INTEGER), "/v"),
    (linked(INTEGER), linked({"minimum": 0}), "/next"),
    (record(["a/b"], **{"a/b": TEXT}), record(**{"a/b": INTEGER}), "/a~1b"),
]


@pytest.mark.parametrize(("a", "b"), PROVED)
def test_what_always_fits_is_proved(a, b):
    assert contained(a, b) == Containment("proved")


@pytest.mark.parametrize(("a", "b", "pointer"), REFUTED)
def test_what_does_not_always_fit_is_refuted_with_a_value_that_shows_it(a, b, pointer):
    answer = contained(a, b)

    assert answer.verdict == "refuted"
    assert validator_for(a).is_valid(answer.witness.value)
    assert not validator_for(b).is_valid(answer.witness.value)
    assert answer.reason
    if pointer:
        assert answer.pointer == pointer


@pytest.mark.parametrize(
    ("a", "b", "words", "pointer"),
    [
        (TEXT | {"pattern": r"^\d{4}-\d\d$"}, {"pattern": "^[0-9-]+$"}, "no text was found for the pattern", ""),
        (record(["a"], a=TEXT | {"format": "date"}), record(a={"maxLength": 10}), "the format date", "/a"),
        (rows(INTEGER, contains={"minimum": 3}, minContains=2), {"minItems": 2}, "contains: not modelled", ""),
        ({"type": "array", "minItems": 10**9}, {"maxItems": 10**10}, "10000000001 items", ""),
        ({"type": "object", "minProperties": 10**6}, {"maxProperties": 10**7}, "10000001 members", ""),
        ({"type": "string", "minLength": 10**7}, INTEGER, "10000000 characters", ""),
        ({"minimum": 1e23, "type": "integer"}, {"minimum": 10**23}, "2^53", ""),
    ],
)
def test_what_cannot_be_decided_is_unknown_with_reason_and_place(a, b, words, pointer):
    answer = contained(a, b)

    assert answer.verdict == "unknown"
    assert words in answer.reason
    assert answer.pointer == pointer
    assert answer.witness is None


def test_a_question_that_takes_too_many_steps_is_unknown_and_ends():
    # Given twelve cells of which no two that clash may be equal, as in a puzzle
    cells = {f"c{i}": {"type": "integer", "minimum": 0, "maximum": 6} for i in range(12)}
    differing = [
        {"properties": {f"c{i}": {"const": n}, f"c{j}": {"const": n}}}
        for n in range(7)
        for i in range(12)
        for j in range(i)
        if (i + j) % 3
    ]

    # When
    began = time.perf_counter()
    answer = contained(record(cells, **cells), {"anyOf": differing})

    # Then
    assert time.perf_counter() - began < 20
    assert answer.verdict in {"unknown", "refuted"}


def test_what_is_empty_only_inside_itself_is_not_empty_elsewhere():
    # Given a list of links that looks empty while its own link is being looked for, and is asked for again outside
    link = {"anyOf": [record(["more"], more={"$ref": "#/$defs/links"}), record(closed=True)]}
    definitions = {"link": link, "links": rows({"$ref": "#/$defs/link"}, minItems=1)}
    both = record(["a", "b"], a={"$ref": "#/$defs/link"}, b={"$ref": "#/$defs/links"})

    # Then it is found there
    assert contained({**both, "$defs": definitions}, False).witness == Witness({"a": {}, "b": [{}]})


def test_a_name_given_to_one_member_does_not_prove_that_there_is_none_for_another():
    # Given that p must hold a number and q something else, and that only these two names may be used
    names = {"type": "object", "propertyNames": {"enum": ["p", "q"]}}
    others = {"patternProperties": {"^q": True}, "additionalProperties": {"not": INTEGER}}

    # Then it is not proved, though q was the wrong name for the first
    assert contained(names, {"anyOf": [{"additionalProperties": INTEGER}, others]}).verdict != "proved"


def test_every_combination_of_choices_is_looked_at():
    # Given choices of which only the last of each go together
    first, second = (
        {"anyOf": [{"properties": {name: {"const": number}}} for number in (1, 2, 3)]} for name in ("a", "b")
    )
    both = [{"a": {"const": 7}}, {"b": {"const": 7}}, {"a": {"const": 3}, "b": {"const": 3}}]
    linked_choice = {"anyOf": [{"properties": properties} for properties in both]}

    # When
    answer = contained({"type": "object", "required": ["a", "b"], "allOf": [first, second, linked_choice]}, False)

    # Then
    assert answer.witness == Witness({"a": 3, "b": 3})


def test_deep_schemas_and_values_raise_nothing():
    deep, shallow = TEXT, INTEGER
    for _ in range(28):
        deep, shallow = rows(deep, minItems=1), rows(shallow, minItems=1)

    assert contained(deep, deep).is_proved
    assert contained(deep, shallow).verdict == "refuted"
    assert contained(deep, shallow).pointer == "/0" * 28


@pytest.mark.parametrize(("a", "b"), [({"type": "text"}, True), (True, {"$ref": "#/nowhere"}), ({"items": 3}, TEXT)])
def test_what_is_no_schema_is_refused(a, b):
    with pytest.raises(SchemaInvalidError):
        contained(a, b)


def test_answers_are_the_same_every_time_and_belong_to_who_asked():
    # Given an answer whose receiver changes it
    a, b = record(["a"], a=rows(TEXT, minItems=2)), record(a={"maxItems": 1})
    first = contained(a, b)
    shown = first.as_json()
    first.witness.value["a"].clear()

    # Then neither the remembered answer nor a new one is changed
    assert contained(a, b).as_json() == shown
    _decide.cache_clear()
    assert contained(a, b).as_json() == shown


def test_an_answer_is_told_as_json():
    assert contained(TEXT, TEXT).as_json() == {"verdict": "proved"}
    assert contained(True, TEXT).as_json() == {
        "verdict": "refuted",
        "witness": None,
        "reason": "must be string, not null",
        "pointer": "",
    }


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "null"}, None),
        ({"type": "integer", "minimum": 5, "multipleOf": 4}, 8),
        ({"type": "number", "exclusiveMinimum": 1, "exclusiveMaximum": 2}, 1.5),
        ({"type": "string", "minLength": 3}, "aaa"),
        ({"type": "string", "format": "date"}, "2024-02-29"),
        (rows({"enum": [3, 1]}, uniqueItems=True, minItems=2), [1, 3]),
        (record(["b"], b={"const": [True]}), {"b": [True]}),
    ],
)
def test_an_instance_is_small_and_plain(schema, value):
    assert instance_of(schema) == Witness(value)


def test_there_is_no_instance_of_what_nothing_satisfies():
    assert instance_of({"allOf": [TEXT, INTEGER]}) is None


def test_every_facet_has_an_instance_and_contains_itself():
    for name, schema in FACETS.items():
        found = instance_of(schema)
        assert found is not None, name
        assert validator_for(schema).is_valid(found.value)
        assert contained(schema, schema).is_proved


def test_facets_are_held_against_the_contracts_of_callers_in_well_under_five_milliseconds():
    # Given the deliverables of the LinkedIn and the blog envelopes
    text = TEXT | {"minLength": 1, "maxLength": 1300}
    variant = record(["headline", "body", "callToAction"], closed=True, headline=text, body=text, callToAction=text)
    linkedin = record(["variants"], closed=True, variants=rows(variant, minItems=3, maxItems=3))
    blog = record(["title", "body"], title=TEXT, body=TEXT, summary=TEXT)
    offered = record(["variants"], closed=True, variants=FACETS["copyVariants"])
    questions = [(offered, linkedin, "refuted"), (linkedin, offered, "proved")]
    questions += [(FACETS["longFormDraft"], blog, "proved"), (blog, FACETS["longFormDraft"], "refuted")]

    for a, b, verdict in questions:
        # When each is asked anew, a few times
        times = []
        for _ in range(8):
            _decide.cache_clear()
            began = time.perf_counter()
            answer = contained(a, b)
            times.append(time.perf_counter() - began)

        # Then
        assert answer.verdict == verdict
        assert min(times) < 0.005


def test_the_doorway_names_what_may_be_used():
    assert {"Containment", "Witness", "contained", "instance_of"} <= set(dir(containment))
