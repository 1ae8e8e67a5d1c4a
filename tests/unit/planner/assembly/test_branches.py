"""How branches share the work and the instructions, and when the numbers do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.branches import divide_instructions, share_out
from planner.assembly.diagnostics import PlanRejectedError
from planner.plan.graph import PlanGraph
from tests.support.planning import linkedin, object_contract, plan_for, variants

ARTICLE = {"type": "object", "required": ["title", "body"], "properties": {"title": {}, "body": {}}}
BLOG: dict[str, Any] = {"inputs": {"channel": "blog", "variantCount": None}}


def writers(plan: PlanGraph) -> list[str]:
    return [node.id for node in plan.nodes if node.kind == "execution"]


@pytest.mark.parametrize(
    ("items", "branches", "shares"), [(2, 2, (1, 1)), (5, 2, (3, 2)), (7, 3, (3, 2, 2)), (6, 6, (1,) * 6)]
)
def test_items_are_shared_out_evenly(items: int, branches: int, shares: tuple[int, ...]) -> None:
    assert share_out(items, branches) == shares


@pytest.mark.parametrize(
    ("instructions", "expected"),
    [
        (["about us", "about you"], [("about us",), ("about you",)]),
        (["keep it short"], [("keep it short",), ("keep it short",)]),
        (["Variant B sells", "keep it short"], [("keep it short",), ("Variant B sells", "keep it short")]),
        (["option 1 is bold", "version 2 is calm"], [("option 1 is bold",), ("version 2 is calm",)]),
        (["variant a like variant b", "x"], [("variant a like variant b",), ("x",)]),
        (["variant z is lost", "y", "x"], [("variant z is lost", "y", "x")] * 2),
        ([], [(), ()]),
    ],
)
def test_each_branch_hears_what_is_its_own_and_what_is_shared(
    instructions: list[str], expected: list[tuple[str, ...]]
) -> None:
    assert divide_instructions(instructions, ["a", "b"]) == tuple(expected)


def test_a_long_list_is_made_by_the_most_branches_there_may_be() -> None:
    plan = plan_for(linkedin(object_contract(v=variants(8, None)), inputs={"variantCount": None}))
    source = plan.node("output").transform["provenance"]["/v"]  # type: ignore[index]  # an output node has one
    assert source["items"] == [2, 2, 1, 1, 1, 1]
    schema = plan.node("linkedinVariants~a").output_schema["properties"]["copyVariants"]
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert plan.node("linkedinVariants~a").instructions[-1].endswith("make exactly 2 items.")


def test_a_list_of_whole_documents_takes_one_branch_for_each() -> None:
    contract = object_contract(articles={"type": "array", "minItems": 3, "items": ARTICLE})
    assert writers(plan_for(linkedin(contract, **BLOG))) == ["blogPost~a", "blogPost~b", "blogPost~c"]


def test_a_list_of_one_document_needs_no_branch() -> None:
    contract = object_contract(articles={"type": "array", "minItems": 1, "items": ARTICLE})
    plan = plan_for(linkedin(contract, **BLOG))
    assert writers(plan) == ["blogPost"]
    assert plan.node("output").transform["properties"] == {"articles": "[longFormDraft][]"}  # type: ignore[index]  # see above


def test_more_documents_than_branches_are_refused() -> None:
    contract = object_contract(articles={"type": "array", "minItems": 9, "items": ARTICLE})
    with pytest.raises(PlanRejectedError) as rejected:
        plan_for(linkedin(contract, **BLOG))
    assert rejected.value.diagnostics[0].code == "variant_count_conflict"


def test_more_variants_than_the_contract_takes_are_refused() -> None:
    # Given a list whose bound only shows when its parts are laid together
    listed = {"allOf": [variants(None, None), {"maxItems": 2}]}
    with pytest.raises(PlanRejectedError) as rejected:
        plan_for(linkedin(object_contract(v=listed), inputs={"variantCount": 3}))
    assert rejected.value.diagnostics[0].code == "variant_count_conflict"


def test_variants_of_something_that_is_no_list_are_noted() -> None:
    plan = plan_for(linkedin(object_contract(longFormDraft=ARTICLE), inputs={"channel": "blog"}))
    assert writers(plan) == ["blogPost"]
    assert any("variantCount is not acted on" in note for note in plan.metadata["notes"])


def test_references_reach_the_writers_resolved() -> None:
    # Given a contract that describes its items elsewhere
    contract = object_contract(variants={"type": "array", "minItems": 2, "items": {"$ref": "#/$defs/post"}})
    post = {"type": "object", "required": ["headline"], "properties": {"headline": {"minLength": 9}}}
    contract["schema"]["$defs"] = {"post": post}
    # When
    plan = plan_for(linkedin(contract))
    # Then
    items = plan.node("linkedinVariants~a").output_schema["properties"]["copyVariants"]["items"]
    assert items["properties"]["headline"]["minLength"] == 9
