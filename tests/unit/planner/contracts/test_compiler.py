"""Facets compiled to one contract: keys, required members, provenance, conflicts and blame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.contracts.compiler import FacetConflictError, compile_contract
from planner.contracts.facets import Facet, FacetCatalogue, FacetDirectionError, FacetNotFoundError, load_catalogue
from planner.contracts.json_schema import lint

CATALOGUE = load_catalogue()


def facet(name, schema, key=None, *, required=True, direction="bidirectional"):
    return Facet(name, name.title(), "d", "s", schema, "v1", direction, required, key or name)


def test_a_contract_holds_the_facets_in_order_with_their_provenance():
    contract = compile_contract(CATALOGUE, ["assetBundle", "objectiveBrief"], "input")
    assert list(contract.schema["properties"]) == ["assets", "objectiveBrief"]
    assert contract.schema["required"] == ["objectiveBrief"]
    assert contract.schema["additionalProperties"] is True
    assert contract.provenance[0].as_json() == {
        "facet": "assetBundle",
        "title": "Asset bundle",
        "direction": "input",
        "pointer": "/assets",
    }
    assert lint(contract.schema) == []


def test_optional_facets_are_never_required_also_when_only_named_there():
    contract = compile_contract(
        CATALOGUE, ["writerBrief", "feedback"], "input", optional=["feedback", "audienceProfile"]
    )
    assert contract.facets == ("writerBrief", "feedback", "audienceProfile")
    assert contract.schema["required"] == ["writerBrief"]


def test_no_facets_compile_to_a_contract_that_asks_for_an_object():
    contract = compile_contract(CATALOGUE, [], "output")
    assert contract.problems({"anything": 1}) == []
    assert contract.problems([])[0].facet == ""


def test_unknown_facets_and_wrong_directions_are_refused():
    with pytest.raises(FacetNotFoundError):
        compile_contract(CATALOGUE, ["nothing"], "input")
    with pytest.raises(FacetDirectionError):
        compile_contract(CATALOGUE, ["qaFindings"], "input")


def test_facets_on_one_key_are_joined_and_both_get_the_value():
    catalogue = FacetCatalogue(
        [facet("short", {"type": "string", "maxLength": 5}, "text"), facet("long", {"minLength": 3}, "text")]
    )
    contract = compile_contract(catalogue, ["short", "long"], "output")
    assert contract.schema["properties"]["text"] == {"type": "string", "maxLength": 5, "minLength": 3}
    assert contract.schema["required"] == ["text"]
    assert contract.to_facets({"text": "four"}) == {"short": "four", "long": "four"}


@pytest.mark.parametrize(
    ("left", "right", "pointer"),
    [
        ({"type": "string"}, {"type": "integer"}, "/text"),
        ({"type": "string", "enum": ["a"]}, {"enum": ["b"]}, "/text"),
        ({"type": "number", "minimum": 5}, {"type": "integer", "maximum": 4}, "/text"),
        (
            {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
            {"properties": {"x": {"type": "null"}}},
            "/text/x",
        ),
    ],
)
def test_facets_that_exclude_each_other_are_both_named(left, right, pointer):
    catalogue = FacetCatalogue([facet("one", left, "text"), facet("two", right, "text")])
    with pytest.raises(FacetConflictError, match="“one” and “two”") as caught:
        compile_contract(catalogue, ["one", "two"], "input")
    assert caught.value.facets == ("one", "two")
    assert caught.value.pointer == pointer


def test_problems_name_facet_pointer_and_keyword_also_when_the_whole_part_is_missing():
    contract = compile_contract(CATALOGUE, ["copyVariants", "qaFindings"], "output")
    found = contract.problems({"copyVariants": [{"headline": "", "body": "b", "extra": 1}]})
    assert {(p.facet, p.pointer, p.keyword) for p in found} == {
        ("copyVariants", "/copyVariants/0/headline", "minLength"),
        ("copyVariants", "/copyVariants/0/extra", "additionalProperties"),
        ("qaFindings", "/qaFindings", "required"),
    }
    assert {p.title for p in found} == {"Copy variants", "Review findings"}
    assert found[0].as_json().keys() == {"facet", "title", "pointer", "keyword", "message"}


def test_odd_property_keys_find_their_way_back():
    catalogue = FacetCatalogue([facet("odd", {"type": "string"}, "a/b~c")])
    contract = compile_contract(catalogue, ["odd"], "output")
    assert contract.to_facets(contract.from_facets({"odd": "x"})) == {"odd": "x"}
    assert contract.problems({"a/b~c": 1})[0].facet == "odd"


@given(st.dictionaries(st.sampled_from(sorted(f.name for f in CATALOGUE.list("output"))), st.integers()))
def test_going_to_property_keys_and_back_loses_nothing(values):
    contract = compile_contract(CATALOGUE, list(values), "output")
    assert contract.to_facets(contract.from_facets(values)) == values


@given(st.lists(st.sampled_from(sorted(f.name for f in CATALOGUE.list("input"))), unique=True))
def test_any_choice_of_facets_compiles_to_a_sound_schema(names):
    contract = compile_contract(CATALOGUE, names, "input")
    assert lint(contract.schema) == []
    assert {p.facet for p in contract.problems({})} == {n for n in names if CATALOGUE.get(n).required_by_default}
