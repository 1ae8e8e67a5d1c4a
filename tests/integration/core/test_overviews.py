"""A run looked at in one statement, and moved without its lock only as long as it is what was looked at."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from models.events.frames import Draft
from models.repositories.endings import Final
from models.repositories.hitl import NewRequest
from models.repositories.moves import Ahead, Wake
from models.repositories.overviews import Overview
from models.unit_of_work import open_statement, open_unit
from planner.plan.codec import plan_hash
from planner.plan.graph import PlanGraph
from planner.progress.state import NodeState
from tasks import runs
from tests.integration.core import moves
from tests.support.factories import make_chain, make_plan
from tests.support.invariants import assert_sound
from tests.support.loop import Loop, install_run
from tests.support.relay import wait_until

pytestmark = pytest.mark.usefixtures("database")

OUTPUT = {"a_text": "text of a"}
QUESTION = NewRequest("a", "clarify", "clarify", None, {"question": "Which?"}, "Which?", {})


def look(run_id: str) -> Overview:
    with open_statement(None) as unit:
        return unit.overviews.read(run_id)


def begin(seen: Overview) -> Any:
    """Begin node `a` of a run that is still what was seen."""
    with open_statement(None) as unit:
        return unit.moves.begin(
            seen.run.run_id,
            epoch=1,
            plan_version=1,
            worker="w1",
            lease=15,
            ahead=Ahead(NodeState("a"), Draft("node_start", {"attempt": 1}, node_id="a")),
            wake=Wake(15, anew=True),
            row_version=seen.row_version,
        )


def end(seen: Overview) -> bool:
    """End a run that is still what was seen."""
    told, final = Draft("complete", {"status": "completed"}), Final({}, {}, {})
    with open_statement(None) as unit:
        return unit.endings.end(
            seen.run, status="completed", reason=None, told=told, final=final, row_version=seen.row_version
        )


def settled_run() -> str:
    """Return a run whose one node is done, and which nobody has looked at since."""
    run_id = install_run(make_chain("a"))
    moves.complete(moves.claim(run_id, "a"), output=OUTPUT)
    return run_id


def everything(run_id: str) -> Any:
    run = moves.statement("SELECT status, epoch, last_seq, wake_at, waiting_for FROM flex_runs")
    kept = moves.statement("SELECT count(*) FROM flex_run_outputs")
    asked = moves.statement("SELECT status FROM hitl_requests")
    return moves.states(run_id), [frame.type for frame in moves.frames(run_id)], run, kept, asked


# -- what is seen


def test_it_shows_the_run_its_nodes_and_its_plan() -> None:
    # Given a run with a node under way, one that failed before, and one that waits
    run_id = install_run(make_plan(["a", "b", "c"], [("a", "c")]))
    moves.claim(run_id, "a")
    finding = {"pointer": "/b_text", "message": "is “odd”\n"}
    moves.leave(moves.claim(run_id, "b"), tries=1, findings=[finding], error={"code": "invalid_output"})
    # When it is looked at
    seen = look(run_id)
    # Then every part is what those who read parts of it find
    with open_unit(None) as unit:
        assert seen.run == unit.runs.lock(run_id)
        assert seen.nodes == unit.nodes.states(run_id)
        assert seen.stored == unit.plans.stored(run_id, 1)
    assert seen.nodes["b"].findings == (finding,)
    assert seen.outputs == {}


def test_a_run_without_a_plan_has_no_nodes(loop: Loop) -> None:
    run_id = loop.submit({"objective": "Write", "outputContract": {"mode": "facets", "facets": ["post_copy"]}})
    seen = look(run_id)
    assert (seen.nodes, seen.stored, seen.outputs) == ({}, None, {})


def test_outputs_come_along_once_all_is_settled_and_no_more_when_the_run_has_ended() -> None:
    run_id = install_run(make_chain("a", "b"))
    moves.complete(moves.claim(run_id, "a"), "b", output=OUTPUT)
    assert look(run_id).outputs == {}
    moves.complete(moves.claim(run_id, "b"), output={"b_text": "text of b"})
    assert look(run_id).outputs == {"a": OUTPUT, "b": {"b_text": "text of b"}}
    assert end(look(run_id))
    assert look(run_id).outputs == {}


def test_nodes_of_an_earlier_version_count_as_settled() -> None:
    run_id = install_run(make_plan(["a", "b"]))
    moves.complete(moves.claim(run_id, "a"), output=OUTPUT)
    moves.statement("UPDATE flex_plan_nodes SET status = 'superseded' WHERE node_id = 'b'")
    assert look(run_id).outputs == {"a": OUTPUT}


def test_a_plan_that_many_runs_have_is_read_once() -> None:
    first, second = install_run(make_chain("a", "b")), install_run(make_chain("a", "b"))
    one, other = look(first).stored, look(second).stored
    assert one is not None
    assert other is not None
    assert one.plan is other.plan


def test_plans_that_only_run_alike_are_kept_apart() -> None:
    # Given two plans with the same hash, one of which says more about itself
    plain = make_chain("a", "b")
    told = replace(plain, metadata={**plain.metadata, "rationale": "because"})
    assert plan_hash(plain) == plan_hash(told)
    # When runs of both are looked at
    found = [look(install_run(plan)).stored for plan in (plain, told)]
    # Then each has its own
    assert [stored.plan for stored in found if stored] == [plain, told]


def test_a_version_that_has_taken_over_is_seen_although_an_older_one_is_remembered() -> None:
    run_id = install_run(make_chain("a"))
    stored = look(run_id).stored
    assert stored is not None
    newer = replace(stored.plan, version=2)
    put_in_force(run_id, newer)
    seen = look(run_id)
    assert seen.stored is not None
    assert (seen.run.plan_version, seen.stored.plan) == (2, newer)


def put_in_force(run_id: str, plan: PlanGraph) -> None:
    with open_unit(None) as unit:
        unit.plans.add(unit.runs.lock(run_id), plan, intake={"values": {}})
        unit.runs.change(run_id, plan_version=plan.version)


# -- what is done about it


@pytest.mark.parametrize("act", [begin, end])
def test_a_run_that_is_what_was_seen_is_moved(act: Callable[[Overview], Any]) -> None:
    run_id = install_run(make_chain("a"))
    assert act(look(run_id))
    assert_last_frame(run_id, "node_start" if act is begin else "complete")


@pytest.mark.parametrize("act", [begin, end])
def test_nothing_happens_to_a_run_that_has_changed_since(act: Callable[[Overview], Any]) -> None:
    run_id = install_run(make_chain("a"))
    with open_unit(None) as unit:
        unit.hitl.ask(unit.runs.lock(run_id), QUESTION)
    seen = look(run_id)
    moves.statement("UPDATE flex_runs SET nudges = nudges + 1")
    before = everything(run_id)
    assert not act(seen)
    assert everything(run_id) == before


@pytest.mark.parametrize("act", [begin, end])
def test_who_comes_upon_a_change_under_way_waits_for_it_and_does_nothing(act: Callable[[Overview], Any]) -> None:
    run_id = install_run(make_chain("a"))
    seen, moved = look(run_id), []
    with open_unit(None) as unit:
        unit.runs.change(run_id, waiting_for="something else")
        late = in_background(lambda: moved.append(act(seen)))
    late.join(10)
    assert not moved[0]
    assert moves.statement("SELECT status, waiting_for FROM flex_runs") == [("running", "something else")]
    assert moves.states(run_id)["a"].status == "pending"


def test_a_run_that_was_cancelled_while_its_end_was_prepared_ends_as_cancelled(loop: Loop) -> None:
    # Given a run that has come to its end, and a cancel that is not committed yet
    run_id = settled_run()
    with open_unit() as unit:
        unit.runs.cancel(run_id)
        # When a worker looks at it meanwhile and finds it finished
        worker = in_background(lambda: runs.advance(run_id, keep=True))
    worker.join(10)
    # Then the cancel holds
    assert loop.run(run_id).status == "cancelled"
    assert_sound(loop.frames(run_id), status="cancelled")


def test_a_lock_that_changes_nothing_only_holds_the_end_up(loop: Loop) -> None:
    run_id = settled_run()
    with open_unit(None) as unit:
        unit.runs.lock(run_id)
        worker = in_background(lambda: runs.advance(run_id, keep=True))
    worker.join(10)
    assert loop.run(run_id).status == "completed"
    assert_sound(loop.frames(run_id))


def in_background(act: Callable[[], Any]) -> threading.Thread:
    """Do it in a thread, and return once it waits for somebody's lock."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: moves.statement(waiting), 10)
    return thread


def assert_last_frame(run_id: str, wanted: str) -> None:
    assert moves.frames(run_id)[-1].type == wanted
