"""One beat for all leases of a process, and the news of those that it has lost."""

from __future__ import annotations

import threading

import pytest

from models.settings import get_settings
from models.unit_of_work import open_unit
from tasks.heartbeat import Heartbeat
from tests.integration.core import moves
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_plan
from tests.support.loop import Loop, install_run


@pytest.fixture
def heartbeat(database: str) -> Heartbeat:
    """The heartbeat of worker `w1`, which beats when the test says so."""
    made = Heartbeat("w1")
    made._thread = threading.current_thread()
    return made


def test_a_lost_lease_cancels_its_token_and_no_other(heartbeat: Heartbeat) -> None:
    # Given two attempts of one process
    run_id = install_run(make_plan(["kept", "lost"]))
    for name in ("kept", "lost"):
        moves.claim(run_id, name)
    with heartbeat.holding(run_id, "kept", 1) as kept, heartbeat.holding(run_id, "lost", 1) as lost:
        heartbeat.beat()
        assert not kept.cancelled
        assert not lost.cancelled
        # When one of them is taken back
        moves.statement("UPDATE flex_plan_nodes SET status = 'cancelled' WHERE node_id = 'lost'")
        heartbeat.beat()
        # Then its call is told, and the other goes on
        assert (kept.cancelled, lost.cancelled, lost.reason) == (False, True, "lease_lost")


def test_a_newer_attempt_of_the_same_process_cancels_the_older(heartbeat: Heartbeat) -> None:
    run_id = install_run(make_plan(["a"]))
    first = moves.claim(run_id, "a")
    with heartbeat.holding(run_id, "a", first.attempt) as old:
        moves.leave(first)
        second = moves.claim(run_id, "a")
        with heartbeat.holding(run_id, "a", second.attempt) as new:
            heartbeat.beat()
            assert (old.cancelled, new.cancelled) == (True, False)


def test_what_is_no_longer_held_is_forgotten(heartbeat: Heartbeat) -> None:
    run_id = install_run(make_plan(["a"]))
    moves.claim(run_id, "a")
    with heartbeat.holding(run_id, "a", 1) as token:
        pass
    moves.statement("UPDATE flex_plan_nodes SET status = 'cancelled'")
    heartbeat.beat()
    assert not token.cancelled


def test_a_planner_that_is_cancelled_loses_its_lease_too(loop: Loop, heartbeat: Heartbeat) -> None:
    run_id = loop.submit(linkedin_envelope())
    with open_unit(None) as unit:
        assert unit.planning.claim(run_id, 1, "w1", 15) is not None
    with heartbeat.holding(run_id, "", 1) as token:
        heartbeat.beat()
        assert not token.cancelled
        loop.cancel(run_id)
        heartbeat.beat()
        assert token.cancelled


def test_the_thread_beats_by_itself_while_something_is_held(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a short lease and an attempt whose node is cancelled
    monkeypatch.setenv("FLEX_LEASE_SECONDS", "0.5")
    get_settings.cache_clear()
    run_id = install_run(make_plan(["a"]))
    moves.claim(run_id, "a", lease=0.5)
    moves.statement("UPDATE flex_plan_nodes SET status = 'cancelled'")
    # When it is held
    with Heartbeat("w1").holding(run_id, "a", 1) as token:
        # Then the thread finds out
        assert token.wait(10)
