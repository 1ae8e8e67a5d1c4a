"""How facets are matched to the caller's schema, and what the match makes of both sides."""

from __future__ import annotations

from typing import Any

import pytest

from planner.contracts.mapping import Candidate, Place, demand, expression, facet_expression, find_places
from planner.progress.output import apply_transform
from tests.support.planning import ITEM, catalogue, variants

DRAFT = {"headline": "Join us now", "body": "We build robots that are safe.", "callToAction": "Apply", "id": "x"}
OTHER = DRAFT | {"headline": "Grow with us"}
BRANCHED = {"copyVariants": [{"branch": "a", "value": [DRAFT]}, {"branch": "b", "value": [OTHER]}]}


def places(schema: dict[str, Any], expected: tuple[str, ...] = ()) -> tuple[Place, ...]:
    return find_places(schema, catalogue().list(), expected)


def best(schema: dict[str, Any], expected: tuple[str, ...] = ()) -> tuple[str, str, str]:
    """Return facet, form and kind of match of the best candidate of the only place."""
    (place,) = places(schema, expected)
    found = place.candidates[0]
    return found.facet, found.form, found.match


def one(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": [name], "properties": {name: schema}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (one("copyVariants", variants()), ("copyVariants", "items", "name")),
        (one("copy_variants", variants()), ("copyVariants", "items", "key")),
        (one("variants", variants()), ("copyVariants", "items", "shape")),
        (one("anythingAtAll", variants()), ("copyVariants", "items", "shape")),
        (variants(), ("copyVariants", "items", "shape")),
        (one("best", ITEM), ("copyVariants", "item", "shape")),
        (ITEM, ("copyVariants", "item", "shape")),
        (one("postCopy", {"type": "string"}), ("post_copy", "whole", "key")),
        (one("qaFindings", {"type": "object"}), ("qaFindings", "whole", "name")),
    ],
)
def test_a_part_is_matched_by_name_then_by_shape(schema: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert best(schema) == expected


def test_a_part_of_another_type_than_its_namesake_is_not_matched() -> None:
    (place,) = places(one("copyVariants", {"type": "number"}))
    assert place.candidates == ()


def test_texts_are_not_matched_by_shape() -> None:
    (place,) = places(one("horoscope", {"type": "string"}))
    assert place.candidates == ()


def test_what_the_envelope_asks_for_matches_on_less() -> None:
    # Given a list whose items are not described
    schema = one("results", {"type": "array"})
    # Then only the expected facet is a candidate
    assert places(schema)[0].candidates == ()
    assert best(schema, ("copyVariants",)) == ("copyVariants", "items", "expected")


def test_a_property_may_be_a_member_of_the_expected_facet() -> None:
    schema = {"type": "object", "required": ["title", "qaFindings"], "properties": {"title": {}, "qaFindings": {}}}
    title, findings = places(schema, ("longFormDraft",))
    assert title.candidates[0] == Candidate("longFormDraft", "member", "expected", member="title")
    assert findings.candidates[0].facet == "qaFindings"


def test_a_list_of_objects_may_collect_one_value_per_branch() -> None:
    article = {"type": "object", "required": ["title", "body"], "properties": {"title": {}, "body": {}, "sections": {}}}
    assert best(one("articles", {"type": "array", "items": article})) == ("longFormDraft", "collect", "shape")


def test_references_are_followed() -> None:
    schema = one("variants", {"type": "array", "items": {"$ref": "#/$defs/draft"}}) | {"$defs": {"draft": ITEM}}
    assert best(schema)[0] == "copyVariants"
    assert places(schema)[0].schema["items"] == ITEM


def test_without_a_list_of_required_names_every_property_is_wanted() -> None:
    (place,) = places({"type": "object", "properties": {"copyVariants": variants()}})
    assert place.required


def test_a_required_name_without_a_schema_is_a_place_too() -> None:
    (place,) = places({"type": "object", "required": ["copyVariants"]})
    assert (place.key, place.candidates[0].facet) == ("copyVariants", "copyVariants")


@pytest.mark.parametrize(
    ("schema", "branched", "expected"),
    [
        (variants(), True, [DRAFT, OTHER]),
        (variants(), False, [DRAFT]),
        (ITEM, False, DRAFT),
        (ITEM, True, DRAFT),
    ],
)
def test_expressions_lift_values_out_of_branches_or_none(schema: dict[str, Any], branched: bool, expected: Any) -> None:  # noqa: FBT001 - a column of the table
    # Given
    (place,) = places(schema)
    text = expression(place, place.candidates[0], branched=branched)
    values = BRANCHED if branched else {"copyVariants": [DRAFT]}
    # Then
    assert apply_transform({"expression": text}, values) == expected


def test_only_named_members_are_picked_when_the_caller_closes_his_objects() -> None:
    # Given
    (place,) = places(variants(item=ITEM | {"additionalProperties": False}))
    # When
    text = expression(place, place.candidates[0], branched=True)
    # Then
    assert apply_transform({"expression": text}, BRANCHED)[0] == {k: v for k, v in DRAFT.items() if k != "id"}
    # And the producing node is not forbidden to make more
    assert "additionalProperties" not in demand(place, place.candidates[0])["items"]


def test_names_that_are_no_identifiers_are_quoted() -> None:
    text = facet_expression("social_post.preview", is_list=False, branched=False)
    assert apply_transform({"expression": text}, {"social_post.preview": 1}) == 1


def test_collected_values_become_a_list_with_and_without_branches() -> None:
    (place,) = places(
        one("articles", {"type": "array", "items": {"type": "object", "properties": {"title": {}, "body": {}}}})
    )
    found = place.candidates[0]
    branched = {"longFormDraft": [{"branch": "a", "value": {"title": 1}}, {"branch": "b", "value": {"title": 2}}]}
    several = expression(place, found, branched=True)
    single = expression(place, found, branched=False)
    assert apply_transform({"expression": several}, branched) == [{"title": 1}, {"title": 2}]
    assert apply_transform({"expression": single}, {"longFormDraft": {"title": 1}}) == [{"title": 1}]


def test_a_branch_is_asked_for_its_own_items() -> None:
    # Given a list whose first item differs from the rest
    special = ITEM | {"title": "the first"}
    (place,) = places({"type": "array", "prefixItems": [special], "items": ITEM})
    found = place.candidates[0]
    # Then
    assert demand(place, found, items=1) == {
        "type": "array",
        "minItems": 1,
        "maxItems": 1,
        "prefixItems": [special],
        "items": ITEM,
    }
    assert demand(place, found, items=2, start=1) == {"type": "array", "minItems": 2, "maxItems": 2, "items": ITEM}


def test_the_bounds_of_a_place_are_read_through_all_of() -> None:
    (place,) = places(one("variants", {"allOf": [variants(1, None), {"maxItems": 3}]}))
    assert place.bounds == (1, 3)
