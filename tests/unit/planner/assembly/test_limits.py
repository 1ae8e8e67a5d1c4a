"""Limits to the text of a result: promised where the work is done, or made to fit behind it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from planner.contracts.capabilities import Capability
from planner.plan.graph import PlanGraph
from planner.progress.output import apply_transform
from tests.support.goldens import WRITER
from tests.support.planning import facet_contract, like, linkedin, plan_for, with_capabilities

RULE = {"maxLength": 1300, "maxHashtags": 3, "tone": "calm", "language": "en"}


def limited(rule: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return linkedin(policies={"channels": {"LinkedIn": RULE if rule is None else rule}}, **members)


def long_winded() -> Capability:
    """Return a writer that promises bodies of at least 2 000 characters."""
    writer = like(WRITER)
    schema = copy.deepcopy(writer.output_schema)
    schema["properties"]["copyVariants"]["items"]["properties"]["body"]["minLength"] = 2000
    return replace(writer, output_schema=schema)


def body_of(plan: PlanGraph, node_id: str) -> dict[str, Any]:
    schema: dict[str, Any] = plan.node(node_id).output_schema["properties"]["copyVariants"]
    return dict(schema["items"]["properties"]["body"])


def test_a_channels_rule_strengthens_what_the_writers_promise() -> None:
    # When
    plan = plan_for(limited())
    # Then
    body = body_of(plan, "linkedinVariants~a")
    assert (body["maxLength"], body["minLength"]) == (1300, 20)
    assert "pattern" in body
    writer = plan.node("linkedinVariants~a")
    assert writer.metadata["askedBy"] == [
        "/outputContract/schema/properties/copyVariants",
        "/policies/channels/linkedin",
    ]
    assert any("calm" in told for told in writer.instructions)


def test_a_rule_for_another_channel_changes_nothing() -> None:
    plan = plan_for(linkedin(policies={"channels": {"blog": RULE}}))
    assert "maxLength" not in body_of(plan, "linkedinVariants~a")


def test_a_plain_text_is_limited_itself() -> None:
    given = {"company_information": {"name": "B", "brand_assets": []}, "handoff_summary": ["x"], "variantCount": None}
    brief = {"core_message": "m", "tone": "t", "structure": "s", "audience": "a"}
    raw = limited({"maxLength": 280}, contract=facet_contract("post_copy"), inputs={**given, "creative_brief": brief})
    assert plan_for(raw).node("SocialpostDrafting").output_schema["properties"]["post_copy"]["maxLength"] == 280


def test_who_cannot_promise_it_gets_a_node_behind_that_shortens() -> None:
    # When
    plan = plan_for(limited({"maxLength": 1300}), with_capabilities(long_winded()))
    # Then
    fit = plan.node("fit~a")
    assert plan.parents("fit~a") == ("linkedinVariants~a",)
    assert plan.parents("contentReview~a") == ("fit~a",)
    assert (fit.derived, fit.branch, fit.executor_type) == (True, "a", "virtual")
    assert fit.metadata["askedBy"] == ["/policies/channels/linkedin"]
    assert fit.metadata["changes"] == ["copyVariants"]
    assert body_of(plan, "fit~a")["maxLength"] == 1300
    # And it does shorten
    post = {"headline": "Join us", "body": "word " * 500, "callToAction": "Go"}
    made = apply_transform(fit.transform or {}, {"copyVariants": [post]})
    assert len(made["copyVariants"][0]["body"]) <= 1300


def test_a_registered_transformation_that_can_promise_it_comes_first() -> None:
    # Given
    editor = like(WRITER, capability_id="yard.Editor", kind="transformation", input_facets=("copyVariants",))
    # When
    plan = plan_for(limited({"maxLength": 1300}), with_capabilities(long_winded(), editor))
    # Then
    found = plan.node("Editor~a")
    assert (found.kind, found.capability_id) == ("transformation", "yard.Editor")
    assert any("/policies/channels/linkedin" in sentence for sentence in found.rationale)
    assert body_of(plan, "Editor~a")["maxLength"] == 1300


@pytest.mark.parametrize(
    ("value", "path", "longest", "expected"),
    [
        ("short", [], 10, "short"),
        ("two words here", [], 9, "two words"),
        ("three words here", [], 8, "three"),
        ("unbreakable", [], 5, "unbre"),
        ([{"b": "two words"}], ["b"], 4, [{"b": "two"}]),
        ("a longword", [], 6, "a long"),
        ({"a": 1}, ["b"], 4, {"a": 1}),
    ],
)
def test_texts_are_cut_at_a_words_end(value: Any, path: list[str], longest: int, expected: Any) -> None:
    names = ", ".join(f'"{name}"' for name in path)
    transform = {"expression": f"shorten(x, `[{names}]`, `{longest}`)"}
    assert apply_transform(transform, {"x": value}) == expected
