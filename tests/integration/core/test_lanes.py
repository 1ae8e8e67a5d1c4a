"""What a lane leaves behind when it does not come to its end: its worker stops, its task breaks, its chain is lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import tasks.walk
from models.settings import get_settings
from tasks.agents.base import AgentResult
from tasks.base import stopping
from tasks.runs import lane_failed
from tests.integration.core import moves
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_chain, make_plan
from tests.support.invariants import assert_sound
from tests.support.loop import Loop, Message, WorkerDiedError


def starts(loop: Loop, run_id: str) -> list[str]:
    return [frame["nodeId"] for frame in loop.told(run_id, "node_start")]


def test_a_worker_that_is_told_to_stop_finishes_its_node_and_publishes_the_rest(loop: Loop) -> None:
    # Given a worker that is told to stop while it runs the first of three nodes
    run_id = loop.install(make_chain("a", "b", "c"))

    def stop(_bundle: Any, _cancel: Any) -> AgentResult:
        stopping.set()
        return AgentResult({"a_text": "fine"})

    loop.agents.on("a", stop)
    try:
        loop.deliver(loop.waiting.pop())
    finally:
        stopping.clear()
    # Then its node is done, the next has not begun, and one message says what is left, with the run's correlation id
    assert starts(loop, run_id) == ["a"]
    assert loop.waiting == [Message("tasks.walk_lane", {"run_id": run_id, "epoch": 1, "node_ids": ["b", "c"]})]
    # And another worker goes on
    loop.drain()
    assert loop.run(run_id).status == "completed"
    assert starts(loop, run_id) == ["a", "b", "c"]


def test_a_task_that_breaks_outside_its_nodes_is_noted_and_its_lease_ends_at_once(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a lane whose task breaks behind the claim
    run_id = loop.install(make_plan(["a", "b"], output=["a_text"]))
    loop.deliver(loop.waiting.pop())
    (message,) = loop.waiting
    loop.waiting.clear()
    with monkeypatch.context() as patch:
        patch.setattr(tasks.walk, "attempt", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            loop.deliver(message)
    assert loop.nodes(run_id)["b"]["status"] == "running"
    # When its error task runs, as Celery calls it
    lane_failed(SimpleNamespace(id="task-1", kwargs=dict(message.ids)), ZeroDivisionError(), None)
    # Then the log tells of it, and the next sweep takes the node back without waiting for the lease
    (note,) = loop.told(run_id, "log")
    assert (note["payload"]["level"], note["payload"]["nodeIds"]) == ("error", ["b"])
    loop.sweep()
    loop.drain()
    assert loop.run(run_id).status == "completed"
    assert [frame["payload"]["reason"] for frame in loop.told(run_id, "node_retry")] == ["lease_lost"]


def test_a_broken_task_of_an_ended_run_adds_nothing_to_its_log(loop: Loop) -> None:
    run_id = loop.install(make_chain("a"))
    loop.drain()
    told = loop.frames(run_id)
    lane_failed(SimpleNamespace(id="t", kwargs={"run_id": run_id, "node_ids": ["a"]}), ZeroDivisionError(), None)
    assert loop.frames(run_id) == told


def test_a_link_that_lost_its_node_takes_the_rest_of_its_chain_with_it(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a chain of two links whose first is delivered twice
    run_id = loop.install(make_chain("a", "b"))
    loop.waiting.clear()
    links = [Message("tasks.walk_lane", {"run_id": run_id, "epoch": 1, "node_ids": [name]}) for name in ("a", "b")]
    chain = Message(links[0].task, links[0].ids, (links[1],))
    # When both are delivered
    loop.deliver(chain)
    loop.deliver(chain)
    # Then one of them has brought the second link along
    assert loop.waiting == [links[1]]
    loop.drain()
    assert_sound(loop.frames(run_id))


def test_the_second_link_of_a_chain_may_be_lost(loop: Loop) -> None:
    run_id = loop.install(make_chain("a", "b"))
    loop.waiting.clear()
    link = Message("tasks.walk_lane", {"run_id": run_id, "epoch": 1, "node_ids": ["b"]})
    loop.deliver(Message(link.task, {**link.ids, "node_ids": ["a"]}, (link,)))
    loop.waiting.clear()
    assert loop.settle(run_id).status == "completed"


def test_a_dead_workers_lease_is_noticed_while_other_lanes_are_being_published(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Publishing must not put the wake-up behind the end of a lease that was there before."""
    # Given lanes that are all published, and a worker that died, whose lease ends in a second
    monkeypatch.setenv("FLEX_LANE_NODES", "1")
    get_settings.cache_clear()
    run_id = loop.install(make_plan(["a", "b"], output=["a_text"]))

    def die(_bundle: Any, _cancel: Any) -> AgentResult:
        raise WorkerDiedError

    loop.agents.on("a", die)
    loop.deliver(loop.waiting.pop(0))
    loop.deliver(loop.waiting.pop(0))
    loop.waiting.clear()
    loop.pass_time(14)
    # When somebody looks, and publishes the other lane anew
    loop.deliver(Message("tasks.advance_run", {"run_id": run_id}))
    # Then the run wakes when the lease ends, if not sooner
    ((late,),) = moves.statement(
        "SELECT r.wake_at > n.lease_until FROM flex_runs r JOIN flex_plan_nodes n USING (run_id) WHERE node_id = 'a'"
    )
    assert not late


def test_one_statement_settles_and_tells_exactly_what_several_do(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a run whose nodes are settled in one statement, and one in which each move is a statement of its own
    def told(run_id: str) -> list[Any]:
        left_out = {"durationMs", "startedAt", "completedAt", "createdAt"}
        frames = [
            {
                **{name: value for name, value in frame.items() if name not in {"timestamp", "runId", "id"}},
                "payload": {k: v for k, v in frame["payload"].items() if k not in left_out},
            }
            for frame in loop.frames(run_id)
            if frame["type"] in {"node_start", "node_complete"}
        ]
        return sorted(frames, key=lambda frame: (frame["nodeId"], frame["type"]))

    def rows(run_id: str) -> list[Any]:
        names = ("status", "attempt", "waiting", "output", "provenance", "usage", "planVersion")
        return [(node_id, *(node[name] for name in names)) for node_id, node in sorted(loop.nodes(run_id).items())]

    at_once = loop.submit(linkedin_envelope())
    assert loop.settle(at_once).status == "completed"
    monkeypatch.setattr("tasks.walk._complete_at_once", lambda *_: None)
    step_by_step = loop.submit(linkedin_envelope())
    assert loop.settle(step_by_step).status == "completed"
    # Then both have told the same, stored the same, and counted the same
    assert told(at_once) == told(step_by_step)
    assert rows(at_once) == rows(step_by_step)
    assert loop.run(at_once).usage == loop.run(step_by_step).usage
    # And what is stored is what was sent, the moment included
    for frame in loop.told(at_once, "node_complete", "node_start"):
        stamp = frame["payload"].get("completedAt") or frame["payload"]["startedAt"]
        assert stamp == frame["timestamp"]
