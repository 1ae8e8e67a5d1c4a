"""Agents that break, hang, or end their process: a typed failure of one node, and nothing of its neighbours.

Agents run in threads. What a thread raises is caught; what a process does to itself ends all that is in it, and comes
back by leases; a thread that never ends cannot be ended, it only loses its node (docs/reference/faults.md).
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from app.programs import wait_until
from tests.faults.outside import Outside
from tests.faults.test_worker_killed import run_under
from tests.support.crew import QUIET, Crew, Member
from tests.support.invariants import Frame, assert_sound
from tests.support.stack import example, run_to_end

LEFT, RIGHT = "linkedinVariants~a", "linkedinVariants~b"
pytestmark = pytest.mark.timeout(120)


def worker_of(crew: Crew, app: str, *before: str, **settings: str) -> Member:
    """Start a worker of another application, perhaps by way of another program."""
    celery = (sys.executable, "-m", "celery", "-A", app, "worker", "-Q", "nodes,bulk", "-P", "threads", "-c", "8")
    return crew.start("worker", *before, *celery, "-n", f"w{len(crew.members)}@%h", *QUIET, **settings)


def end(*members: Member) -> None:
    for member in members:
        member.send(signal.SIGKILL)
        member.process.wait()


def reasons(frames: list[Frame]) -> dict[str, list[str]]:
    """Return why each node was tried again."""
    found: dict[str, list[str]] = {}
    for frame in frames:
        if frame["type"] == "node_retry":
            found.setdefault(frame["nodeId"], []).append(frame["payload"]["reason"])
    return found


@pytest.mark.parametrize(("how", "error"), [("allocate=4294967296", "MemoryError"), ("exit", "SystemExit")])
def test_an_agent_that_takes_all_memory_or_exits_fails_its_attempt_and_nobody_elses(
    crew: Crew, tmp_path: Path, expected_errors: set[str], how: str, error: str
) -> None:
    """Seen to fail with `except (Exception, SystemExit)` in `_call` narrowed to ValueError: `lease_lost`, no code."""
    # Given a worker that may have three gigabytes, and an agent that wants four, or wants to leave
    expected_errors.add("agent_crashed")
    limit = ("sh", "-c", 'ulimit -v 3145728; exec "$@"', "sh")
    faults = {"FLEX_FAULT": f"in_agent@{LEFT}:{how}", "FLEX_DATA_DIR": str(tmp_path)}
    worker = worker_of(crew, "tasks.celery_app:celery", *limit, **faults)
    try:
        # When a run needs it beside another node
        with crew.client() as client:
            frames = run_to_end(client, example("linkedin"))
    finally:
        end(worker)
    # Then that attempt failed and says how, the node had another, and its sibling never noticed
    assert_sound(frames)
    assert reasons(frames) == {LEFT: ["agent_error"]}
    (retry,) = (f for f in frames if f["type"] == "node_retry")
    assert retry["payload"]["message"] == f"The agent broke while it worked: {error}."


@pytest.mark.parametrize(("how", "code"), [("quit=3", 3), ("kill9", -signal.SIGKILL)])
def test_an_agent_that_ends_its_process_costs_an_attempt(crew: Crew, tmp_path: Path, how: str, code: int) -> None:
    """Seen to fail with `Reclaim` taken out of `next_step`: nobody takes the dead worker's node back."""
    # Given an agent that ends its process, by os._exit or by a signal to itself
    frames, deaths = run_under(crew, f"in_agent@briefing:{how}", tmp_path, deaths=1)
    # Then its node was lost and made again, once
    assert deaths == [code]
    assert_sound(frames)
    assert reasons(frames) == {"briefing": ["lease_lost"]}


def test_an_agent_that_never_ends_loses_its_node_at_the_deadline(crew: Crew, tmp_path: Path) -> None:
    """Seen to fail with `least(…, nodes.deadline)` taken out of the beat: the node stays with the thread that hangs."""
    # Given an agent that is deaf and busy for longer than it may be
    with Outside() as outside, crew.client() as client:
        envelope = outside.envelope(crew, timeoutSeconds=2)
        fault = f"in_agent@{outside.node_of(crew, envelope)}:spin=6"
        worker = crew.worker(FLEX_FAULT=fault, FLEX_DATA_DIR=str(tmp_path))
        try:
            stuck = client.start_run(envelope)["runId"]
            assert wait_until((tmp_path / "faults").exists, 30)
            # When others run on the same worker meanwhile
            assert_sound(run_to_end(client, example("linkedin"), 60))
            # Then its attempt has timed out, another one gave the result, and what the first gave was refused
            frames = list(client.events(stuck))
            assert wait_until(lambda: "late_result_refused" in worker.said(), 30)
            assert list(client.events(stuck)) == frames
        finally:
            end(worker)
        # And the world was asked with one key
        assert len(outside.asked) == len(outside.effects) == 1
    assert_sound(frames)
    assert [reason for of_node in reasons(frames).values() for reason in of_node] == ["timeout"]


def test_what_makes_celery_lose_a_task_inside_a_join_costs_seconds(
    crew: Crew, tmp_path: Path, expected_errors: set[str]
) -> None:
    """Seen to fail with the republishing of unclaimed nodes taken out of `next_step`: no lane is offered again.

    In a bare canvas each of these hangs the chord for ever.
    """
    # Given an old worker that knows no lanes, and one whose first lanes are ignored, without JSON, and cut off
    expected_errors.update({"Received unregistered", "Task tasks.walk_lane", "lane_failed"})
    old = worker_of(crew, "tests.faults.old_worker:celery")
    began = time.monotonic()
    with crew.client() as client:
        runs = [client.start_run(example("linkedin"))["runId"] for _ in range(3)]
        assert wait_until(lambda: "unregistered" in old.said(), 40)
        odd = worker_of(crew, "tests.faults.odd_worker:celery")
        end(old)
        # Then every run leaves `running` within a minute
        logs = [list(client.events(run_id)) for run_id in runs]
    end(odd)
    for frames in logs:
        assert_sound(frames)
    assert time.monotonic() - began < 60


def test_what_breaks_a_lane_outside_of_its_agents_costs_a_lease(
    crew: Crew, tmp_path: Path, expected_errors: set[str]
) -> None:
    """Seen to fail with `Reclaim` taken out of `next_step`: the nodes stay `running` for ever."""
    # Given a worker whose lanes break behind a claim in three ways, none of which ends the process
    expected_errors.update({"Task tasks.", "lane_failed"})
    faults = f"after_claim@{LEFT}:raise,after_claim@{RIGHT}:memory,after_claim@contentReview~a:exit"
    worker = crew.worker(FLEX_FAULT=faults, FLEX_DATA_DIR=str(tmp_path))
    try:
        with crew.client() as client:
            frames = run_to_end(client, example("linkedin"))
    finally:
        assert worker.alive
        end(worker)
    # Then each of these nodes was taken back once
    assert_sound(frames)
    assert reasons(frames) == {node: ["lease_lost"] for node in (LEFT, RIGHT, "contentReview~a")}
