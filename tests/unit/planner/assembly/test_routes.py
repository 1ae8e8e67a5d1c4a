"""Routing that the directives ask for, and branches that they name or that an upstream node opens."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.diagnostics import PlanRejectedError
from planner.plan.graph import PlanGraph
from tests.support.goldens import DIRECTIONS, WRITER, Golden, goldens, planner
from tests.support.planning import linkedin, object_contract, plan_for, registry, variants, with_capabilities

FREE: dict[str, Any] = {"contract": object_contract(copyVariants=variants(1, 6)), "inputs": {"variantCount": None}}


def routed(directive: Any) -> PlanGraph:
    return Golden(linkedin(**FREE, policies=planner(directives={"routing": directive})), registry()).plan()


def test_the_first_route_that_holds_is_taken_and_the_ways_meet_again() -> None:
    # When
    plan = goldens()["routing"].plan()
    routing = plan.node("routing").routing or {}
    # Then
    assert [route["to"] for route in routing["routes"]] == ["Bold", "Calm"]
    assert routing["routes"][0]["condition"]["jsonLogic"]
    assert routing["elseTo"] == "linkedinVariants"
    assert {(e.target, e.reason) for e in plan.edges if e.source == "routing"} == {
        ("Bold", "bold"),
        ("Calm", "routing"),
        ("linkedinVariants", "routing_else"),
    }
    # And each way has its own reviewer, and the result waits for all of them
    assert len(plan.parents("output")) == 3
    assert "briefing" in plan.ancestors("routing")


@pytest.mark.parametrize(
    ("directive", "pointer"),
    [
        ({"routes": []}, "/routes"),
        ({"routes": [{"to": WRITER}]}, "/routes/0/condition"),
        ({"routes": [{"condition": {"dsl": "facets.planKnobs.hookIntensity > 1"}}]}, "/routes/0/to"),
        ({"routes": [{"to": WRITER, "if": "nonsense ("}]}, "/routes/0/condition"),
        ({"routes": "x"}, "/routes"),
    ],
)
def test_a_routing_that_is_not_valid_is_refused_at_its_place(directive: Any, pointer: str) -> None:
    with pytest.raises(PlanRejectedError) as rejected:
        routed(directive)
    assert all(d.code == "routing_invalid" for d in rejected.value.diagnostics)
    assert any(
        (d.pointer or "").startswith(f"/policies/planner/directives/routing{pointer}")
        for d in rejected.value.diagnostics
    )


def test_a_way_that_is_not_registered_is_refused() -> None:
    with pytest.raises(PlanRejectedError) as rejected:
        routed({"routes": [{"to": "no.body", "if": "facets.planKnobs.hookIntensity > 0.5"}], "elseTo": WRITER})
    assert [d.code for d in rejected.value.diagnostics] == ["pinned_capability_unknown"]


def test_branches_can_be_named_by_a_directive() -> None:
    # When
    plan = plan_for(
        linkedin(**FREE, policies=planner(directives={"branches": ["Be bold.", {"instructions": "Be calm."}]}))
    )
    # Then
    assert plan.node("branch").metadata["reason"] == "directive"
    assert "Be bold." in plan.node("linkedinVariants~a").instructions
    assert "Be calm." in plan.node("linkedinVariants~b").instructions
    assert "Be calm." not in plan.node("linkedinVariants~a").instructions


def test_a_plan_says_where_branches_may_open_once_directions_are_there() -> None:
    before = goldens()["directions_before"].plan()
    assert before.metadata["expansion"] == {
        "nodeId": "briefing",
        "facet": "strategicDirections",
        "reason": "upstream_output",
    }
    # But not when somebody said how many
    assert "expansion" not in plan_for(linkedin()).metadata


def test_each_direction_gets_a_writer_and_a_reviewer_and_what_is_finished_keeps_its_identity() -> None:
    # When
    before, after = goldens()["directions_before"].plan(), goldens()["directions"].plan()
    # Then
    writers = [node for node in after.nodes if node.capability_id == WRITER]
    assert [w.branch for w in writers] == ["a", "b", "c"]
    assert sum(node.kind == "validation" for node in after.nodes) == 3
    assert after.node("branch").metadata["reason"] == "upstream_output"
    for writer, direction in zip(writers, DIRECTIONS, strict=True):
        assert any(direction["angle"] in told for told in writer.instructions)
    assert after.node("briefing").identity == before.node("briefing").identity
    # And siblings inherit schemas, facets and provenance
    assert {str(w.output_schema) for w in writers} == {str(writers[0].output_schema)}
    assert {str(w.provenance) for w in writers} == {str(before.node("linkedinVariants").provenance)}


def test_a_list_that_branches_would_not_surely_satisfy_is_made_in_one_go() -> None:
    raw = linkedin(object_contract(copyVariants={**variants(), "uniqueItems": True}))
    plan = plan_for(raw, with_capabilities())
    assert [node.id for node in plan.nodes if node.kind == "execution"] == ["linkedinVariants"]
    assert any("in one go" in note for note in plan.metadata["notes"])
