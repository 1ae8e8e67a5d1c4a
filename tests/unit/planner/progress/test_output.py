"""The final composition, and whom to blame for which part of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from planner.plan.graph import PlanGraph
from planner.progress.output import TransformError, apply_transform, blame, compose_output, compute_virtual
from tests.support.goldens import goldens
from tests.support.planning import facet_contract, json_contract, linkedin, object_contract, plan_for, variants


def draft(text: str) -> dict[str, str]:
    return {"headline": f"{text} headline", "body": f"{text} body that is long enough", "callToAction": "Apply"}


def outputs(plan: PlanGraph) -> dict[str, dict[str, Any]]:
    """Return what each node made, its own id in every text."""
    made = {
        "copyVariants": lambda node: [draft(node)],
        "longFormDraft": lambda node: {"title": node, "body": node},
        "qaFindings": lambda node: {"overallStatus": "pass", "by": node},
    }
    return {
        node.id: {facet: made.get(facet, str)(node.id) for facet in node.output_facets}
        for node in plan.nodes
        if not node.virtual
    }


def blamed(plan: PlanGraph, pointer: str, *, without: Iterable[str] = ()) -> str | None:
    """Return who is to blame when every node has made what it makes, all but those left out."""
    made = {node_id: output for node_id, output in outputs(plan).items() if node_id not in set(without)}
    return blame(plan, pointer, made)


@pytest.mark.parametrize(
    ("contract", "expected"),
    [
        (
            object_contract(variants=variants()),
            {"variants": [draft("linkedinVariants~a"), draft("linkedinVariants~b")]},
        ),
        (json_contract(variants()), [draft("linkedinVariants~a"), draft("linkedinVariants~b")]),
        (facet_contract("copyVariants"), {"copyVariants": [draft("linkedinVariants~a"), draft("linkedinVariants~b")]}),
        (
            {"mode": "freeform", "instructions": "Two posts", "expectedFormat": "variants"},
            [draft("linkedinVariants~a"), draft("linkedinVariants~b")],
        ),
    ],
    ids=["other name", "bare array", "facets", "freeform"],
)
def test_branches_are_joined_in_their_order_into_the_callers_shape(contract: dict[str, Any], expected: Any) -> None:
    plan = plan_for(linkedin(contract))
    assert compose_output(plan, outputs(plan)) == expected


def test_without_a_transformation_the_facets_are_the_result() -> None:
    # Given
    blog = {"inputs": {"channel": "blog", "variantCount": None}}
    plan = plan_for(linkedin(facet_contract("longFormDraft"), **blog))
    freeform = plan_for(linkedin({"mode": "freeform", "instructions": "An article", "expectedFormat": "blog"}, **blog))
    value = {"title": "blogPost", "body": "blogPost"}
    # Then
    assert compose_output(plan, outputs(plan)) == {"longFormDraft": value}
    assert compose_output(freeform, outputs(freeform)) == value
    assert compose_output(plan, {}) == {}
    assert compose_output(freeform, {}) is None


def test_what_the_envelope_gave_is_passed_on() -> None:
    # Given a contract that asks for an input back
    plan = plan_for(linkedin(object_contract(copyVariants=variants(), audienceProfile={"type": "object"})))
    # When
    result = compose_output(plan, outputs(plan), {"audienceProfile": {"persona": "engineers"}})
    # Then
    assert result["audienceProfile"] == {"persona": "engineers"}
    assert blamed(plan, "/audienceProfile/persona") is None


def test_a_virtual_node_shows_what_it_made() -> None:
    plan = plan_for(linkedin())
    made = outputs(plan)
    assert compute_virtual(plan, "branch", {}, made) == {}
    assert compute_virtual(plan, "output", {}, made) == {"output": compose_output(plan, made)}


def test_a_join_gives_later_nodes_one_value() -> None:
    plan = plan_for(linkedin(object_contract(copyVariants=variants(), qaFindings={"type": "object"})))
    made = outputs(plan)
    joined = compute_virtual(plan, "join", {}, made)
    assert joined == {"copyVariants": [draft("linkedinVariants~a"), draft("linkedinVariants~b")]}
    assert compose_output(plan, made | {"join": joined})["copyVariants"] == joined["copyVariants"]


def test_optional_parts_are_left_out_and_required_nulls_are_kept() -> None:
    transform = {
        "properties": {"title": "title", "subtitle": "subtitle", "note": "note"},
        "omitNull": True,
        "provenance": {"/note": {"facet": "note", "key": "note", "nodeIds": [], "required": True}},
    }
    assert apply_transform(transform, {"title": "A"}) == {"title": "A", "note": None}


def test_picking_keeps_nulls_and_passes_over_what_is_no_object() -> None:
    transform = {"expression": 'all[].pick(@, `["a", "b"]`)'}
    assert apply_transform(transform, {"all": [{"a": None, "c": 1}, "text"]}) == [{"a": None}, "text"]


def test_an_expression_that_does_not_fit_is_an_error_of_its_own() -> None:
    with pytest.raises(TransformError, match="transformation fails"):
        apply_transform({"expression": "length(number)"}, {"number": 1})


@pytest.mark.parametrize(
    ("contract", "pointer", "node"),
    [
        (object_contract(variants=variants()), "/variants/0/headline", "linkedinVariants~a"),
        (object_contract(variants=variants()), "/variants/1/headline", "linkedinVariants~b"),
        (object_contract(variants=variants()), "/variants/1", "linkedinVariants~b"),
        (object_contract(variants=variants()), "/variants", "linkedinVariants~a"),
        (object_contract(variants=variants()), "", "linkedinVariants~a"),
        (object_contract(variants=variants()), "/other", None),
        (json_contract(variants()), "/1/body", "linkedinVariants~b"),
        (facet_contract("copyVariants"), "/copyVariants/1", "linkedinVariants~b"),
    ],
)
def test_a_failing_part_is_the_work_of_the_node_that_made_it(
    contract: dict[str, Any], pointer: str, node: str | None
) -> None:
    assert blamed(plan_for(linkedin(contract)), pointer) == node


def test_items_are_counted_where_a_branch_makes_several() -> None:
    # Given a list of at least three and two branches
    plan = plan_for(linkedin(object_contract(variants=variants(None, 9)), inputs={"variantCount": 2}))
    source = plan.node("output").transform["provenance"]["/variants"]  # type: ignore[index]  # an output node has one
    assert source["items"] == [1, 1]
    assert blamed(plan, "/variants/8/body") == "linkedinVariants~b"


def test_blame_works_without_a_transformation() -> None:
    plan = plan_for(linkedin(facet_contract("longFormDraft"), inputs={"channel": "blog", "variantCount": None}))
    assert blamed(plan, "/longFormDraft/title") == "blogPost"
    assert blamed(plan, "") == "blogPost"
    assert blamed(plan, "/elsewhere") is None


def test_blame_finds_the_latest_maker_after_a_join() -> None:
    plan = plan_for(linkedin(object_contract(copyVariants=variants(), qaFindings={"type": "object"})))
    assert blamed(plan, "/qaFindings/overallStatus") == "contentReview"
    assert blamed(plan, "/copyVariants/1/body") == "linkedinVariants~b"


def test_a_way_that_was_not_taken_is_to_blame_for_nothing() -> None:
    plan = goldens()["routing"].plan()
    assert blamed(plan, "/copyVariants", without=["linkedinVariants", "Calm"]) == "Bold"
    assert blamed(plan, "/copyVariants", without=["linkedinVariants", "Bold"]) == "Calm"
