"""Moves of several runs in one transaction: none of them waits for a stranger, and none spoils the others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, text

from models.database import engine
from models.errors import LeaseLostError
from models.events.frames import Draft
from models.repositories import moves as under_test
from models.repositories.claims import Claim, Result
from models.repositories.moves import Moved, Wake
from models.unit_of_work import open_statement, open_unit
from tasks.heartbeat import Heartbeat
from tests.integration.core import moves
from tests.integration.core.moves import claim, states
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_plan
from tests.support.loop import Loop, install_run, run_together
from tests.support.relay import wait_until

pytestmark = pytest.mark.usefixtures("database")

HELD_BY_ANOTHER = "SELECT 1 FROM flex_runs WHERE run_id = :run_id FOR UPDATE"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


def settle(held: Claim, *, duration_ms: float = 1.0, **given: Any) -> Moved | None:
    usage = {"promptTokens": 1, "completionTokens": 2, "cost": 0.5}
    result = Result({"text": held.node_id}, {}, usage, duration_ms)
    told = Draft("node_complete", {"output": {}}, node_id=held.node_id)
    wanted: dict[str, Any] = {"told": told, "successors": [], "ahead": None, "beside": [], **given}
    with open_statement(None) as unit:
        return unit.moves.settle(held, result, lease=15, wake=Wake(5), **wanted)


@contextmanager
def gathered(count: int) -> Iterator[None]:
    """Hold the group that is under way until the block's `count` moves wait behind it."""
    group = under_test._OF_ALL_THREADS
    with group._lock:
        group._under_way = True

    def go() -> None:
        wait_until(lambda: len(group._waiting) == count)
        group._hand_over()

    opener = threading.Thread(target=go)
    opener.start()
    yield
    opener.join()


def transactions() -> list[int]:
    """Return how many `node_complete` each transaction has stored."""
    rows = moves.statement("SELECT count(*) FROM flex_events WHERE type = 'node_complete' GROUP BY CAST(xmin AS text)")
    return sorted(row[0] for row in rows)


@contextmanager
def run_held(run_id: str) -> Iterator[Connection]:
    """Hold a run's lock for the length of the block."""
    with engine().begin() as connection:
        connection.execute(text(HELD_BY_ANOTHER), {"run_id": run_id})
        yield connection


def test_moves_that_wait_at_the_same_moment_share_a_transaction() -> None:
    # Given six runs, each with a node in hand
    held = [claim(install_run(make_plan(["a"])), "a") for _ in range(6)]
    # When they are settled at once
    with gathered(6):
        results = run_together(6, lambda number: settle(held[number]))
    # Then one transaction has stored all, and each run has its frames without a gap
    assert all(isinstance(result, Moved) for result in results)
    assert transactions() == [6]
    for one in held:
        assert states(one.run_id)["a"].status == "completed"
        assert [frame.type for frame in moves.frames(one.run_id)][-2:] == ["node_start", "node_complete"]


def test_two_lanes_of_one_run_that_settle_together_close_their_join_once() -> None:
    plan = make_plan(["left", "right", "last"], [("left", "last"), ("right", "last")])
    run_id = install_run(plan)
    held = [claim(run_id, name) for name in ("left", "right")]
    with gathered(2):
        results = run_together(2, lambda number: settle(held[number], successors=["last"]))
    assert sorted(len(result.closed) for result in results) == [0, 1]
    assert transactions() == [2]
    assert [frame.seq for frame in moves.frames(run_id)] == list(range(1, len(moves.frames(run_id)) + 1))


def test_a_run_that_somebody_holds_keeps_nobody_else_waiting() -> None:
    # Given three nodes to settle, and somebody who holds the run of one of them
    held = [claim(install_run(make_plan(["a"])), "a") for _ in range(3)]
    settled: list[Any] = []
    with run_held(held[0].run_id), gathered(3):
        done = threading.Thread(target=lambda: settled.extend(run_together(3, lambda number: settle(held[number]))))
        done.start()
        # Then the others are stored while it waits
        wait_until(lambda: [states(one.run_id)["a"].status for one in held[1:]] == ["completed"] * 2)
        assert states(held[0].run_id)["a"].status == "running"
    # And it is stored as soon as its run is given up
    done.join(30)
    assert all(isinstance(result, Moved) for result in settled)
    assert states(held[0].run_id)["a"].status == "completed"


def test_a_move_that_cannot_be_stored_does_not_take_others_with_it() -> None:
    # Given a move that breaks a constraint among others that do not
    held = [claim(install_run(make_plan(["a"])), "a") for _ in range(3)]
    moves.statement("ALTER TABLE flex_plan_nodes ADD CONSTRAINT brief CHECK (duration_ms < 5)")
    try:
        # When they are stored together
        with gathered(3):
            results = run_together(3, lambda number: settle(held[number], duration_ms=9 if number == 1 else 1))
    finally:
        moves.statement("ALTER TABLE flex_plan_nodes DROP CONSTRAINT brief")
    # Then its own thread hears of it, and the others are stored
    assert isinstance(results[1], Exception)
    assert "brief" in str(results[1])
    assert [states(one.run_id)["a"].status for one in held] == ["completed", "running", "completed"]


def test_whoever_has_lost_its_lease_hears_it_also_in_company() -> None:
    held = [claim(install_run(make_plan(["a"])), "a") for _ in range(3)]
    moves.leave(held[2])
    with gathered(3):
        results = run_together(3, lambda number: settle(held[number]))
    assert isinstance(results[2], LeaseLostError)
    assert all(isinstance(result, Moved) for result in results[:2])


def test_a_large_result_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [claim(install_run(make_plan(["a"])), "a") for _ in range(3)]
    monkeypatch.setattr(under_test, "ROOM_IN_A_GROUP", 2000)
    large = Draft("node_complete", {"output": {"text": "x" * 3000}}, node_id="a")
    with gathered(2):
        run_together(3, lambda number: settle(held[number], **({"told": large} if number == 0 else {})))
    assert transactions() == [1, 2]


# -- leases that are extended meanwhile


@pytest.fixture
def heartbeat() -> Heartbeat:
    """The heartbeat of worker `w1`, which beats when the test says so."""
    made = Heartbeat("w1")
    made._thread = threading.current_thread()
    return made


def test_leases_are_extended_in_the_order_in_which_a_group_settles(heartbeat: Heartbeat) -> None:
    # Given leases on nodes of eight runs, and a transaction that has settled the first of them
    run_ids = sorted((install_run(make_plan(["a"])) for _ in range(8)), reverse=True)
    for run_id in run_ids:
        claim(run_id, "a")
    node = "SELECT 1 FROM flex_plan_nodes WHERE run_id = ANY(:run_ids) FOR UPDATE NOWAIT"
    with ExitStack() as held, engine().begin() as group:
        tokens = [held.enter_context(heartbeat.holding(run_id, "a", 1)) for run_id in run_ids]
        group.execute(text(node), {"run_ids": run_ids[-1:]})
        # When the leases are extended meanwhile
        beating = threading.Thread(target=heartbeat.beat)
        beating.start()
        wait_until(lambda: moves.statement(WAITING)[0][0] == 1)
        # Then all others are still to be had: the two do not wait for each other
        group.execute(text(node), {"run_ids": run_ids})
        group.rollback()
        beating.join(30)
        assert not any(token.cancelled for token in tokens)


def test_whoever_extends_a_lease_on_a_plan_holds_no_node(loop: Loop, heartbeat: Heartbeat) -> None:
    # Given a node in hand and a run that is being planned, whose lock somebody holds
    running = install_run(make_plan(["a"]))
    claim(running, "a")
    planned = loop.submit(linkedin_envelope())
    with open_unit(None) as unit:
        assert unit.planning.claim(planned, 1, "w1", 15) is not None
    with heartbeat.holding(running, "a", 1), heartbeat.holding(planned, "", 1) as token, run_held(planned) as holder:
        # When the leases are extended
        beating = threading.Thread(target=heartbeat.beat)
        beating.start()
        wait_until(lambda: moves.statement(WAITING)[0][0] == 1)
        # Then the node is to be had
        holder.execute(text("SELECT 1 FROM flex_plan_nodes FOR UPDATE NOWAIT"))
        holder.rollback()
        beating.join(30)
        assert not token.cancelled
