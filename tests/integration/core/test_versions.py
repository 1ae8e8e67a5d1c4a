"""What becomes of work in hand when a new version of the plan takes over."""

from __future__ import annotations

from typing import Any

import pytest

from models.tables import flex_runs
from models.unit_of_work import open_unit
from planner.plan.delta import next_version
from planner.plan.graph import PlanGraph
from tests.support.factories import make_capability, make_chain, make_node, make_plan
from tests.support.loop import Loop, Step, gives


def take_over(run_id: str, proposed: PlanGraph) -> None:
    """Let a proposal become the next version of a run, as its planner does, under a new epoch."""
    with open_unit(None) as unit:
        run = unit.runs.lock(run_id)
        stored = unit.plans.stored(run_id, run.plan_version)
        delta = next_version(stored.plan, proposed, unit.nodes.statuses(run_id))
        unit.plans.add(run, delta.plan, intake=stored.intake)
        unit.nodes.follow(run, delta)
        unit.runs.change(run_id, plan_version=delta.plan.version, epoch=flex_runs.c.epoch + 1)


def meanwhile(run_id: list[str], proposed: PlanGraph, then: Step) -> Step:
    """Return an attempt in whose middle a new version takes over."""

    def step(bundle: Any, cancel: Any) -> Any:
        take_over(run_id[0], proposed)
        return then(bundle, cancel)

    return step


@pytest.fixture
def started(loop: Loop) -> list[str]:
    return []


def test_a_result_of_an_older_version_counts_down_those_that_wait_for_it_now(loop: Loop, started: list[str]) -> None:
    # Given a chain in whose first attempt a version takes over that forks behind it
    fork = make_plan(["a", "b", "d", "c"], [("a", "b"), ("a", "d"), ("b", "c"), ("d", "c")], output=["c_text"])
    loop.agents.on("a", meanwhile(started, fork, gives(a_text="made under the first version")))
    for name in "bcd":
        loop.agents.always(name, gives(**{f"{name}_text": f"text of {name}"}))
    register_all(fork)
    started.append(loop.install(make_chain("a", "b", "c")))
    # When the run goes its way
    run = loop.settle(started[0])
    # Then the result is kept, both branches run, and the join waits for both
    assert (run.status, run.plan_version) == ("completed", 2)
    nodes = loop.nodes(started[0])
    assert {name: node["status"] for name, node in nodes.items()} == dict.fromkeys("abcd", "completed")
    assert nodes["a"]["output"] == {"a_text": "made under the first version"}
    assert len(loop.agents.attempts("a")) == 1


def test_work_on_a_node_that_the_new_version_does_not_hold_is_given_up(loop: Loop, started: list[str]) -> None:
    other = make_plan(["x", "c"], [("x", "c")], output=["c_text"])
    loop.agents.on("a", meanwhile(started, other, gives(a_text="nobody wants this")))
    for name in "xc":
        loop.agents.always(name, gives(**{f"{name}_text": f"text of {name}"}))
    register_all(other)
    started.append(loop.install(make_chain("a", "b", "c")))
    run = loop.settle(started[0])
    assert (run.status, run.plan_version) == ("completed", 2)
    nodes = {name: node["status"] for name, node in loop.nodes(started[0]).items()}
    assert nodes == {"a": "superseded", "b": "superseded", "x": "completed", "c": "completed"}
    assert "a" not in {frame.get("nodeId") for frame in loop.told(started[0], "node_complete")}


def test_work_that_the_new_version_asks_for_in_another_form_is_begun_again(loop: Loop, started: list[str]) -> None:
    changed = make_node("a", makes=["a_text"], instructions=("Be brief.",))
    plan = make_plan([changed, "b"], [("a", "b")], output=["b_text"])
    loop.agents.on("a", meanwhile(started, plan, gives(a_text="told otherwise")))
    loop.agents.always("a.r2", gives(a_text="brief"))
    loop.agents.always("b", gives(b_text="text of b"))
    register_all(plan)
    started.append(loop.install(make_chain("a", "b")))
    run = loop.settle(started[0])
    assert (run.status, run.plan_version) == ("completed", 2)
    nodes = {name: node["status"] for name, node in loop.nodes(started[0]).items()}
    assert nodes == {"a": "superseded", "a.r2": "completed", "b": "completed"}


def register_all(plan: PlanGraph) -> None:
    """Register the capabilities of a version that comes later."""
    with open_unit("default") as unit:
        for node in plan.nodes:
            if node.capability_id:
                unit.capabilities.register(make_capability(node.capability_id))
