"""Frames as clients get them, and the bus of one process."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

from models.events.bus import MemoryBus, SilentBus
from models.events.frames import Draft, Frame, timestamp_text

MOMENT = datetime(2026, 3, 1, 12, 0, 0, 678_901, tzinfo=UTC)


def frame(seq: int = 7, kind: str = "log", **members: object) -> Frame:
    return Frame("run", seq, kind, MOMENT, "corr", 1, "default", **members)  # type: ignore[arg-type]  # any of its fields


def test_a_moment_is_told_in_utc_with_milliseconds() -> None:
    assert timestamp_text(MOMENT) == "2026-03-01T12:00:00.678Z"
    assert timestamp_text(MOMENT.astimezone(timezone(timedelta(hours=5)))) == "2026-03-01T12:00:00.678Z"


def test_a_frame_leaves_out_what_it_has_not() -> None:
    assert frame().as_json() == {
        "type": "log", "id": "7", "timestamp": "2026-03-01T12:00:00.678Z", "runId": "run", "correlationId": "corr",
        "planVersion": 1,
    }  # fmt: skip


def test_an_empty_payload_is_kept() -> None:
    assert frame(payload={}).as_json()["payload"] == {}


def test_only_the_last_frame_is_terminal() -> None:
    assert frame(kind="complete").terminal
    assert not frame(kind="node_complete").terminal


def test_a_payload_that_repeats_its_moment_gets_the_logs_own() -> None:
    start = Draft("node_start", {"attempt": 1})
    assert start.stamped(MOMENT) == {"attempt": 1, "startedAt": "2026-03-01T12:00:00.678Z"}
    assert start.payload == {"attempt": 1}
    assert Draft("log", {"a": 1}).stamped(MOMENT) == {"a": 1}
    assert Draft("node_start").stamped(MOMENT) is None


def test_the_bus_of_one_process_gives_what_lies_behind_a_cursor() -> None:
    bus = MemoryBus()
    bus.publish([frame(1), frame(2)])
    cursor, first = bus.read("0-0", 0)
    assert [f["id"] for f in first] == ["1", "2"]
    assert cursor == bus.tail()
    assert bus.read(cursor, 0) == (cursor, [])
    bus.publish([frame(3)])
    assert [f["id"] for f in bus.read(cursor, 0)[1]] == ["3"]


def test_a_reader_is_woken_by_what_it_waits_for() -> None:
    bus = MemoryBus()
    thread = threading.Timer(0.01, lambda: bus.publish([frame(1)]))
    thread.start()
    assert [f["id"] for f in bus.read("0-0", 10_000)[1]] == ["1"]
    thread.join(10)


def test_without_redis_nobody_is_told() -> None:
    bus = SilentBus()
    bus.publish([frame()])
    assert bus.read(bus.tail(), 0) == ("0-0", [])
