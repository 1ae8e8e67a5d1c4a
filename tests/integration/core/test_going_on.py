"""Going on in one statement: settle, begin, offer and tell, or nothing of it all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from models.errors import LeaseLostError
from models.events.frames import Draft
from models.repositories.claims import Claim, Result
from models.repositories.moves import Ahead, Moved, Wake
from models.unit_of_work import open_statement, open_unit
from planner.progress.state import NodeState
from tests.integration.core import moves
from tests.integration.core.moves import claim, states
from tests.support.factories import make_chain, make_diamond, make_plan
from tests.support.loop import install_run, run_together

pytestmark = pytest.mark.usefixtures("database")

FORK = [("root", "a"), ("root", "b"), ("root", "c")]


def ahead_of(node_id: str, *, tried: int = 0, wanted: Sequence[str] = ()) -> Ahead:
    start = Draft("node_start", {"attempt": tried + 1}, node_id=node_id)
    return Ahead(NodeState(node_id, attempt=tried), start, wanted)


def begin(run_id: str, node_id: str, *, worker: str = "w1", epoch: int = 1, version: int = 1, **more: Any) -> Any:
    wanted: dict[str, Any] = {"ahead": ahead_of(node_id), "wake": Wake(15), **more}
    with open_statement(None) as unit:
        return unit.moves.begin(run_id, epoch=epoch, plan_version=version, worker=worker, lease=15, **wanted)


def settle(
    held: Claim, *successors: str, ahead: str | None = None, beside: Sequence[str] = (), wanted: Sequence[str] = ()
) -> Moved | None:
    result = Result({"text": held.node_id}, {}, {"promptTokens": 1, "completionTokens": 2, "cost": 0.5}, 1.0)
    with open_statement(None) as unit:
        return unit.moves.settle(
            held,
            result,
            told=Draft("node_complete", {"output": {}}, node_id=held.node_id),
            successors=successors,
            ahead=None if ahead is None else ahead_of(ahead, wanted=wanted),
            beside=beside,
            lease=15,
            wake=Wake(5),
            waiting_for="three lanes" if beside else None,
        )


def everything(run_id: str) -> Any:
    run = moves.statement("SELECT status, epoch, last_seq, cost, waiting_for FROM flex_runs")
    return states(run_id), [frame.type for frame in moves.frames(run_id)], run


def assert_no_gap(run_id: str) -> None:
    seqs = [frame.seq for frame in moves.frames(run_id)]
    assert seqs == list(range(1, len(seqs) + 1))


# -- begin


def test_of_twenty_that_begin_a_node_at_once_one_has_it() -> None:
    run_id = install_run(make_chain("a"))
    results = run_together(20, lambda number: begin(run_id, "a", worker=f"w{number}"))
    (won,) = [result for result in results if result is not None]
    node = states(run_id)["a"]
    assert (node.status, node.attempt) == ("running", 1)
    assert won.following.state == replace(node, lease_until=None, deadline=None)
    assert [frame.type for frame in moves.frames(run_id)].count("node_start") == 1
    assert_no_gap(run_id)


@pytest.mark.parametrize(
    ("about", "given", "change"),
    [
        ("under an older epoch", {}, "UPDATE flex_runs SET epoch = 2"),
        ("of a run that is being cancelled", {}, "UPDATE flex_runs SET status = 'cancelling'"),
        ("in an older version", {}, "UPDATE flex_runs SET plan_version = 2"),
        ("that waits for a parent", {}, "UPDATE flex_plan_nodes SET waiting = 1"),
        ("that is done", {}, "UPDATE flex_plan_nodes SET status = 'completed'"),
        ("that was tried meanwhile", {}, "UPDATE flex_plan_nodes SET attempt = 1"),
        ("whose retry is not due", {}, "UPDATE flex_plan_nodes SET retry_at = clock_timestamp() + interval '9 s'"),
    ],
)
def test_a_node_is_not_begun(about: str, given: dict[str, Any], change: str) -> None:
    run_id = install_run(make_chain("a"))
    moves.statement(change)
    before = everything(run_id)
    assert begin(run_id, "a", **given) is None, about
    assert everything(run_id) == before


def test_a_node_is_begun_again_with_what_its_attempts_left() -> None:
    run_id = install_run(make_chain("a"))
    held = claim(run_id, "a")
    moves.leave(held, tries=1)
    moved = begin(run_id, "a", ahead=replace(ahead_of("a", tried=1), state=replace(states(run_id)["a"], tries=1)))
    assert (moved.following.attempt, moved.following.state.tries) == (2, 1)
    assert states(run_id)["a"].attempt == 2


def test_lanes_are_offered_without_one_that_is_kept() -> None:
    run_id = install_run(make_plan(["a", "b"]))
    moved = begin(run_id, "a", ahead=None, beside=["a", "b"], waiting_for="two lanes")
    assert (moved.following, moved.beside) == (None, {"a", "b"})
    assert [node.dispatch_count for node in states(run_id).values()] == [1, 1]
    assert_no_gap(run_id)


def test_the_run_wakes_when_it_was_agreed_or_sooner_unless_it_is_agreed_anew() -> None:
    run_id = install_run(make_plan(["a", "b", "c"]))
    left = "SELECT extract(epoch FROM wake_at - clock_timestamp()) FROM flex_runs"
    moves.statement("UPDATE flex_runs SET wake_at = clock_timestamp() + interval '3 s', nudges = 2")
    begin(run_id, "a", wake=Wake(9))
    assert float(moves.statement(left)[0][0]) < 3
    begin(run_id, "b", wake=Wake(9, anew=True))
    assert float(moves.statement(left)[0][0]) > 8
    ((until,),) = moves.statement("SELECT clock_timestamp() + interval '2 s'")
    begin(run_id, "c", wake=Wake(9, anew=True, until=until))
    assert moves.statement("SELECT wake_at, nudges FROM flex_runs") == [(until, 0)]


# -- settle


def test_at_a_fork_one_node_is_begun_and_the_others_are_noted_as_published() -> None:
    # Given a node that three others wait for
    run_id = install_run(make_plan(["root", "a", "b", "c"], FORK))
    held = begin(run_id, "root").following
    # When it is settled by a worker that keeps one of them
    moved = settle(held, "a", "b", "c", ahead="a", beside=["b", "c"], wanted=["root"])
    # Then that one runs here with what it wants to see, and the others wait for whoever comes
    assert moved is not None
    assert moved.closed == {"a", "b", "c"}
    assert moved.beside == {"b", "c"}
    assert moved.following is not None
    assert moved.following.node_id == "a"
    assert moved.outputs == {"root": {"text": "root"}}
    nodes = states(run_id)
    assert [nodes[name].status for name in ("root", "a", "b", "c")] == ["completed", "running", "pending", "pending"]
    assert [nodes[name].dispatch_count for name in ("a", "b", "c")] == [0, 1, 1]
    assert [frame.type for frame in moves.frames(run_id)][-3:] == ["node_start", "node_complete", "node_start"]
    assert moves.statement("SELECT waiting_for FROM flex_runs") == [("three lanes",)]
    assert_no_gap(run_id)


def test_a_result_from_before_a_pause_is_stored_and_begins_nothing() -> None:
    run_id = install_run(make_plan(["root", "a", "b", "c"], FORK))
    held = begin(run_id, "root").following
    moves.statement("UPDATE flex_runs SET epoch = 2")
    moved = settle(held, "a", "b", "c", ahead="a", beside=["b", "c"])
    assert moved is not None
    assert (moved.following, moved.beside, moved.closed) == (None, frozenset(), {"a", "b", "c"})
    assert [node.dispatch_count for node in states(run_id).values()] == [0] * 4
    assert_no_gap(run_id)


def test_of_two_that_settle_at_once_the_later_one_goes_on_behind_the_join() -> None:
    run_id = install_run(make_diamond())
    settle(begin(run_id, "first").following, "left", "right")
    sides = [begin(run_id, side, worker=side).following for side in ("left", "right")]
    moved = run_together(2, lambda n: settle(sides[n], "last", ahead="last", wanted=["left", "right", "first"]))
    (on,) = [one for one in moved if isinstance(one, Moved) and one.following is not None]
    assert set(on.outputs) == {"left", "right", "first"}
    assert all(on.outputs.values())
    assert states(run_id)["last"].status == "running"
    assert_no_gap(run_id)


def test_where_a_newer_version_is_in_force_nothing_happens() -> None:
    run_id = install_run(make_chain("a", "b"))
    held = begin(run_id, "a").following
    moves.statement("UPDATE flex_runs SET plan_version = 2")
    before = everything(run_id)
    assert settle(held, "b", ahead="b") is None
    assert everything(run_id) == before


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE flex_plan_nodes SET worker = 'w2' WHERE node_id = 'a'",
        "UPDATE flex_plan_nodes SET attempt = 2 WHERE node_id = 'a'",
        "UPDATE flex_plan_nodes SET status = 'retrying', worker = NULL, lease_until = NULL WHERE node_id = 'a'",
        "DELETE FROM flex_runs",
    ],
)
def test_a_result_needs_the_lease_of_its_attempt(change: str) -> None:
    run_id = install_run(make_chain("a", "b"))
    held = begin(run_id, "a").following
    moves.statement(change)
    before = everything(run_id)
    with pytest.raises(LeaseLostError):
        settle(held, "b", ahead="b")
    assert everything(run_id) == before


def test_what_is_remembered_of_a_run_is_its_newest_version() -> None:
    run_id = install_run(make_chain("a"))
    with open_unit(None) as unit:
        first = unit.plans.latest(run_id)
        assert first is not None
        newer = replace(first.plan, version=2)
        unit.plans.add(unit.runs.get(run_id), newer, intake=first.intake)
        assert unit.plans.stored(run_id, 2).plan.version == 2
        assert unit.plans.latest(run_id) == unit.plans.stored(run_id, 2)
        assert unit.plans.latest("flex_unknown") is None
