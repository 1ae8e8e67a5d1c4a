"""Redis may forget, stop or die, and Postgres may restart: runs go on, and clients miss nothing."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.programs import wait_until
from tests.support.crew import Crew, Member
from tests.support.invariants import assert_sound
from tests.support.stack import example

pytestmark = pytest.mark.timeout(120)

SLOWLY = "before_effect:sleep=0.7"
"""Each node takes long enough to be in the middle of something."""


@pytest.fixture
def worker(crew: Crew, tmp_path: Any) -> Iterator[Member]:
    member = crew.worker(FLEX_FAULT=SLOWLY, FLEX_DATA_DIR=str(tmp_path))
    yield member
    member.send(signal.SIGKILL)
    member.process.wait()


class Listener(threading.Thread):
    """A client that runs an envelope and keeps its frames as they come."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(daemon=True)
        self._crew = crew
        self.frames: list[dict[str, Any]] = []
        self.start()

    def run(self) -> None:
        with self._crew.client() as client:
            for frame in client.run_stream(example("linkedin")):
                self.frames.append(frame)

    def saw(self, frame_type: str, node_id: str | None = None) -> bool:
        return any(f["type"] == frame_type and node_id in {None, f.get("nodeId")} for f in self.frames)

    def finished(self, seconds: float = 60) -> list[dict[str, Any]]:
        self.join(seconds)
        assert not self.is_alive(), [(f["type"], f.get("nodeId")) for f in self.frames]
        return self.frames


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(("node_start", "briefing"), id="in the first node"),
        pytest.param(("node_start", "linkedinVariants~b"), id="with the branches on their way"),
        pytest.param(("node_start", "contentReview~a"), id="half joined"),
    ],
)
def test_a_flushed_redis_loses_no_frame_and_no_join(crew: Crew, worker: Member, moment: tuple[str, str]) -> None:
    # Given a client that listens to a run
    listener = Listener(crew)
    assert wait_until(lambda: listener.saw(*moment), 30)

    # When Redis forgets everything: queues, messages and the live stream
    crew.servers.flush_redis()

    # Then the run completes, and the open stream shows every frame once
    assert_sound(listener.finished())
    assert worker.alive


def test_a_killed_redis_leaves_the_worker_alive_and_the_run_completes(crew: Crew, worker: Member) -> None:
    # Given a run in its branches
    listener = Listener(crew)
    assert wait_until(lambda: listener.saw("node_start", "linkedinVariants~a"), 30)

    # When Redis dies without its data and comes back
    crew.servers.kill("valkey")
    crew.servers.start("valkey")

    # Then the same worker process finishes the run, and works on new ones
    assert_sound(listener.finished())
    assert worker.alive
    assert_sound(Listener(crew).finished())
    assert worker.alive


def test_a_restarted_postgres_loses_nothing(crew: Crew, worker: Member) -> None:
    # Given a run in its branches
    listener = Listener(crew)
    assert wait_until(lambda: listener.saw("node_start", "linkedinVariants~a"), 30)

    # When Postgres is killed and comes back
    crew.servers.kill("postgres")
    crew.servers.start("postgres")

    # Then the run completes with its whole log
    assert_sound(listener.finished())
    assert worker.alive


def test_a_lost_last_frame_reaches_an_open_stream_within_seconds(crew: Crew, worker: Member) -> None:
    # Given a run whose last node is at work
    listener = Listener(crew)
    assert wait_until(lambda: listener.saw("node_start", "contentReview~b"), 30)

    # When Redis is frozen while the run ends, so that its last frames are published to nobody
    crew.servers.freeze("valkey")
    try:
        # Then the stream gets them from the log
        assert_sound(listener.finished(15))
    finally:
        crew.servers.thaw("valkey")


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_posts_are_answered_within_two_seconds_while_redis_is_away(crew: Crew, worker: Member, how: str) -> None:
    # Given a Redis that does not answer, or is not there
    lose, restore = _losing_redis(crew, how)
    lose()
    try:
        # When runs are posted
        replies = []
        with crew.client() as client:
            for _ in range(3):
                began = time.monotonic()
                run = client.start_run(example("linkedin"))
                replies.append((run["runId"], time.monotonic() - began))
    finally:
        restore()

    # Then each was answered in time, and goes on once Redis is back
    assert all(seconds < 2 for _, seconds in replies), replies
    with crew.client() as client:
        for run_id, _ in replies:
            assert_sound(list(client.events(run_id)))


def _losing_redis(crew: Crew, how: str) -> tuple[Callable[[], None], Callable[[], None]]:
    if how == "frozen":
        return lambda: crew.servers.freeze("valkey"), lambda: crew.servers.thaw("valkey")
    return lambda: crew.servers.kill("valkey"), lambda: crew.servers.start("valkey")
