"""The live stream: frames travel together in entries of bounded size, and come out as they went in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models.events import bus as bus_module
from models.events.bus import ENTRY_BYTES, IN_LOG, OWNER, STREAM, LiveBus
from models.events.frames import Frame

SMALL = 300
"""A size of entries that a few frames fill."""


def frame(seq: int, text: str = "") -> Frame:
    return Frame("run", seq, "log", datetime(2026, 1, 2, tzinfo=UTC), "c", 1, "owner", payload={"text": text})


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.delete(STREAM)
        yield client


@pytest.fixture
def bus(server: redis.Redis, redis_url: str) -> Iterator[LiveBus]:
    found = LiveBus(redis_url)
    yield found
    found._commands.close()
    found._reading(0).close()


def entries(server: redis.Redis) -> list[dict[bytes, bytes]]:
    found: Any = server.xrange(STREAM)
    return [fields for _, fields in found]


def test_frames_at_hand_travel_in_one_entry(server: redis.Redis, bus: LiveBus) -> None:
    # Given a reader at the end of the stream
    cursor = bus.tail()
    # When frames of two moments are published
    bus.publish([frame(1), frame(2), frame(3)])
    bus.publish([frame(4)])
    # Then they are two entries, and the reader has them all with their owner, in order
    assert len(entries(server)) == 2
    cursor, found = bus.read(cursor, 10)
    assert found == [{**frame(seq).as_json(), OWNER: "owner"} for seq in range(1, 5)]
    # And nothing twice
    assert bus.read(cursor, 10) == (cursor, [])
    assert cursor == bus.tail()


def test_a_reader_goes_on_behind_the_entry_that_it_has_read(bus: LiveBus, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given more entries than one answer holds
    monkeypatch.setattr(bus_module, "ENTRIES_PER_READ", 2)
    for seq in range(1, 11, 2):
        bus.publish([frame(seq), frame(seq + 1)])
    # Then each answer goes on where the one before ended
    cursor, told = "0", []
    for _ in range(3):
        cursor, found = bus.read(cursor, 10)
        told.append([int(each["id"]) for each in found])
    assert told == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]


def test_an_entry_of_another_version_is_passed_over(server: redis.Redis, bus: LiveBus) -> None:
    # Given an entry of a form that is not ours, and one of ours behind it
    server.xadd(STREAM, {"f": '{"type":"log"}'})
    bus.publish([frame(1)])
    # When they are read
    cursor, frames = bus.read("0-0", 10)
    # Then ours is there, and reading goes on behind it
    assert [each["id"] for each in frames] == ["1"]
    assert bus.read(cursor, 10) == (cursor, [])


def test_a_frame_too_large_for_an_entry_is_announced(server: redis.Redis, bus: LiveBus) -> None:
    bus.publish([frame(1), frame(2, "x" * ENTRY_BYTES), frame(3)])
    _, found = bus.read("0", 10)
    assert [each["id"] for each in found] == ["1", "2", "3"]
    assert found[1] == {"type": "log", "id": "2", "runId": "run", OWNER: "owner", IN_LOG: True}
    assert sum(len(fields[b"frames"]) for fields in entries(server)) < 1000


def test_the_stream_keeps_a_bounded_number_of_entries(
    server: redis.Redis, bus: LiveBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail without `maxlen`: all 500 are there."""
    monkeypatch.setattr(bus_module, "STREAM_LENGTH", 10)
    for seq in range(500):
        bus.publish([frame(seq)])
    # Valkey cuts whole blocks of a hundred.
    assert len(entries(server)) <= 110


@given(st.lists(st.text(max_size=200), max_size=30))
def test_entries_hold_every_frame_in_order_and_no_more_than_fits(texts: list[str]) -> None:
    frames = [frame(seq, text) for seq, text in enumerate(texts, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus_module, "ENTRY_BYTES", SMALL)
        made = list(bus_module._entries(frames))
        each = [bus_module._text(one) for one in frames]
    # Every frame is there, in order
    assert [document for entry in made for document in json.loads(entry)] == [json.loads(text) for text in each]
    # And an entry ends where the next frame would have been too much
    assert all(len(entry) <= SMALL for entry in made)
    begun = 0
    for entry in made[:-1]:
        begun += len(json.loads(entry))
        assert len(entry) + len(b",") + len(each[begun]) > SMALL
