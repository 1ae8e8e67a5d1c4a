"""What a condition may name, and of which type it is."""

from __future__ import annotations

import pytest

from policies.conditions import Catalog, ConditionError, build_catalog, evaluate, parse
from tests.support.conditions import CATALOG, FACETS

ONE_FACET = {
    "type": "object",
    "properties": {
        "status": {"enum": ["ready", "late"]},
        "quality_score": {"type": "number"},
        "length": {"type": "integer"},
    },
}


def kind(schema: object) -> str:
    entry = build_catalog({"x": schema}).lookup("facets.x")
    assert entry is not None
    return entry.type


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string"),
        ({"type": ["integer", "number"]}, "number"),
        ({"type": ["string", "number"]}, "any"),
        ({"enum": ["a", "b", None]}, "string"),
        ({"const": True}, "boolean"),
        ({"properties": {}}, "object"),
        ({"items": {}}, "array"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string"),
        ({"oneOf": [{"type": "string"}, {"type": "object"}]}, "any"),
        ({"allOf": [{"type": ["string", "number"]}, {"type": "string"}]}, "string"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "boolean"}}}, "boolean"),
        ({"$ref": "#"}, "any"),
        ({"$ref": "https://example.org/schema"}, "any"),
        ({}, "any"),
        (True, "any"),
    ],
)
def test_the_type_comes_from_the_schema(schema, expected):
    assert kind(schema) == expected


def test_enumerations_of_branches_are_joined_and_those_of_conjunctions_narrowed():
    choice = {"anyOf": [{"enum": ["a"]}, {"enum": ["b"]}, {"type": "null"}]}
    narrowed = {"type": "string", "allOf": [{"enum": ["a", "b"]}, {"enum": ["b", "c"]}]}
    open_choice = {"anyOf": [{"enum": ["a"]}, {"type": "string"}]}
    catalog = build_catalog({"choice": choice, "narrowed": narrowed, "open": open_choice})

    assert [catalog.lookup(f"facets.{name}").enum for name in ("choice", "narrowed", "open")] == [
        ("a", "b"),
        ("b",),
        None,
    ]


def test_every_facet_and_member_has_an_entry_found_by_path_name_and_alias():
    entry = CATALOG.lookup("facets.planKnobs.structure.lengthLevel")

    assert entry is not None
    assert entry.path == f"{FACETS}.planKnobs.value.structure.lengthLevel"
    assert CATALOG.lookup(entry.path) is entry
    assert CATALOG.lookup("facets.planKnobs.value.structure.lengthLevel") is entry
    assert CATALOG.lookup("facets.planKnobs").type == "object"
    assert CATALOG.lookup("facets.PlanKnobs") is None
    assert entry.as_json()["allowedOperators"] == ["==", "!=", "<", "<=", ">", ">=", "in", "between"]


def test_the_run_signals_are_always_there():
    names = {entry.path for entry in build_catalog({}).entries}

    assert names == {
        *(
            f"run.{name}"
            for name in ("latencyMs", "cost", "tokens", "attempts", "replans", "revisionCount", "requiresHitl")
        ),
        *(f"node.{name}" for name in ("kind", "capabilityId", "durationMs", "cost", "attempt")),
    }


def test_names_that_no_text_can_spell_have_no_entry():
    catalog = build_catalog({"a": {"properties": {"x-y": {"type": "string"}, "ok": {"type": "string"}}}})

    assert [entry.dsl_path for entry in catalog.entries if entry.group == "a"] == ["facets.a", "facets.a.ok"]


def test_a_recursive_schema_ends():
    node = {"properties": {"next": {"$ref": "#"}, "text": {"type": "string"}}}

    assert build_catalog({"a": node}).lookup("facets.a.next.next.text").type == "string"


def test_bare_names_look_inside_one_facet():
    condition = parse('status == "ready" && length > 2', bare_schema=ONE_FACET)

    assert condition.variables == ("status", "length")
    assert evaluate(condition, {"status": "ready", "length": 3}).satisfied


def test_bare_names_are_checked_and_other_names_need_the_catalogue():
    with pytest.raises(ConditionError) as caught:
        parse('status == "raedy" && quality_scor > 1 && run.cost > 1', bare_schema=ONE_FACET)

    codes = [(found.code, found.suggestion) for found in caught.value.diagnostics]
    assert codes == [("enum_mismatch", "ready"), ("unknown_variable", "quality_score"), ("unknown_variable", None)]


def test_bare_names_come_before_those_of_the_catalogue():
    condition = parse('status == "ready" && run.cost > 1 && exists(facets.planKnobs)', CATALOG, bare_schema=ONE_FACET)

    assert condition.variables == ("status", "run.cost", f"{FACETS}.planKnobs.value")


def test_a_value_that_is_no_object_has_one_name():
    assert parse('contains(value, "AI")', bare_schema={"type": "string"}).variables == ("value",)
    scores = Catalog.for_schema({"type": "array", "items": {"type": "number"}}, name="scores")
    assert parse("some(scores, item > 1)", scores).variables == ("scores",)


@pytest.mark.parametrize(
    "schema", [{}, True, {"type": "object"}, {"type": "object", "additionalProperties": {"type": "number"}}]
)
def test_a_schema_that_names_no_member_leaves_names_free(schema):
    assert parse("overall.brand >= 0.8", bare_schema=schema).variables == ("overall.brand",)


def test_free_bare_names_do_not_free_the_names_of_the_catalogue():
    assert parse("anything > 1 && run.cost > 1", CATALOG, bare_schema={}).variables == ("anything", "run.cost")
    with pytest.raises(ConditionError) as caught:
        parse("facets.post_cpy == 'x' || run.costs > 1", CATALOG, bare_schema={})

    assert [found.suggestion for found in caught.value.diagnostics] == ["facets.post_copy", "run.cost"]


def test_equal_schemas_give_one_catalogue():
    assert build_catalog({"a": {"type": "string"}}) is build_catalog({"a": {"type": "string"}})


def test_without_a_catalogue_names_pass_as_written_and_signals_keep_their_type():
    assert parse("anything.at.all == 1").json_logic == {"==": [{"var": "anything.at.all"}, 1]}
    with pytest.raises(ConditionError):
        parse("run.cost == 'x'")
