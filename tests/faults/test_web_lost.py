"""A web process may die or stop at any moment: clients come back and go on, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg2
import pytest
import redis

from app.programs import wait_until
from models.events.bus import STREAM
from tests.faults.listener import Listener
from tests.support.crew import Crew, Member
from tests.support.invariants import assert_sound
from tests.support.stack import example
from tests.support.web import open_stream, read_marks

FLEX = "/api/v1/flex"
SSE = {"Accept": "text/event-stream"}
pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def worker(crew: Crew, tmp_path: Path) -> Iterator[Member]:
    member = crew.worker(FLEX_FAULT="before_effect:sleep=0.7", FLEX_DATA_DIR=str(tmp_path))
    yield member
    member.send(signal.SIGKILL)
    member.process.wait()


class OtherWeb:
    """One more web process of the crew, at a port of its own."""

    def __init__(self, crew: Crew, **settings: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.member = crew.start("other-web", *crew.web.command, FLEX_SERVER_PORT=str(self.port), **settings)
        assert wait_until(self.answers, 60), self.member.said()

    def answers(self) -> bool:
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.url}/healthz", trust_env=False, timeout=5).status_code == 200
        return False

    def end(self) -> None:
        self.member.send(signal.SIGTERM)
        self.member.process.wait(20)


def test_a_client_of_a_killed_web_process_misses_nothing(crew: Crew, worker: Member) -> None:
    """Seen to fail with `Last-Event-ID` ignored by the stream: the client is told the first frames again."""
    # Given a client in the middle of a run
    listener = Listener(crew)
    assert wait_until(lambda: listener.saw("node_start", "linkedinVariants~a"), 30)
    # When the web process and its workers are killed, and started again
    seen = len(listener.frames)
    workers = gunicorn_workers(crew.web)
    for pid in (crew.web.process.pid, *workers):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    crew.web.process.wait()
    crew.web = crew.start("web", *crew.web.command)
    # Then it comes back by itself and sees every frame once
    frames = listener.finished()
    assert_sound(frames)
    assert len(frames) > seen > 0


def gunicorn_workers(member: Member) -> list[int]:
    children = Path(f"/proc/{member.process.pid}/task/{member.process.pid}/children")
    return [int(pid) for pid in children.read_text(encoding="ascii").split()]


def test_a_post_whose_reply_was_lost_is_done_once(crew: Crew, worker: Member, tmp_path: Path) -> None:
    """Seen to fail with `unit.idempotency.claim` answering None always: the second request starts a second run."""
    # Given a web process that dies when a run is stored, before anybody was told
    folder = tmp_path / "web"
    web = OtherWeb(crew, FLEX_FAULT="before_publish:kill9", FLEX_DATA_DIR=str(folder))
    headers = {"Idempotency-Key": f"order-{uuid4().hex}"}
    try:
        with httpx2.Client(base_url=web.url, trust_env=False, timeout=30) as client:
            with pytest.raises(httpx2.TransportError):
                client.post(f"{FLEX}/runs", json=example("linkedin"), headers=headers)
            # When the client asks again with the same key, twice
            assert wait_until(web.answers, 30)
            replies = [client.post(f"{FLEX}/runs", json=example("linkedin"), headers=headers) for _ in range(2)]
    finally:
        web.end()
    # Then it gets the run that was stored, which completes although nobody had published it
    assert [reply.status_code for reply in replies] == [202, 202]
    assert {reply.headers["Idempotency-Replayed"] for reply in replies} == {"true"}
    (run_id,) = {reply.json()["runId"] for reply in replies}
    with crew.client() as client:
        assert_sound(list(client.events(run_id)))


def test_a_web_process_that_stops_answers_what_it_has_begun(crew: Crew) -> None:
    """Seen to fail with `graceful_timeout` at 0: the waiting request is cut off without a reply."""
    # Given a web process with a stream, and a request that waits for a run's lock
    web = OtherWeb(crew)
    words: list[dict[str, Any]] = []
    replies: list[httpx2.Response] = []
    with crew.client() as client:
        run_id = client.start_run(example("linkedin"))["runId"]
    address = f"{web.url}{FLEX}/runs/{run_id}"

    def listen() -> None:
        with open_stream(f"{address}/events", timeout=30) as response:
            words.extend(read_marks(response))

    def cancel() -> None:
        replies.append(httpx2.post(f"{address}/cancel", trust_env=False, timeout=30))

    threads = [threading.Thread(target=act, daemon=True) for act in (listen, cancel)]
    with connected(crew) as holder:
        with holder.cursor() as cursor:
            cursor.execute("SELECT 1 FROM flex_runs WHERE run_id = %s FOR UPDATE", (run_id,))
            for thread in threads:
                thread.start()
            assert wait_until(lambda: waits_for_a_lock(crew), 20)
            # When it is told to stop
            began = time.monotonic()
            web.member.send(signal.SIGTERM)
            assert wait_until(lambda: any("comment" in mark for mark in words), 10)
            holder.rollback()
        web.member.process.wait(20)
        took = time.monotonic() - began
    for thread in threads:
        thread.join(10)
    # Then the stream was told to come back, the request was answered, and the process is gone within seconds
    assert words[-2:] == [{"comment": "server-restart"}, {"retry": "500"}]
    assert [reply.status_code for reply in replies] == [202]
    assert took < 8
    assert web.member.process.returncode == 0


def waits_for_a_lock(crew: Crew) -> bool:
    with connected(crew) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchall())


@contextmanager
def connected(crew: Crew) -> Iterator[Any]:
    with closing(psycopg2.connect(crew.servers.database_url.replace("+psycopg2", ""))) as connection:
        yield connection


def test_ten_thousand_frames_are_told_from_the_log_in_order(crew: Crew) -> None:
    """Seen to fail with one page taken for the end of the log, and the relay's question out: the rest never comes."""
    # Given a run with ten thousand frames, of which Redis knows none any more
    total = 10_000
    run_id = f"flex_{uuid4().hex}"
    with connected(crew) as connection, connection, connection.cursor() as cursor:
        cursor.execute(LONG_RUN, {"run_id": run_id, "total": total})
    with closing(redis.Redis.from_url(crew.servers.redis_url)) as client:
        client.xtrim(STREAM, maxlen=0, approximate=False)
    # When a client comes back that had seen the first
    began = time.monotonic()
    headers = {**SSE, "Last-Event-ID": "1"}
    with open_stream(f"http://127.0.0.1:{crew.port}{FLEX}/runs/{run_id}/events", headers=headers, timeout=30) as stream:
        ids, first = [], 0.0
        for mark in read_marks(stream):
            if "id" in mark:
                first = first or time.monotonic() - began
                ids.append(int(mark["id"]))
    # Then it is told all others in order, and the first of them soon
    assert ids == list(range(2, total + 1))
    assert first < 0.3


LONG_RUN = """
    INSERT INTO flex_runs (run_id, tenant_id, status, reason, objective, envelope, metadata, correlation_id, last_seq)
    VALUES (%(run_id)s, 'default', 'failed', 'told', 'a long log', '{}', '{}', 'c', %(total)s);
    INSERT INTO flex_events (run_id, seq, tenant_id, type, plan_version, correlation_id, payload, timestamp)
    SELECT %(run_id)s, n, 'default', CASE WHEN n = %(total)s THEN 'complete' ELSE 'log' END, 0, 'c',
           CASE WHEN n = %(total)s THEN '{"status": "failed"}'::json ELSE '{}'::json END, clock_timestamp()
      FROM generate_series(1, %(total)s) AS n;
"""
