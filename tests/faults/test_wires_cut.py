"""A wire between two parts is cut, goes dead or loses its answers: what was done once stays done once."""

from __future__ import annotations

import json
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from app.programs import wait_until
from models.database import IDLE_SECONDS_BEFORE_PING
from models.events.bus import STREAM, LiveBus
from models.events.frames import Frame
from tests.faults.outside import Outside
from tests.support.crew import Crew, Member
from tests.support.invariants import assert_sound
from tests.support.net import Net, postgres_socket, postgres_through, redis_socket, redis_through
from tests.support.stack import example

WRITER, OTHER_WRITER = "linkedinVariants~a", "linkedinVariants~b"
RELEASED = "released"


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="net-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["cut", "half_open"])
def test_a_worker_that_loses_the_database_loses_its_node_and_its_late_result(
    crew: Crew, near: Path, tmp_path: Path, how: str
) -> None:
    """Seen to fail with status, worker and attempt taken out of the settling in `flex_go_on`: the late result is not
    refused, and breaks a check of the table when it counts the next node down again; and with the attempt's number in
    the bundle's idempotency key: two effects.
    """
    with Outside() as outside, lone_worker(crew, outside, near, tmp_path) as (net, first, envelope, node_id):
        run_id, loss = lose_the_node(crew, outside, net, how, envelope)
        # And when the wire is whole again, the first worker learns that its node is somebody else's
        net.heal()
        assert wait_until(lambda: told(first, "lease_lost", run_id), 30)
        # A connection that rested for long is looked at before it is used; one that broke just now is not.
        assert wait_until(lambda: loss.age > IDLE_SECONDS_BEFORE_PING, 2 * IDLE_SECONDS_BEFORE_PING)
        # And its late result reaches the database, and is refused
        release(tmp_path)
        assert wait_until(lambda: told(first, "late_result_refused", run_id), 30)
        assert not told(first, "database_unavailable", run_id)
        assert_done_once(crew, outside, run_id, node_id)
        assert first.alive


@pytest.mark.timeout(120)
def test_a_result_that_finds_no_database_is_nobodys(crew: Crew, near: Path, tmp_path: Path) -> None:
    """Seen to fail with the attempt's number in the bundle's idempotency key: two effects; and with
    `_hand_back` taken out of `FlexTask`: the message does not come again.
    """
    with Outside() as outside, lone_worker(crew, outside, near, tmp_path) as (net, first, envelope, node_id):
        run_id, _ = lose_the_node(crew, outside, net, "cut", envelope)
        # And while the wire is still cut, the first worker has its result, and says that there is no database
        before = len(first.said())
        release(tmp_path)
        assert wait_until(lambda: told(first, "database_unavailable", run_id), 30)
        net.heal()
        # Then the message that it handed back is taken once more, and leads to nothing
        assert wait_until(lambda: ended_twice(first.said()[before:]), 30)
        assert not told(first, "late_result_refused", run_id)
        assert_done_once(crew, outside, run_id, node_id)
        assert first.alive


@contextmanager
def lone_worker(
    crew: Crew, outside: Outside, near: Path, folder: Path
) -> Iterator[tuple[Net, Member, dict[str, Any], str]]:
    """Give a worker behind a wire of its own, which holds the result of the node that asks the world."""
    envelope = outside.envelope(crew)
    node_id = outside.node_of(crew, envelope)
    hold = f"after_effect@{node_id}:hold={RELEASED}"
    with Net(postgres_socket(crew.servers.database_url), near / ".s.PGSQL.5432") as net:
        through = postgres_through(crew.servers.database_url, near)
        # With one thread it takes no further message that would hang with it, to be published again much later.
        first = crew.worker(threads=1, DATABASE_URL=through, FLEX_FAULT=hold, FLEX_DATA_DIR=str(folder))
        try:
            yield net, first, envelope, node_id
        finally:
            end(first)


@dataclass(frozen=True, slots=True)
class Loss:
    """When a wire broke."""

    at: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


def lose_the_node(crew: Crew, outside: Outside, net: Net, how: str, envelope: dict[str, Any]) -> tuple[str, Loss]:
    """Break the wire when the world has done what was asked for; another worker completes the run meanwhile."""
    with crew.client() as client:
        run_id = str(client.start_run(envelope)["runId"])
        assert wait_until(lambda: len(outside.effects) == 1, 30)
        # When the wire breaks with the result in the worker's hand
        getattr(net, how)()
        loss, second = Loss(time.monotonic()), crew.worker()
        try:
            # Then another worker, which has no part in this, takes the node and completes the run
            assert_sound(list(client.events(run_id)))
        finally:
            end(second)
    return run_id, loss


def assert_done_once(crew: Crew, outside: Outside, run_id: str, node_id: str) -> None:
    """Hold the run against the promise: one key, one effect, one result, of the second attempt."""
    assert list(outside.asked.values()) == [2]
    assert len(outside.effects) == 1
    with crew.client() as client:
        frames = list(client.events(run_id))
    assert_sound(frames)
    results = [f["payload"]["attempt"] for f in frames if f["type"] == "node_complete" and f["nodeId"] == node_id]
    assert results == [2]
    lost = [f["payload"]["reason"] for f in frames if f["type"] == "node_retry"]
    assert lost == ["lease_lost"]


def release(folder: Path) -> None:
    """Let the held result go."""
    (folder / "faults" / RELEASED).touch()


def told(member: Member, event: str, run_id: str) -> bool:
    """Tell whether the process has a line of this name about the run."""
    return any(f'"event": "{event}"' in line and run_id in line for line in member.said().splitlines())


def ended_twice(said: str) -> bool:
    """Tell whether a worker has come to the end of the same message twice."""
    return 2 in Counter(re.findall(r"Task (tasks\.\w+\[[\w-]+\]) succeeded", said)).values()


def end(member: Member) -> None:
    member.send(signal.SIGKILL)
    member.process.wait()


def started(snapshot: dict[str, object], node_id: str) -> bool:
    nodes = snapshot["nodes"]
    assert isinstance(nodes, list)
    return any(node["nodeId"] == node_id and node["attempt"] > 0 for node in nodes)


@pytest.mark.timeout(90)
def test_answers_of_redis_that_are_lost_double_no_frame_and_lose_none(crew: Crew, near: Path, tmp_path: Path) -> None:
    """Seen to fail with the relay's question to Postgres taken out: what the worker could not publish is missed."""
    # Given a worker behind a wire to Redis that loses every answer from the middle of a run on
    with Net(redis_socket(crew.servers.redis_url), near / "redis.sock") as net:
        worker = crew.worker(
            REDIS_URL=redis_through(crew.servers.redis_url, near / "redis.sock"),
            FLEX_FAULT=f"before_effect@{WRITER}:sleep=1.5",
            FLEX_DATA_DIR=str(tmp_path),
        )
        try:
            with crew.client() as client:
                run_id = client.start_run(example("linkedin"))["runId"]
                # Both lanes are in hand: this worker would swallow a message that is still on its way, time and again.
                for writer in (WRITER, OTHER_WRITER):
                    assert wait_until(lambda writer=writer: started(client.run(run_id), writer), 30)  # type: ignore[misc]
                net.drop_replies()
                assert wait_until(lambda: net.dropped > 1, 30)
                frames = list(client.events(run_id))
                net.heal()
        finally:
            worker.send(signal.SIGKILL)
            worker.process.wait()
    # Then the client has seen every frame once
    assert_sound(frames)


def test_a_frame_whose_publishing_was_not_confirmed_is_not_published_again(crew: Crew, near: Path) -> None:
    """Seen to fail with a retry in `LiveBus` (`Retry(NoBackoff(), 3)`): the live stream holds the frame twice."""
    with (
        Net(redis_socket(crew.servers.redis_url), near / "redis.sock") as net,
        closing(redis.Redis.from_url(crew.servers.redis_url)) as stream,
    ):
        bus = LiveBus(redis_through(crew.servers.redis_url, near / "redis.sock"))
        bus.publish([frame(1)])
        # When Redis took the next frame, and its answer is lost
        net.drop_replies(1)
        bus.publish([frame(2)])
        assert net.dropped == 1
        # Then nobody tells it again
        entries: Any = stream.xrange(STREAM)
        bus._commands.close()
    told = [each for _, entry in entries for each in json.loads(entry[b"frames"])]
    assert [each["id"] for each in told if each["runId"] == "flex_of_nobody"][-2:] == ["1", "2"]


@pytest.mark.parametrize("how", ["cut", "half_open", "drop_replies"])
def test_publishing_over_a_broken_wire_gives_up_within_its_time(crew: Crew, near: Path, how: str) -> None:
    """Seen to fail with `socket_timeout` taken out of `LiveBus`: a half-open wire holds the publisher for ever."""
    # Given a bus behind a wire that worked once
    with Net(redis_socket(crew.servers.redis_url), near / "redis.sock") as net:
        bus = LiveBus(redis_through(crew.servers.redis_url, near / "redis.sock"))
        bus.publish([frame(1)])
        # When the wire breaks
        getattr(net, how)()
        began = time.monotonic()
        bus.publish([frame(2)])
        bus.publish([frame(3)])
        # Then publishing comes back soon, and the next one does not even try
        assert time.monotonic() - began < 2
        bus._commands.close()


def frame(seq: int) -> Frame:
    """Return a frame of a run that nobody listens to."""
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    return Frame("flex_of_nobody", seq, "log", moment, "c", 1, "default", payload={})
