"""The graph of a plan: what it refuses, and how it is read."""

from __future__ import annotations

import pytest
from hypothesis import given

from planner.plan.graph import NodeContract, PlanGraph, PlanInvalidError
from tests.support.factories import make_diamond, make_node, make_plan, plans


def test_doubled_ids_are_named() -> None:
    with pytest.raises(PlanInvalidError, match=r"used twice: \['a', 'b'\]"):
        make_plan(["a", "b", "c", "b", "a"])


@pytest.mark.parametrize("edge", [("a", "ghost"), ("ghost", "a")])
def test_an_edge_to_nowhere_names_what_is_missing(edge: tuple[str, str]) -> None:
    with pytest.raises(PlanInvalidError, match=r"\['ghost'\], which the plan does not hold"):
        make_plan(["a"], [edge])


def test_a_cycle_is_told_node_by_node() -> None:
    with pytest.raises(PlanInvalidError, match="cycle") as caught:
        make_plan(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])
    assert {"b", "c"} == set(str(caught.value).partition(": ")[2].split(" -> "))


def test_a_node_that_waits_for_itself_is_a_cycle() -> None:
    with pytest.raises(PlanInvalidError, match="cycle"):
        make_plan(["a"], [("a", "a")])


def test_a_doubled_edge_makes_one_parent() -> None:
    plan = make_plan(["a", "b"], [("a", "b"), ("a", "b")])
    assert plan.parents("b") == ("a",)
    assert plan.children("a") == ("b",)


def test_a_diamond_has_one_root_one_leaf_and_both_branches_between() -> None:
    plan = make_diamond()
    assert plan.roots() == ("first",)
    assert plan.leaves() == ("last",)
    assert plan.parents("last") == ("left", "right")
    assert plan.ancestors("last") == ("left", "right", "first")
    assert plan.descendants("first") == ("left", "right", "last")
    assert plan.find("nobody") is None
    assert plan.node("left").label == "Step left"


def test_equals_stand_in_declaration_order() -> None:
    assert make_plan(["z", "y", "x"]).order == ("z", "y", "x")


@given(plans())
def test_every_node_stands_behind_its_parents(plan: PlanGraph) -> None:
    position = {node_id: index for index, node_id in enumerate(plan.order)}
    assert sorted(position) == sorted(node.id for node in plan.nodes)
    assert all(position[edge.source] < position[edge.target] for edge in plan.edges)


@given(plans())
def test_ancestors_and_descendants_mirror_each_other(plan: PlanGraph) -> None:
    for above in plan.order:
        for below in plan.order:
            assert (above in plan.ancestors(below)) is (below in plan.descendants(above))


def test_only_abort_leaves_people_out() -> None:
    asks = {fallback: NodeContract(fallback=fallback).asks_person for fallback in ("retry", "hitl", "abort")}
    assert asks == {"retry": True, "hitl": True, "abort": False}


def test_a_plan_is_a_value() -> None:
    assert make_diamond() == make_diamond()
    assert make_plan([make_node("a")]) != make_plan([make_node("a", label="Another")])
