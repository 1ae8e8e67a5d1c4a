"""Faults of order: messages that come twice, decisions that meet, attempts that break between two statements.

They need no process to die, only two things at the wrong moment: the real loop on a real database, in this process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import tasks.planning
import tasks.walk
from models.errors import DatabaseUnavailableError, InvalidRunStateError
from models.unit_of_work import open_unit
from tasks.agents.base import AgentResult, CancelToken
from tasks.base import WORKER
from tests.integration.core import moves
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_chain, make_diamond, make_plan
from tests.support.invariants import assert_sound
from tests.support.lines import captured
from tests.support.loop import Loop, Message, database_now, gives, run_together

ROUNDS = 6
"""How often a race is run; both may win."""


# -- F18: the same message many times


def test_of_twenty_copies_of_a_message_one_does_its_work(loop: Loop) -> None:
    """Seen to fail with status and attempt taken out of the look `ahead` in `flex_go_on`: each copy starts the node."""
    # Given a lane whose message was delivered twenty times, by a broker that lost its mind
    run_id = loop.install(make_chain("a", "b"))
    loop.waiting.clear()
    copy = Message("tasks.walk_lane", {"run_id": run_id, "epoch": 1, "node_ids": ["a", "b"]})
    told = loop.run(run_id).last_seq
    # When twenty workers have it at the same moment
    with captured(FLEX_LOG_LEVEL="debug") as lines:
        assert run_together(20, lambda _: loop.deliver(copy)) == [None] * 20
    loop.drain()
    # Then each node started once, and nineteen copies left a line for those who look for it, and no event
    assert Counter(f["nodeId"] for f in loop.told(run_id, "node_start")) == {"a": 1, "b": 1}
    assert len(lines.named("claim_refused")) == 19
    assert {line["level"] for line in lines.named("claim_refused")} == {"debug"}
    assert loop.run(run_id).last_seq == told + 5
    assert_sound(loop.frames(run_id))


# -- F20: a cancel meets everything else


def ends_once(loop: Loop, run_id: str, *, as_one_of: set[str]) -> str:
    """Let the run come to its end, and return how it ended; it has one end, and no node runs on."""
    run = loop.settle(run_id)
    assert run.status in as_one_of
    assert_sound(loop.frames(run_id), status=run.status)
    assert {row["status"] for row in loop.nodes(run_id).values()} <= {"completed", "cancelled"}
    return run.status


@pytest.mark.parametrize("_round", range(ROUNDS))
def test_a_cancel_that_meets_the_last_result_leaves_one_end(loop: Loop, _round: int) -> None:
    """Seen to fail with `end_run`'s caller not locking the run (`with_for_update` taken out of `lock`)."""
    # Given a run whose last node's result is about to be stored
    run_id = loop.install(make_chain("a"))
    message = Message("tasks.advance_run", {"run_id": run_id})
    refused: list[Exception] = []

    def cancel() -> None:
        try:
            loop.cancel(run_id)
        except InvalidRunStateError as error:
            refused.append(error)

    # When the cancel comes at the same moment
    run_together(2, lambda number: cancel() if number else loop.deliver(message))
    # Then there is one end; a cancel that came too late was told so
    ended = ends_once(loop, run_id, as_one_of={"completed", "cancelled"})
    assert bool(refused) == (ended == "completed")


def test_of_twenty_cancels_one_is_told_and_all_are_answered(loop: Loop) -> None:
    """Seen to fail with the early return of a run that is being cancelled taken out: the epoch rises twenty times."""
    run_id = loop.install(make_plan(["a", "b"], output=["a_text"]))
    assert run_together(20, lambda _: loop.cancel(run_id)) == [None] * 20
    ends_once(loop, run_id, as_one_of={"cancelled"})
    # And the epoch rose for the one that was heard, and for the end
    assert loop.run(run_id).epoch <= 3


def test_a_claim_that_comes_with_the_cancel_starts_nothing_behind_it(loop: Loop) -> None:
    """Seen to fail with everything `movable` in `flex_go_on`: the node starts all the same."""
    for together in (*[True] * ROUNDS, False):
        # Given a run whose first node is offered
        run_id = loop.install(make_chain("a", "b"))
        (message,) = (m for m in loop.waiting if m.ids["run_id"] == run_id)
        loop.waiting.clear()
        lane = Message("tasks.walk_lane", {"run_id": run_id, "epoch": 1, "node_ids": ["a", "b"]})
        # When a worker takes it while the run is cancelled, or right behind that
        if together:
            run_together(2, lambda n, r=run_id, m=message: loop.deliver(m) if n else loop.cancel(r))
        else:
            loop.cancel(run_id)
            loop.deliver(lane)
            assert loop.told(run_id, "node_start") == []
        # Then the run ends once, and messages that come after change nothing
        ends_once(loop, run_id, as_one_of={"cancelled", "completed"})
        told = loop.run(run_id).last_seq
        loop.deliver(lane)
        assert loop.run(run_id).last_seq == told


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "intended"])
def test_a_plan_that_comes_with_the_cancel_is_refused_whole(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    """Seen to fail with `_still_mine` answering yes: a run that has ended gets a plan, and a life behind its end."""
    # Given a run that is cancelled while its plan is being found
    run_id = loop.submit(linkedin_envelope())
    find = tasks.planning._search

    def find_while_cancelled(*given: Any, **more: Any) -> Any:
        loop.cancel(run_id)
        if ended:
            loop.deliver(loop.waiting.pop())
        return find(*given, **more)

    monkeypatch.setattr(tasks.planning, "_search", find_while_cancelled)
    # When the plan comes
    loop.drain()
    # Then it is not stored, and the run has one end
    ends_once(loop, run_id, as_one_of={"cancelled"})
    assert loop.told(run_id, "plan_generated") == []
    assert loop.nodes(run_id) == {}


def waiting_for_a_person(loop: Loop) -> str:
    """Return a run that waits for a person's output for its first node."""
    loop.agents.on("a", gives(), gives())
    run_id = loop.install(make_chain("a", "b"))
    assert loop.settle(run_id).status == "awaiting_hitl"
    return run_id


def test_an_answer_that_comes_with_the_cancel_does_not_bring_the_run_back(loop: Loop) -> None:
    """Seen to fail with the check of the run's status taken out of `resolve`: the cancelled run runs on."""
    for _ in range(ROUNDS):
        run_id = waiting_for_a_person(loop)
        accepted: list[bool] = []

        def answer(run_id: str = run_id, accepted: list[bool] = accepted) -> None:
            loop.answer(run_id, output={"a_text": "by hand"})
            accepted.append(True)

        # When the answer and the cancel come together
        run_together(2, lambda n, r=run_id, a=answer: a() if n else loop.cancel(r))
        # Then the run is cancelled, and tells of the answer only if the person was told that it counts
        ends_once(loop, run_id, as_one_of={"cancelled"})
        resolved = [f for f in loop.told(run_id, "hitl_resolved") if f["payload"].get("status") == "resolved"]
        assert len(resolved) <= len(accepted)
    # And one that comes right behind the cancel is refused
    run_id = waiting_for_a_person(loop)
    loop.cancel(run_id)
    with pytest.raises(InvalidRunStateError):
        loop.answer(run_id, output={"a_text": "by hand"})
    ends_once(loop, run_id, as_one_of={"cancelled"})


# -- F27: what breaks a lane outside of its agent


Break = Callable[[], Any]


def unavailable() -> Any:
    raise DatabaseUnavailableError


def out_of_memory() -> Any:
    raise MemoryError


def leave() -> Any:
    raise SystemExit(1)


@pytest.mark.parametrize("break_it", [unavailable, out_of_memory, leave, lambda: 1 / 0])
def test_a_lane_that_breaks_gets_no_more_time_although_its_worker_lives(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, break_it: Break
) -> None:
    """Seen to fail with every lease of the worker extended, not only those that it works on: until the deadline."""
    # Given a join of two, of which one lane breaks between its attempt and its result
    run_id = loop.install(make_diamond())
    store = tasks.walk._complete

    def broken(claim: Any, *rest: Any, **more: Any) -> Any:
        return break_it() if (claim.node_id, claim.attempt) == ("left", 1) else store(claim, *rest, **more)

    monkeypatch.setattr(tasks.walk, "_complete", broken)
    deliver_all_that_breaks(loop)
    assert loop.nodes(run_id)["left"]["status"] == "running"
    # When its worker goes on with other work, whose lease it extends
    with loop.heartbeat.holding(run_id, "elsewhere", 1):
        loop.pass_time(10)
        loop.heartbeat.beat()
    # Then the broken lane's lease ends when it would have ended
    ((left,),) = moves.statement(
        "SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM flex_plan_nodes WHERE node_id = 'left'"
    )
    assert left < 6
    assert loop.settle(run_id).status == "completed"
    assert [f["payload"]["reason"] for f in loop.told(run_id, "node_retry")] == ["lease_lost"]
    assert_sound(loop.frames(run_id))


def test_planning_that_breaks_gets_no_more_time_although_its_worker_lives(loop: Loop) -> None:
    """Seen to fail with every planning lease of the worker extended: the run is never planned."""
    # Given a run that this worker has claimed and lost sight of
    run_id = loop.submit(linkedin_envelope())
    with open_unit(None) as unit:
        assert unit.planning.claim(run_id, 1, WORKER, 15) is not None
    loop.waiting.clear()
    # When the worker goes on with other work
    with loop.heartbeat.holding("another run", "a", 1):
        loop.heartbeat.beat()
        loop.pass_time(16)
        loop.heartbeat.beat()
    # Then the run is planned anew
    lease = loop.run(run_id).planning_lease_until
    assert lease is not None
    assert lease < database_now()
    assert loop.settle(run_id).status == "completed"


def deliver_all_that_breaks(loop: Loop) -> None:
    """Deliver every message; a task that breaks is Celery's to bury."""
    while loop.waiting:
        message = loop.waiting.pop(0)
        try:
            loop.deliver(message)
        except (Exception, SystemExit):  # noqa: BLE001 - what is left behind is what the test asks for
            continue


class Odd:
    """A value that has no JSON."""


@pytest.mark.parametrize(
    "value",
    [Odd(), {1, 2}, b"bytes", float("nan"), "\\\x00", {"\x00": 1}],
    ids=["object", "set", "bytes", "nan", "nul", "nul in a name"],
)
def test_a_result_that_cannot_be_stored_is_a_failed_attempt_that_says_so(loop: Loop, value: Any) -> None:
    """Seen to fail before results were looked at: the lane broke three times and the node was called poison."""
    # Given an agent whose output holds, where no schema looks, what has no JSON
    run_id = loop.install(make_diamond())
    loop.agents.always("left", odd_beside("left", value))
    # When it runs as one side of a join
    run = loop.settle(run_id)
    # Then the run comes out of `running` with that reason, and its sibling has its result
    assert run.status == "awaiting_hitl"
    assert {f["payload"]["reason"] for f in loop.told(run_id, "node_retry")} <= {"invalid_output"}
    assert "JSON" in loop.nodes(run_id)["left"]["error"]["message"]
    assert loop.nodes(run_id)["right"]["status"] == "completed"


def test_a_result_that_only_writes_about_nul_is_stored(loop: Loop) -> None:
    """Seen to fail with the look behind taken out of `_NUL` (tasks/nodes.py): the attempt fails."""
    run_id = loop.install(make_diamond())
    loop.agents.always("left", odd_beside("left", "\\u0000"))
    assert loop.settle(run_id).status == "completed"


def odd_beside(name: str, value: Any) -> Callable[[Any, CancelToken], AgentResult]:
    return lambda _bundle, _cancel: AgentResult({f"{name}_text": "fine"}, provenance={"odd": value})
