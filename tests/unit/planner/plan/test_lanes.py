"""Lanes: how the ready part of a plan is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from planner.plan.graph import PlanGraph
from planner.plan.lanes import Lane, cut_lanes
from tests.support.factories import make_chain, make_diamond, make_node, make_plan, make_virtual, plans


def cut(plan: PlanGraph, *ready: str, may_walk: set[str] | None = None) -> list[tuple[str, ...]]:
    return [lane.node_ids for lane in cut_lanes(plan, ready, may_walk=may_walk)]


def test_a_linear_plan_is_one_lane() -> None:
    assert cut(make_chain("a", "b", "c"), "a") == [("a", "b", "c")]


def test_a_lane_goes_on_from_where_the_plan_stands() -> None:
    assert cut(make_chain("a", "b", "c"), "b") == [("b", "c")]


def test_a_fork_ends_a_lane_and_so_does_a_join() -> None:
    plan = make_diamond()
    assert cut(plan, "first") == [("first",)]
    assert cut(plan, "left", "right") == [("left",), ("right",)]
    assert cut(plan, "last") == [("last",)]


def test_branches_are_lanes_of_their_own_down_to_the_join() -> None:
    edges = [("a1", "a2"), ("b1", "b2"), ("a2", "join"), ("b2", "join"), ("join", "end")]
    plan = make_plan(["a1", "a2", "b1", "b2", "join", "end"], edges)
    assert cut(plan, "a1", "b1") == [("a1", "a2"), ("b1", "b2")]
    assert cut(plan, "join") == [("join", "end")]


def test_a_virtual_node_ends_a_lane() -> None:
    plan = make_plan(["a", make_virtual("v"), "b"], [("a", "v"), ("v", "b")])
    assert cut(plan, "a") == [("a",)]


def test_a_node_for_a_person_ends_a_lane() -> None:
    plan = make_plan(["a", make_node("p", executor_type="human")], [("a", "p")])
    assert cut(plan, "a") == [("a",)]


def test_a_node_that_has_run_already_ends_a_lane() -> None:
    assert cut(make_chain("a", "b", "c"), "a", may_walk={"a", "b"}) == [("a", "b")]


def test_a_lane_is_cut_into_links_of_a_size() -> None:
    lane = Lane(tuple("abcde"))
    assert lane.links(2) == (("a", "b"), ("c", "d"), ("e",))
    assert lane.links(1) == (("a",), ("b",), ("c",), ("d",), ("e",))
    assert lane.links(5) == lane.links(99) == (tuple("abcde"),)


@given(plans(), st.data())
def test_lanes_are_linear_disjoint_and_maximal(plan: PlanGraph, data: st.DataObject) -> None:
    # Given the roots that a worker may walk, as if nothing had run yet
    ready = [n for n in plan.roots() if not plan.node(n).virtual]
    allowed = {n for n in plan.order if n in ready or data.draw(st.booleans())}
    # When the ready part is cut
    lanes = cut_lanes(plan, ready, may_walk=allowed)
    # Then each lane starts at its ready node, and no node stands in two of them
    assert [lane.node_ids[0] for lane in lanes] == ready
    walked = [node_id for lane in lanes for node_id in lane.node_ids]
    assert len(walked) == len(set(walked))
    for lane in lanes:
        # And each step goes to the only child, which has no other parent
        for above, below in zip(lane.node_ids, lane.node_ids[1:], strict=False):
            assert plan.children(above) == (below,)
            assert plan.parents(below) == (above,)
            assert below in allowed
            assert not plan.node(below).virtual
        # And it ends only where it must
        after = plan.children(lane.node_ids[-1])
        assert (
            len(after) != 1 or len(plan.parents(after[0])) > 1 or plan.node(after[0]).virtual or after[0] not in allowed
        )
