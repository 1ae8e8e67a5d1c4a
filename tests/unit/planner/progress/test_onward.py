"""Where a worker goes on by itself: along its lane, through a join, into one way of a fork, and nowhere else."""

from __future__ import annotations

import pytest

from planner.plan.graph import PlanGraph
from planner.plan.lanes import Lane
from planner.progress.onward import STAY, Onward, after_settling
from tests.support.factories import make_chain, make_diamond, make_node, make_plan, make_virtual

FORK = [("root", "a"), ("root", "b"), ("a", "a2"), ("b", "b2")]


def fork(**changes: object) -> PlanGraph:
    return make_plan(["root", make_node("a", makes=["a_text"], **changes), "b", "a2", "b2"], FORK)


def test_the_rest_of_the_lane_comes_first() -> None:
    assert after_settling(make_chain("a", "b", "c"), "a", ["b", "c"], longest=16) == Onward(("b", "c"))


def test_the_end_of_the_plan_is_the_loops() -> None:
    assert after_settling(make_chain("a"), "a", [], longest=16) == STAY


def test_who_may_close_a_join_goes_on_behind_it() -> None:
    assert after_settling(make_diamond(), "left", [], longest=16) == Onward(("last",))


def test_at_a_fork_one_lane_is_kept_and_the_others_are_offered() -> None:
    assert after_settling(fork(), "root", [], longest=16) == Onward(("a", "a2"), (Lane(("b", "b2")),))


def test_a_child_with_other_parents_is_left_to_who_closes_it() -> None:
    plan = make_plan(["root", "other", "a", "b", "both"], [*FORK[:2], ("root", "both"), ("other", "both")])
    assert after_settling(plan, "root", [], longest=16) == Onward(("a",), (Lane(("b",)),))


@pytest.mark.parametrize("longest", [0, 1])
def test_nobody_goes_on_where_every_node_is_a_task_of_its_own(longest: int) -> None:
    assert after_settling(fork(), "root", [], longest=longest) == STAY


def test_a_lane_that_is_too_long_is_offered_and_a_shorter_sister_kept() -> None:
    plan = make_plan(["root", "a", "b", "a2", "b2", "a3"], [*FORK[:3], ("a2", "a3")])
    assert after_settling(plan, "root", [], longest=2) == Onward(("b",), (Lane(("a", "a2", "a3")),))


def test_lanes_that_are_all_too_long_are_the_loops() -> None:
    plan = make_plan(["root", "a", "b", "a2", "b2", "a3", "b3"], [*FORK, ("a2", "a3"), ("b2", "b3")])
    assert after_settling(plan, "root", [], longest=2) == STAY


@pytest.mark.parametrize("kind", ["virtual", "human"])
def test_what_no_agent_does_is_the_loops(kind: str) -> None:
    assert after_settling(fork(executor_type=kind), "root", [], longest=16) == STAY
    behind = make_plan(["a", "b", make_virtual("join")], [("a", "join"), ("b", "join")])
    assert after_settling(behind, "a", [], longest=16) == STAY


def test_a_lane_that_was_cut_short_stays_cut() -> None:
    assert after_settling(make_chain("a", "b"), "a", [], longest=16) == STAY
