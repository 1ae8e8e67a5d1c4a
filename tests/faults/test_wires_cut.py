"""A wire between two parts is cut, goes dead or loses its answers: what was done once stays done once."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from app.programs import wait_until
from models.events.bus import STREAM, LiveBus
from models.events.frames import Frame
from tests.support.crew import Crew
from tests.support.invariants import assert_sound
from tests.support.net import Net, postgres_socket, postgres_through, redis_socket, redis_through
from tests.support.stack import example

WRITER = "linkedinVariants~a"


@pytest.fixture
def near() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="net-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("how", ["cut", "half_open"])
def test_a_worker_that_loses_the_database_loses_its_node_and_its_late_result(
    crew: Crew, near: Path, tmp_path: Path, how: str
) -> None:
    """Seen to fail with status, worker and attempt taken out of the settling in `flex_go_on`: two results."""
    # Given a worker behind a wire of its own, and another one that has no part in this
    slow = f"after_effect@{WRITER}:sleep=5"
    with Net(postgres_socket(crew.servers.database_url), near / ".s.PGSQL.5432") as net:
        through = postgres_through(crew.servers.database_url, near)
        # With one thread it takes no further message that would hang with it, to be published again much later.
        first = crew.worker(threads=1, DATABASE_URL=through, FLEX_FAULT=slow, FLEX_DATA_DIR=str(tmp_path))
        with crew.client() as client:
            run_id = client.start_run(example("linkedin"))["runId"]
            assert wait_until(lambda: started(client.run(run_id), WRITER), 30)
            # When the wire breaks in the middle of a node
            getattr(net, how)()
            second = crew.worker()
            # Then the other worker completes the run
            assert_sound(list(client.events(run_id)))
            net.heal()
            # And when the wire is whole again, the late result is refused
            assert wait_until(
                lambda: "late_result_refused" in first.said() or "database_unavailable" in first.said(), 30
            )
            frames = list(client.events(run_id))
        assert_sound(frames)
        assert Counter(f["nodeId"] for f in frames if f["type"] == "node_complete")[WRITER] == 1
        assert first.alive
        for member in (first, second):
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
                assert wait_until(lambda: started(client.run(run_id), WRITER), 30)
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
    assert [entry[b"s"] for _, entry in entries if entry[b"r"] == b"flex_of_nobody"][-2:] == [b"1", b"2"]


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
