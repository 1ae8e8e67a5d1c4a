"""What a run does next, row by row: each step from the state that calls for it, and who comes first when many call."""

from __future__ import annotations

from typing import Any

import pytest

from planner.plan.lanes import Lane
from planner.progress import steps
from planner.progress.state import TERMINAL, RunState
from planner.progress.steps import next_step, republish_at
from tests.support.factories import (
    NOW,
    at,
    make_chain,
    make_diamond,
    make_node,
    make_plan,
    make_request,
    make_state,
    make_virtual,
)

APPROVED = {"kind": "approval", "output": {"a_text": "fine"}, "text": ""}
DONE: dict[str, Any] = {"status": "completed"}
RUNNING: dict[str, Any] = {"status": "running", "lease_until": at(9), "deadline": at(99)}
DEAD: dict[str, Any] = {"status": "running", "lease_until": at(-1), "deadline": at(99)}
ASKED: dict[str, Any] = {"status": "awaiting_hitl"}
BROKEN: dict[str, Any] = {"status": "error", "error": {"code": "poison", "message": "It died."}}
LATER: dict[str, Any] = {"status": "retrying", "retry_at": at(4)}
SENT: dict[str, Any] = {"dispatched_at": at(-2), "dispatch_count": 1}
UNCLAIMED: dict[str, Any] = {"dispatched_at": at(-5), "dispatch_count": 1}


# -- runs without a plan


@pytest.mark.parametrize(
    ("about", "facts", "step"),
    [
        ("a new run is planned", {}, steps.Plan()),
        (
            "a published planning task is waited for",
            {"dispatched_at": at(-2), "dispatch_count": 1},
            steps.Wait(at(3), "a worker to plan it"),
        ),
        ("and published again when nobody took it", {"dispatched_at": at(-5), "dispatch_count": 1}, steps.Plan()),
        (
            "less often each time",
            {"dispatched_at": at(-5), "dispatch_count": 2},
            steps.Wait(at(5), "a worker to plan it"),
        ),
        (
            "a planner at work is waited for",
            {"status": "planning", "planning_lease_until": at(7)},
            steps.Wait(at(7), "the planner"),
        ),
        ("a dead planner is replaced", {"status": "planning", "planning_lease_until": at(-1)}, steps.Plan()),
        (
            "after the message for its successor has had its time",
            {"status": "planning", "planning_lease_until": at(-9), "dispatched_at": at(-1), "dispatch_count": 1},
            steps.Wait(at(4), "a worker to plan it"),
        ),
        ("a planning run is cancelled", {"status": "cancelling"}, steps.EndCancelled()),
        ("an ended one is left alone", {"status": "failed"}, steps.Rest()),
    ],
)
def test_a_run_without_a_plan(about: str, facts: dict[str, Any], step: steps.Step) -> None:
    assert next_step(make_state(None, **facts)) == step, about


def test_planning_that_kills_its_worker_three_times_is_poison() -> None:
    # Given two planners that died before this one, which has died now
    state = make_state(None, status="planning", planning_lease_until=at(-1), planning_crashes=2)
    # When the loop looks
    step = next_step(state)
    # Then the run fails and says how often it was tried
    assert isinstance(step, steps.Fail)
    assert step.reason == "poison"
    assert "3 times" in step.message


def test_two_dead_planners_are_no_poison() -> None:
    assert (
        next_step(make_state(None, status="planning", planning_lease_until=at(-1), planning_crashes=1)) == steps.Plan()
    )


# -- runs with a plan: one row per step, then what comes before what

LINE = make_chain("a", "b")
FORK = make_diamond()
COMPUTED = make_plan([make_virtual("v"), "a"], [("v", "a")])
LEFT_ONLY = {"first": DONE, "left": RUNNING}


@pytest.mark.parametrize(
    ("about", "state", "step"),
    [
        ("a ready lane is dispatched", make_state(LINE), steps.Dispatch((Lane(("a", "b")),))),
        (
            "every ready lane is",
            make_state(FORK, {"first": DONE}),
            steps.Dispatch((Lane(("left",)), Lane(("right",)))),
        ),
        (
            "but not one that is on its way",
            make_state(FORK, {"first": DONE, "left": SENT}),
            steps.Dispatch((Lane(("right",)),)),
        ),
        (
            "nor one whose retry is not due",
            make_state(FORK, {"first": DONE, "left": LATER}),
            steps.Dispatch((Lane(("right",)),)),
        ),
        (
            "one that nobody took is published again",
            make_state(LINE, {"a": UNCLAIMED}),
            steps.Dispatch((Lane(("a", "b")),)),
        ),
        (
            "a due retry is dispatched without what has run behind it",
            make_state(LINE, {"a": {"status": "retrying", "retry_at": at(0)}, "b": DONE}),
            steps.Dispatch((Lane(("a",)),)),
        ),
        ("a ready virtual node is computed", make_state(COMPUTED), steps.Compute(("v",))),
        (
            "what stands behind a skipped or superseded node starts",
            make_state(FORK, {"first": DONE, "left": {"status": "skipped"}, "right": {"status": "superseded"}}),
            steps.Dispatch((Lane(("last",)),)),
        ),
        ("a dead worker's node is taken back", make_state(LINE, {"a": DEAD}), steps.Reclaim(("a",), frozenset())),
        (
            "a lease that ends now has ended",
            make_state(LINE, {"a": {**RUNNING, "lease_until": NOW}}),
            steps.Reclaim(("a",), frozenset()),
        ),
        (
            "one that reached its deadline has timed out",
            make_state(LINE, {"a": {**DEAD, "deadline": at(-1)}}),
            steps.Reclaim(("a",), frozenset({"a"})),
        ),
        (
            "a broken node fails the run with its own reason",
            make_state(LINE, {"a": BROKEN}),
            steps.Fail("poison", "a", "It died."),
        ),
        (
            "a node that broke without a word does too",
            make_state(LINE, {"a": {"status": "error"}}),
            steps.Fail("node_failed", "a", ""),
        ),
        ("a plan whose nodes have all settled finishes", make_state(LINE, {"a": DONE, "b": DONE}), steps.Finish()),
        (
            "a running node is waited for until its lease ends",
            make_state(LINE, {"a": RUNNING}),
            steps.Wait(at(9), "node a"),
        ),
        ("a published one until it is due again", make_state(LINE, {"a": SENT}), steps.Wait(at(3), "node a")),
        ("a delayed one until its retry", make_state(LINE, {"a": LATER}), steps.Wait(at(4), "node a")),
        (
            "several until the first of their moments",
            make_state(FORK, {"first": DONE, "left": RUNNING, "right": LATER}),
            steps.Wait(at(4), "nodes left, right"),
        ),
        (
            "an asked person is waited for when nothing else can move",
            make_state(LINE, {"a": ASKED}, requests=(make_request("a"),)),
            steps.AskHuman((make_request("a"),), None),
        ),
        (
            "until the request's deadline",
            make_state(LINE, {"a": ASKED}, requests=(make_request("a", expires_at=at(30)),)),
            steps.AskHuman((make_request("a", expires_at=at(30)),), at(30)),
        ),
        (
            "as long as something else runs, it is that which is waited for",
            make_state(FORK, {**LEFT_ONLY, "right": ASKED}, requests=(make_request("right", expires_at=at(5)),)),
            steps.Wait(at(5), "node left"),
        ),
        (
            "an answer is applied",
            make_state(LINE, {"a": ASKED}, requests=(make_request("a", answer=APPROVED),)),
            steps.ApplyAnswer(make_request("a", answer=APPROVED)),
        ),
        (
            "but not twice",
            make_state(LINE, {"a": DONE}, requests=(make_request("a", answer=APPROVED),)),
            steps.Dispatch((Lane(("b",)),)),
        ),
        (
            "a plan that leads nowhere fails",
            make_state(LINE, {"a": {"status": "cancelled"}}),
            steps.Fail("stuck", message=steps._STUCK),
        ),
        ("a paused run rests", make_state(LINE, {"a": DEAD}, status="paused"), steps.Rest()),
    ],
)
def test_a_run_with_a_plan(about: str, state: RunState, step: steps.Step) -> None:
    assert next_step(state) == step, about


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_an_ended_run_stays_ended_whatever_its_nodes_say(status: str) -> None:
    nodes = {"first": DONE, "left": DEAD, "right": ASKED}
    answered = (make_request("right", answer=APPROVED),)
    assert next_step(make_state(FORK, nodes, status=status, requests=answered)) == steps.Rest()


def test_the_order_of_importance() -> None:
    """Everything calls at once; what has been dealt with is taken away, and the next in rank is heard."""
    names = ["asked", "broken", "dead", "fresh", "slow"]
    plan = make_plan([make_virtual("computed"), *(make_node(n) for n in names)])
    nodes: dict[str, dict[str, Any]] = {"asked": ASKED, "broken": BROKEN, "dead": DEAD, "slow": RUNNING}
    answered = (make_request("asked", answer=APPROVED),)
    heard: list[str] = []

    def hear(status: str = "running") -> None:
        heard.append(type(next_step(make_state(plan, nodes, status=status, requests=answered))).__name__)

    hear("completed")
    hear("cancelling")
    for settled in ("asked", "broken", "dead", "computed", "fresh", "slow"):
        hear()
        nodes[settled] = DONE
    hear()
    assert heard == [
        "Rest", "EndCancelled", "ApplyAnswer", "Fail", "Reclaim", "Compute", "Dispatch", "Wait", "Finish"
    ]  # fmt: skip


def test_a_message_is_published_again_ever_more_rarely() -> None:
    pauses = [(republish_at(NOW, count) - NOW).total_seconds() for count in range(10)]
    assert pauses == [5, 5, 10, 20, 40, 80, 160, 300, 300, 300]
