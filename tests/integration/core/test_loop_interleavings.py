"""Whatever happens to messages and workers, a run ends once, and each of its nodes has one result.

Hypothesis draws a plan and a course of events: which message a worker gets next, which one twice or never, when time
passes and a sweep looks, and what happens in the middle of an attempt: another worker comes along, the lease ends and
somebody else takes the node, the process dies, or an operator cancels the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.settings import get_settings
from planner.plan.graph import PlanGraph
from planner.progress.bundle import AgentBundle
from tests.integration.core import moves
from tests.support.factories import plans
from tests.support.invariants import assert_sound
from tests.support.loop import Loop, Message, WorkerDiedError

LEASE_SECONDS = 16
CHANGED_ALONE = """
    SELECT node_id, node.status FROM flex_plan_nodes AS node JOIN flex_runs AS run USING (run_id)
     WHERE age(node.xmin) < age(run.xmin)
"""
"""Nodes changed by a transaction that did not change their run: moving a run without its lock would miss them."""
between = st.lists(st.sampled_from(("next", "last", "double", "lose", "look", "sweep", "wait")), max_size=14)
amid = st.lists(st.sampled_from(("nothing", "other worker", "lease ends", "dies")), max_size=10)
lawful = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def happen(loop: Loop, run_id: str, event: str) -> None:
    """Let one event happen between attempts."""
    if event == "sweep":
        loop.sweep()
    elif event == "wait":
        loop.pass_time(LEASE_SECONDS)
        loop.sweep()
    elif event == "look":
        loop.waiting.append(Message("tasks.advance_run", {"run_id": run_id}))
    elif loop.waiting:
        message = loop.waiting.pop(-1 if event == "last" else 0)
        if event != "lose":
            loop.deliver(message)
        if event == "double":
            loop.deliver(message)
    assert moves.statement(CHANGED_ALONE) == []


def amid_attempts(loop: Loop, events: Iterator[str]) -> Callable[[AgentBundle], None]:
    """Return what the world does in the middle of each attempt; no node loses more than two workers."""

    def meanwhile(bundle: AgentBundle) -> None:
        event = next(events, "nothing")
        if event == "other worker" and loop.waiting:
            loop.deliver(loop.waiting.pop(0))
        if bundle.attempt > 2:
            return
        if event == "lease ends":
            loop.pass_time(LEASE_SECONDS)
            loop.sweep()
            loop.drain()
        if event == "dies":
            raise WorkerDiedError

    return meanwhile


@lawful
@given(plan=plans(6), size=st.sampled_from((1, 2, 16)), events=between, within=amid)
def test_a_run_completes_once_with_one_result_per_node(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, plan: PlanGraph, size: int, events: list[str], within: list[str]
) -> None:
    # Given a run whose lanes are tasks or chains of tasks, and a course of events
    monkeypatch.setenv("FLEX_LANE_NODES", str(size))
    get_settings.cache_clear()
    loop.waiting.clear()
    loop.agents.meanwhile = amid_attempts(loop, iter(within))
    run_id = loop.install(plan)
    # When they happen, and then messages, time and sweeps do their work
    for event in events:
        happen(loop, run_id, event)
    run = loop.settle(run_id)
    # Then the run has completed once, its log is sound, and every node has exactly one result
    assert_sound(loop.frames(run_id))
    assert {row["status"] for row in loop.nodes(run_id).values()} == {"completed"}
    assert len(loop.told(run_id, "node_complete")) == len(plan.nodes)
    # And nothing that comes later changes anything
    told = run.last_seq
    loop.waiting = [message for message in loop.published if message.ids["run_id"] == run_id]
    loop.drain()
    loop.sweep()
    assert loop.run(run_id).last_seq == told


@lawful
@given(plan=plans(6), events=between, within=amid, moment=st.integers(0, 14), data=st.data())
def test_a_run_that_is_cancelled_at_any_moment_ends_once(
    loop: Loop, plan: PlanGraph, events: list[str], within: list[str], moment: int, data: st.DataObject
) -> None:
    # Given a run, a course of events, and a moment in it at which an operator cancels
    loop.waiting.clear()
    disturb = amid_attempts(loop, iter(within))
    in_attempt = data.draw(st.booleans())

    def cancel() -> None:
        if loop.run(run_id).status not in {"completed", "cancelled"}:
            loop.cancel(run_id)

    def meanwhile(bundle: AgentBundle) -> None:
        if in_attempt and len(loop.agents.bundles) % 5 == moment % 5:
            cancel()
        disturb(bundle)

    run_id = ""
    loop.agents.meanwhile = None
    run_id = loop.install(plan)
    loop.agents.meanwhile = meanwhile
    # When it all happens
    for number, event in enumerate(events):
        if number == moment:
            cancel()
        happen(loop, run_id, event)
    cancel()
    run = loop.settle(run_id)
    # Then it has ended once, and nothing runs on
    frames: list[dict[str, Any]] = loop.frames(run_id)
    assert_sound(frames, status=run.status)
    assert run.status in {"cancelled", "completed"}
    assert {row["status"] for row in loop.nodes(run_id).values()} <= {"completed", "cancelled"}
