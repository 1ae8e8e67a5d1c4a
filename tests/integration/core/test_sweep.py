"""The sweep: every open run has a moment at which somebody looks at it again, and one sweep looks for all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from models.repositories.runs import NUDGE_SECONDS
from models.unit_of_work import open_unit
from planner.progress.state import RUN_STATUSES
from tasks.sweep import finish_canary, send_canary
from tests.integration.core import moves
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_chain, make_plan
from tests.support.loop import Loop, Message, WorkerDiedError, install_run, pass_time, run_together


def due(limit: int = 200) -> dict[str, int]:
    with open_unit(None) as unit:
        return {found.run_id: found.nudges for found in unit.runs.due(limit)}


@pytest.mark.usefixtures("database")
def test_a_due_run_is_picked_once_and_then_left_for_a_while() -> None:
    # Given two runs of which one is due
    ready, later = install_run(make_chain("a")), install_run(make_chain("a"))
    moves.statement("UPDATE flex_runs SET wake_at = clock_timestamp() + interval '1 min' WHERE run_id = :r", r=later)
    # When two sweeps follow each other
    assert due() == {ready: 1}
    assert due() == {}
    # Then the picked one is due again after a pause
    pass_time(NUDGE_SECONDS)
    assert due() == {ready: 2}


@pytest.mark.usefixtures("database")
def test_of_sweeps_at_the_same_moment_one_picks_each_run() -> None:
    runs = [install_run(make_chain("a")) for _ in range(15)]
    picked = run_together(4, lambda _: due(6))
    rest = due()
    assert Counter(run_id for part in (*picked, rest) for run_id in part) == Counter(runs)


@pytest.mark.usefixtures("database")
def test_a_run_that_nobody_moves_is_nudged_ever_more_rarely() -> None:
    run_id = install_run(make_chain("a"))
    pauses = []
    for _ in range(9):
        due()
        ((pause,),) = moves.statement("SELECT extract(epoch FROM wake_at - clock_timestamp()) FROM flex_runs")
        pauses.append(round(float(pause)))
        pass_time(float(pause))
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    # And however long nobody answers, the sweep goes on
    moves.statement("UPDATE flex_runs SET nudges = 2000000, wake_at = clock_timestamp()")
    assert due() == {run_id: 2_000_001}
    # And a claim is a sign of life, after which it starts anew
    moves.claim(run_id, "a")
    assert moves.statement("SELECT nudges FROM flex_runs") == [(0,)]


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "paused", "awaiting_hitl"])
@pytest.mark.usefixtures("database")
def test_a_run_that_has_ended_or_waits_for_a_person_is_left_alone(status: str) -> None:
    install_run(make_chain("a"))
    moves.statement("UPDATE flex_runs SET status = :s, wake_at = NULL", s=status)
    assert due() == {}


@pytest.mark.parametrize("status", RUN_STATUSES)
@pytest.mark.usefixtures("database")
def test_the_database_refuses_an_open_run_without_a_moment_to_wake(status: str) -> None:
    install_run(make_chain("a"))
    change = "UPDATE flex_runs SET status = :s, wake_at = NULL"
    if status in {"pending", "planning", "running", "cancelling"}:
        with pytest.raises(IntegrityError, match="has_a_reason_to_move"):
            moves.statement(change, s=status)
    else:
        moves.statement(change, s=status)


def test_a_run_whose_every_message_is_lost_still_completes(loop: Loop) -> None:
    # Given a run whose planning was never published
    run_id = loop.submit(linkedin_envelope())
    loop.waiting.clear()
    # When only sweeps look after it, and every lane that is published gets lost the first time
    assert loop.settle(run_id).status == "completed"
    assert [frame["type"] for frame in loop.frames(run_id)].count("complete") == 1


def test_a_lane_that_nobody_claims_is_published_again_but_not_sooner_than_it_should(loop: Loop) -> None:
    # Given two ready lanes of which the published one is lost
    run_id = loop.install(make_plan(["a", "b"], output=["a_text"]))
    loop.deliver(loop.waiting.pop(0))
    assert loop.waiting == [Message("tasks.walk_lane", {"run_id": run_id, "epoch": 1, "node_ids": ["b"]})]
    loop.waiting.clear()
    # When the run is looked at before its time
    loop.waiting = [Message("tasks.advance_run", {"run_id": run_id})] * 3
    loop.drain()
    assert loop.nodes(run_id)["b"]["attempt"] == 0
    # And when its time has come
    assert loop.settle(run_id).status == "completed"


def test_a_planner_that_dies_three_times_is_poison(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def die(*_: Any, **_more: Any) -> Any:
        tried.append(1)
        raise WorkerDiedError

    monkeypatch.setattr("tasks.planning.plan_in_mode", die)
    run_id = loop.submit(linkedin_envelope())
    assert loop.settle(run_id).status == "failed"
    assert len(tried) == 3
    end = loop.frames(run_id)[-1]["payload"]
    assert (end["reason"], "3 times" in end["error"]["message"]) == ("poison", True)


def test_a_planner_that_breaks_says_so_at_once(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_(*_: Any, **_more: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("tasks.planning.plan_in_mode", break_)
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    types = [frame["type"] for frame in loop.frames(run_id)]
    assert types == ["start", "plan_requested", "plan_rejected", "complete"]
    assert loop.run(run_id).reason == "no_plan"


def test_a_run_that_is_cancelled_while_it_is_planned_stays_cancelled(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a run that is cancelled just after its planner has taken it
    run_id = loop.submit(linkedin_envelope())
    repository = "models.repositories.planning.PlanningRepository.claim"
    with open_unit(None) as unit:
        take = type(unit.planning).claim

    def take_and_cancel(self: Any, *args: Any) -> Any:
        taken = take(self, *args)
        self.connection.commit()
        loop.cancel(run_id)
        loop.deliver(loop.waiting.pop())
        return taken

    monkeypatch.setattr(repository, take_and_cancel)
    # When the planner goes on
    loop.drain()
    # Then nothing is told behind the last frame
    assert [frame["type"] for frame in loop.frames(run_id)] == ["start", "complete"]
    assert loop.run(run_id).status == "cancelled"


def test_a_canary_goes_through_every_queue_and_tells_its_age(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr("tasks.dispatch.canary", lambda canary_id, queue: sent.append((canary_id, queue)))
    send_canary()
    assert {queue for _, queue in sent} == {"nodes", "bulk", "control"}
    finish_canary(canary_id={queue: canary_id for canary_id, queue in sent}["nodes"])
    with open_unit(None) as unit:
        found = unit.canaries.last_finished("nodes")
        assert found is not None
        assert 0 <= found[1] < 30
        assert unit.canaries.last_finished("bulk") is None
