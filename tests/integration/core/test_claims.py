"""Claims, leases and settling: one worker at a time, one result per node, one closer per join, no gap in the log."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from models.errors import LeaseLostError
from models.events.frames import Draft
from models.repositories.claims import Claim, ClaimRefusedError
from models.unit_of_work import open_unit
from planner.progress.state import NodeState
from tests.integration.core import moves
from tests.integration.core.moves import claim, complete, leave, states
from tests.support.factories import make_chain, make_diamond, make_plan
from tests.support.loop import install_run, pass_time, run_together

pytestmark = pytest.mark.usefixtures("database")


def seqs(run_id: str) -> list[int]:
    return [frame.seq for frame in moves.frames(run_id)]


# -- claims


def test_of_twenty_workers_at_once_one_gets_the_node() -> None:
    # Given a ready node and twenty messages for it
    run_id = install_run(make_chain("a"))
    # When they are taken at the same moment
    results = run_together(20, lambda number: claim(run_id, "a", worker=f"w{number}"))
    # Then one worker has it, nineteen go away quietly, and one start is told
    won = [result for result in results if isinstance(result, Claim)]
    assert len(won) == 1
    assert Counter(type(result) for result in results)[ClaimRefusedError] == 19
    assert [frame.type for frame in moves.frames(run_id)].count("node_start") == 1
    assert states(run_id)["a"].attempt == 1
    assert seqs(run_id) == list(range(1, len(seqs(run_id)) + 1))


@pytest.mark.parametrize(
    ("about", "epoch", "change"),
    [
        ("under an older epoch", 1, "UPDATE flex_runs SET epoch = 2"),
        ("under a later one", 3, "UPDATE flex_runs SET epoch = 2"),
        ("of a paused run", 1, "UPDATE flex_runs SET status = 'paused'"),
        ("of a run that is being cancelled", 1, "UPDATE flex_runs SET status = 'cancelling'"),
        ("that waits for a parent", 1, "UPDATE flex_plan_nodes SET waiting = 1"),
        ("that is done", 1, "UPDATE flex_plan_nodes SET status = 'completed'"),
        ("that waits for a person", 1, "UPDATE flex_plan_nodes SET status = 'awaiting_hitl'"),
        ("whose retry is not due", 1, "UPDATE flex_plan_nodes SET retry_at = clock_timestamp() + interval '9 s'"),
    ],
)
def test_a_node_is_not_to_be_had(about: str, epoch: int, change: str) -> None:
    run_id = install_run(make_chain("a"))
    moves.statement(change)
    before = seqs(run_id)
    with pytest.raises(ClaimRefusedError):
        claim(run_id, "a", epoch=epoch)
    assert seqs(run_id) == before, about


def test_a_claim_sets_lease_deadline_and_attempt_and_forgets_the_message() -> None:
    run_id = install_run(make_chain("a"))
    with open_unit(None) as unit:
        unit.nodes.note_dispatch(run_id, ["a"])
    held = claim(run_id, "a", lease=9)
    node = states(run_id)["a"]
    assert (node.status, node.attempt, node.dispatched_at, node.dispatch_count) == ("running", 1, None, 0)
    assert node.lease_until is not None
    assert node.deadline is not None
    assert (node.deadline - node.lease_until).total_seconds() == pytest.approx(300 - 9, abs=0.01)
    assert held.state == node


def test_a_run_wakes_at_the_latest_when_the_lease_ends() -> None:
    run_id = install_run(make_chain("a"))
    moves.statement("UPDATE flex_runs SET wake_at = clock_timestamp() + interval '1 hour', nudges = 3")
    claim(run_id, "a", lease=9)
    (row,) = moves.statement(
        "SELECT r.wake_at - n.lease_until AS gap, nudges FROM flex_runs r JOIN flex_plan_nodes n USING (run_id)"
    )
    assert abs(row.gap.total_seconds()) < 0.5
    assert row.nudges == 0


# -- results need the lease


def lost_attempt(run_id: str) -> Claim:
    """Return a claim whose node was taken back and given to another worker."""
    old = claim(run_id, "a", worker="w1")
    moves.statement(
        "UPDATE flex_plan_nodes SET status = 'retrying', worker = NULL, lease_until = NULL WHERE node_id = 'a'"
    )
    claim(run_id, "a", worker="w2")
    return old


def try_again(held: Claim) -> None:
    with open_unit(None) as unit:
        unit.claims.try_again(held, [Draft("log"), Draft("node_start")], lease=5, usage={}, values={})


@pytest.mark.parametrize(
    "store", [lambda held: complete(held, "b"), leave, try_again], ids=["result", "failure", "retry"]
)
def test_what_comes_after_the_lease_is_lost_changes_nothing(store: Any) -> None:
    # Given an attempt that another worker has taken over
    run_id = install_run(make_chain("a", "b"))
    late = lost_attempt(run_id)
    before = states(run_id), seqs(run_id), moves.statement("SELECT cost, last_seq FROM flex_runs")
    # When the first worker comes back with what it has
    with pytest.raises(LeaseLostError):
        store(late)
    # Then nothing is stored, told or added up
    assert (states(run_id), seqs(run_id), moves.statement("SELECT cost, last_seq FROM flex_runs")) == before


def test_the_same_worker_cannot_settle_with_an_older_attempt() -> None:
    run_id = install_run(make_chain("a"))
    held = claim(run_id, "a")
    with pytest.raises(LeaseLostError):
        complete(replace(held, state=NodeState("a", attempt=0)))
    assert complete(held) == frozenset()


def test_a_result_under_an_older_epoch_is_stored_because_its_lease_counts() -> None:
    run_id = install_run(make_chain("a", "b"))
    held = claim(run_id, "a")
    moves.statement("UPDATE flex_runs SET epoch = 2")
    assert complete(held, "b") == {"b"}
    assert states(run_id)["a"].status == "completed"


def test_of_twenty_finishes_one_is_stored() -> None:
    run_id = install_run(make_diamond())
    held = claim(run_id, "first")
    results = run_together(20, lambda _: complete(held, "left", "right"))
    assert [r for r in results if not isinstance(r, LeaseLostError)] == [frozenset({"left", "right"})]
    assert {name: node.waiting for name, node in states(run_id).items()} == {
        "first": 0,
        "left": 0,
        "right": 0,
        "last": 2,
    }
    assert [frame.type for frame in moves.frames(run_id)].count("node_complete") == 1


def test_what_attempts_consumed_is_added_to_the_run() -> None:
    run_id = install_run(make_plan(["a", "b"]))
    for name in ("a", "b"):
        complete(claim(run_id, name))
    with open_unit(None) as unit:
        assert unit.runs.get(run_id).usage == {"promptTokens": 2, "completionTokens": 4, "cost": 1.0}


# -- joins


def test_three_hundred_joins_are_each_closed_by_exactly_one_of_two_workers() -> None:
    # Given three hundred joins of two nodes each, all of them running
    count = 300
    names = [(f"l{n}", f"r{n}", f"join{n}") for n in range(count)]
    edges = [(side, join) for left, right, join in names for side in (left, right)]
    run_id = install_run(make_plan([name for names_of in names for name in names_of], edges))
    # They are claimed in one statement, because six hundred claims are not what this is about.
    moves.statement(
        "UPDATE flex_plan_nodes SET status = 'running', attempt = 1, worker = 'w', "
        "lease_until = clock_timestamp() + interval '60 s' WHERE waiting = 0"
    )
    closed: list[list[str]] = [[], []]
    barrier = threading.Barrier(2)

    def settle(side: int) -> None:
        for both in names:
            held = Claim(run_id, "default", both[side], "w", 1, 1, "c", NodeState(both[side], attempt=1))
            barrier.wait(20)
            closed[side].extend(complete(held, both[2]))

    # When the two sides of each join are settled at the same moment
    assert run_together(2, settle) == [None, None]
    # Then each join was closed once, by one of them
    assert Counter(closed[0] + closed[1]) == Counter(join for _, _, join in names)
    assert {node.waiting for node in states(run_id).values()} == {0}
    # And the log has no gap
    assert seqs(run_id) == list(range(1, len(seqs(run_id)) + 1))


def test_a_join_of_twenty_branches_is_closed_once() -> None:
    branches = [f"b{number}" for number in range(20)]
    run_id = install_run(make_diamond(branches))
    complete(claim(run_id, "first"), *branches)
    held = [claim(run_id, name) for name in branches]
    results = run_together(20, lambda number: complete(held[number], "last"))
    assert [r for r in results if r] == [frozenset({"last"})]
    assert states(run_id)["last"].waiting == 0


def test_numbers_have_no_gaps_when_everybody_writes_at_once() -> None:
    # Given one run, workers that settle and fail, and an operator
    names = [f"n{number}" for number in range(12)]
    run_id = install_run(make_plan(names))

    def write(number: int) -> None:
        held = claim(run_id, names[number], worker=f"w{number}")
        if number % 3:
            complete(held)
            return
        with pytest.raises(LeaseLostError):
            complete(replace(held, worker="stranger"))
        leave(held)

    # When they all write
    run_together(12, write)
    # Then the numbers are 1, 2, 3 … and the run knows the last
    assert seqs(run_id) == list(range(1, len(seqs(run_id)) + 1))
    assert moves.statement("SELECT last_seq FROM flex_runs") == [(len(seqs(run_id)),)]


# -- heartbeats


def test_a_beat_extends_the_leases_of_its_worker_and_of_nobody_else() -> None:
    run_id = install_run(make_plan(["a", "b"]))
    claim(run_id, "a", worker="w1", lease=5)
    claim(run_id, "b", worker="w2", lease=5)
    before = states(run_id)
    with open_unit(None) as unit:
        assert unit.claims.extend("w1", 60, {(run_id, "a", 1), (run_id, "b", 1)}) == {(run_id, "a", 1)}
    after = states(run_id)
    assert before["a"].lease_until is not None
    assert after["a"].lease_until is not None
    assert (after["a"].lease_until - before["a"].lease_until).total_seconds() > 50
    assert after["b"].lease_until == before["b"].lease_until


def test_a_lease_never_goes_past_the_deadline() -> None:
    run_id = install_run(make_chain("a"))
    claim(run_id, "a", worker="w1")
    pass_time(290)
    with open_unit(None) as unit:
        unit.claims.extend("w1", 60, {(run_id, "a", 1)})
    node = states(run_id)["a"]
    assert node.lease_until == node.deadline
