"""What differs between two versions, as data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from planner.plan.diff import contract_change, diff_plans
from planner.plan.graph import PlanGraph
from tests.support.factories import make_chain, make_node, make_plan, plans


@given(plans())
def test_a_plan_does_not_differ_from_itself(plan: PlanGraph) -> None:
    assert diff_plans(plan, replace(plan, version=2, nodes=plan.nodes[::-1])).empty


@given(plans(), plans())
def test_a_diff_backwards_is_the_same_diff_turned_round(one: PlanGraph, other: PlanGraph) -> None:
    there, back = diff_plans(one, other), diff_plans(other, one)

    assert (there.added, there.removed) == (back.removed, back.added)
    assert (there.edges_added, there.edges_removed) == (back.edges_removed, back.edges_added)
    assert [change.node_id for change in there.changed] == [change.node_id for change in back.changed]


def test_nodes_and_edges_are_told_by_id() -> None:
    before, after = make_chain("a", "b", "c"), replace(make_chain("a", "x", "c"), version=2)

    assert diff_plans(before, after).as_json() == {
        "previousVersion": 1,
        "version": 2,
        "added": ["x"],
        "removed": ["b"],
        "changed": [],
        "edgesAdded": [{"from": "a", "to": "x"}, {"from": "x", "to": "c"}],
        "edgesRemoved": [{"from": "a", "to": "b"}, {"from": "b", "to": "c"}],
    }


def test_scores_and_reasons_are_no_change_and_instructions_are() -> None:
    node = make_node("a", makes=["text"])
    told = replace(node, score={"total": 0.1}, rationale=("because",), metadata={"cost": 3})
    other = replace(told, instructions=("Be brief.",), capability_version="2.0.0")

    assert diff_plans(make_plan([node]), make_plan([told])).empty
    (change,) = diff_plans(make_plan([node]), make_plan([other])).changed
    assert change.members == ("capabilityVersion", "instructions")
    assert change.contracts == {}


def text(**members: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["t"], "properties": {"t": {"type": "string", **members}}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (text(), text(), "same"),
        (text(), text(description="The text."), "same"),
        (text(), text(maxLength=1300), "strengthened"),
        (text(maxLength=1300), text(), "weakened"),
        (text(minLength=10), text(maxLength=5), "incompatible"),
        (text(minLength=10), text(maxLength=50), "changed"),
        (text(), {"type": "array"}, "incompatible"),
        ({}, text(), "strengthened"),
        (text(), {"$ref": "#/nowhere"}, "changed"),
    ],
)
def test_a_contract_moves_one_way(old: dict[str, Any], new: dict[str, Any], expected: str) -> None:
    assert contract_change(old, new) == expected
