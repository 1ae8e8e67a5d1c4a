"""How branches share the work and the instructions, and when the numbers do not fit."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.branches import divide_instructions, share_out
from planner.assembly.diagnostics import PlanRejectedError
from planner.assembly.explain import plan_cost
from planner.plan.graph import PlanGraph
from tests.support.goldens import WRITER, planner
from tests.support.planning import json_contract, like, linkedin, object_contract, plan_for, variants, with_capabilities

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


DIVERSE = planner(optimisation={"objective": "diversity"})


def writers_of(plan: PlanGraph) -> list[str | None]:
    return [node.capability_id for node in plan.nodes if node.kind == "execution"]


def test_under_diversity_each_branch_is_another_capabilitys_work_while_there_are_any() -> None:
    # Given three writers that make the same of the same
    bold, calm = like(WRITER, capability_id="B.Bold"), like(WRITER, capability_id="C.Calm")
    found = with_capabilities(bold, calm)
    three = linkedin(json_contract(variants(4, 4)), inputs={"variantCount": 4}, policies=DIVERSE)
    # When
    plan, plain = plan_for(three, found), plan_for(three | {"policies": {}}, found)
    # Then the best is first, each works once before one works twice, and all are reviewed
    assert set(writers_of(plan)[:3]) == {WRITER, "B.Bold", "C.Calm"}
    assert writers_of(plan)[3] == writers_of(plan)[0]
    assert len(set(writers_of(plain))) == 1
    assert sum(node.kind == "validation" for node in plan.nodes) == 4
    told = "The objective is diversity, so the branches are the work of different capabilities."
    assert all(told in node.rationale for node in plan.nodes if node.kind == "execution")
    assert not any(told in node.rationale for node in plain.nodes)
    # And nobody is said to have lost against whom it works beside
    names = set(writers_of(plan))
    assert not any(
        r["capabilityId"] in names for n in plan.nodes if n.kind == "execution" for r in n.score["runnersUp"]
    )
    # And the bill tells of all of them
    assert plan_cost(plan, found)["total"] == plan.metadata["search"]["cost"]


@pytest.mark.parametrize(
    "changes",
    [
        {"input_facets": ("company_information", "post_visual")},
        {"output_facets": ("copyVariants", "post_copy"), "output_schema": {}},
        {"input_traits": {"languages": ["nl"], "formats": ["blog_post"]}},
        {"status": "inactive"},
    ],
)
def test_diversity_takes_nobody_who_needs_or_makes_something_else_or_is_not_good_enough(
    changes: dict[str, Any],
) -> None:
    # Given
    other = like(WRITER, capability_id="B.Other", **changes)
    policies = planner(optimisation={"objective": "diversity"}, directives={"minimumScore": 0.56})
    raw = linkedin(json_contract(variants(2, 2)), inputs={"variantCount": 2, "language": "en"}, policies=policies)
    # Then
    assert set(writers_of(plan_for(raw, with_capabilities(other)))) == {WRITER}
