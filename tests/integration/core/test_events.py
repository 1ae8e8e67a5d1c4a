"""The log as clients read it, and runs as lists show them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from models.errors import InvalidRunStateError
from models.events.bus import MemoryBus
from models.events.frames import Draft
from models.unit_of_work import open_unit
from policies.errors import InvalidInputError
from tests.integration.core import moves
from tests.support.factories import make_chain
from tests.support.loop import Loop, install_run

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def run_id() -> str:
    """A run with ten frames: start, plan_generated and eight of two kinds."""
    found = install_run(make_chain("a"))
    with open_unit(None) as unit:
        kinds = [Draft("log" if number % 2 else "node_retry", {"n": number}) for number in range(8)]
        unit.events.append(found, *kinds)
    return found


def page(run_id: str, **how: object) -> list[int]:
    with open_unit() as unit:
        return [frame.seq for frame in unit.events.page(run_id, **how)]  # type: ignore[arg-type]  # any of its keywords


def test_a_page_begins_behind_a_number_and_ends_at_its_limit(run_id: str) -> None:
    assert page(run_id) == list(range(1, 11))
    assert page(run_id, after=7) == [8, 9, 10]
    assert page(run_id, after=2, limit=3) == [3, 4, 5]
    assert page(run_id, after=10) == page("unknown") == []


def test_a_page_of_some_types_keeps_their_numbers(run_id: str) -> None:
    assert page(run_id, types=["log"]) == [4, 6, 8, 10]
    assert page(run_id, types=["start", "plan_generated"]) == [1, 2]


def test_frames_are_published_after_the_commit_and_never_before(run_id: str) -> None:
    bus = MemoryBus()
    # When a transaction that has written frames is given up
    with pytest.raises(ZeroDivisionError), open_unit(None, bus=bus) as unit:
        1 / unit.events.append(run_id, Draft("log")).index(unit.events.written[-1])
    # Then nothing was published and no number is missing
    assert bus.tail() == "0-0"
    # And when one is committed
    with open_unit(None, bus=bus) as unit:
        unit.events.append(run_id, Draft("log", {"kept": True}))
        assert bus.tail() == "0-0"
    # Then it was
    _, (frame,) = bus.read("0-0", 0)
    assert (frame["id"], frame["payload"]["kept"]) == ("11", True)


def test_what_fails_after_the_commit_takes_nothing_back(run_id: str) -> None:
    called: list[int] = []

    def broken() -> None:
        raise OSError("the broker is away")

    with open_unit(None) as unit:
        unit.events.append(run_id, Draft("log"))
        unit.on_commit(broken)
        unit.on_commit(lambda: called.append(1))
    assert page(run_id)[-1] == 11
    assert called == [1]


def test_a_frame_of_an_unknown_run_is_an_error() -> None:
    with pytest.raises(LookupError), open_unit(None) as unit:
        unit.events.append("nobody", Draft("log"))


def test_the_last_numbers_of_many_runs_come_in_one_answer(run_id: str) -> None:
    other = install_run(make_chain("a"))
    with open_unit() as unit:
        assert unit.runs.last_seqs([run_id, other, "unknown"]) == {run_id: 10, other: 2}


def test_runs_are_listed_newest_first_page_by_page() -> None:
    runs = [install_run(make_chain("a")) for _ in range(5)]
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        with open_unit() as unit:
            part = unit.runs.list(limit=2, cursor=cursor)
        seen += [run.run_id for run in part.data]
        cursor = part.next_cursor
    assert seen == runs[::-1]
    assert cursor is None


def test_runs_are_found_by_status_text_client_and_time() -> None:
    runs = [install_run(make_chain("a")) for _ in range(3)]
    moves.statement("UPDATE flex_runs SET objective = '100% wood', client_id = 'c-1' WHERE run_id = :r", r=runs[0])
    moves.statement("UPDATE flex_runs SET status = 'failed', wake_at = NULL WHERE run_id = :r", r=runs[1])

    def found(**how: object) -> list[str]:
        with open_unit() as unit:
            return [run.run_id for run in unit.runs.list(**how).data]  # type: ignore[arg-type]  # any of its keywords

    assert found(q="100%") == found(q="WOOD") == found(client="c-1") == [runs[0]]
    assert found(status="failed") == [runs[1]]
    assert found(q="_") == []
    assert found(since=datetime(2999, 1, 1, tzinfo=UTC)) == []
    assert len(found(since=datetime(2000, 1, 1, tzinfo=UTC))) == 3


STRANGE: list[Any] = [
    ["2026-01-01T00:00:00+00:00", "\0"],
    ["9999-12-31T23:59:59-23:59", "a"],
    ["2026-01-01T00:00:00+00:00", 5],
    ["2026-01-01T00:00:00+00:00", None],
]


def cursor_of(position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


@pytest.mark.parametrize("cursor", ["x", "%%%", "e30", "WzEsMl0", "bnVsbA", "WyJhIiwiYiJd", *map(cursor_of, STRANGE)])
def test_a_cursor_from_elsewhere_is_refused_at_its_pointer(cursor: str) -> None:
    with pytest.raises(InvalidInputError) as caught, open_unit() as unit:
        unit.runs.list(cursor=cursor)
    assert [problem.pointer for problem in caught.value.problems] == ["/cursor"]


def test_a_cancel_is_kept_as_an_intent_and_repeated_without_effect(loop: Loop) -> None:
    run_id = install_run(make_chain("a"))
    with open_unit() as unit:
        first = unit.runs.cancel(run_id, operator={"id": "op"}, note="wrong text")
    with open_unit() as unit:
        second = unit.runs.cancel(run_id)
    assert (first.status, first.epoch, second.epoch) == ("cancelling", 2, 2)
    assert first.metadata["cancel"] == {"operator": {"id": "op"}, "note": "wrong text"}


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_run_that_has_ended_otherwise_cannot_be_cancelled(status: str) -> None:
    run_id = install_run(make_chain("a"))
    moves.statement("UPDATE flex_runs SET status = :s, wake_at = NULL", s=status)
    with pytest.raises(InvalidRunStateError) as caught, open_unit() as unit:
        unit.runs.cancel(run_id)
    assert caught.value.data == {"status": status}
