"""Streams are opened a few at a time, and nothing else waits for them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Blueprint, Flask

from app import errors
from app.stream import turnstile
from tests.support.lines import captured
from tests.support.relay import wait_until


class Door:
    """An app whose streams take as long to open as the test likes."""

    def __init__(self, patience: float) -> None:
        self.opening = threading.Semaphore(0)
        self.let_go = threading.Event()
        self.app = Flask("door", static_folder=None)
        errors.init_app(self.app)
        turnstile.init_app(self.app, at_once=2, patience=patience)
        runs = Blueprint("runs", __name__)
        runs.add_url_rule("/events", "read_events", self._open)
        runs.add_url_rule("/runs", "list_runs", lambda: "runs")
        self.app.register_blueprint(runs)

    def _open(self) -> str:
        self.opening.release()
        self.let_go.wait(10)
        return "opened"

    def ask(self, path: str = "/events") -> int:
        return self.app.test_client().get(path).status_code

    def crowd(self, count: int) -> tuple[list[threading.Thread], list[int]]:
        """Let so many ask for a stream at once; return them and the statuses that they get."""
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda: statuses.append(self.ask())) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads, statuses


@pytest.fixture
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    door = Door(getattr(request, "param", 10))
    yield door
    door.let_go.set()


def test_a_crowd_is_let_in_by_turns_and_others_pass_by(door: Door) -> None:
    # Given five who ask for a stream at once
    threads, statuses = door.crowd(5)
    # Then two are being served, and whoever asks for something else is answered
    for _ in range(2):
        assert door.opening.acquire(timeout=5)
    assert not door.opening.acquire(timeout=0.1)
    assert door.ask("/runs") == 200
    # And when these are done, the others follow
    with captured() as lines:
        door.let_go.set()
        for thread in threads:
            thread.join(5)
    assert statuses == [200] * 5
    # And each of the three that had to wait says for how long
    waits = lines.named("flex_sse_queue")
    assert [line["limit"] for line in waits] == [2] * 3
    assert all(line["duration_ms"] > 0 for line in waits)


@pytest.mark.parametrize("door", [0.05], indirect=True)
def test_who_waits_too_long_is_told_when_to_come_back(door: Door) -> None:
    # Given as many who are being served as may be
    threads, _ = door.crowd(2)
    for _ in threads:
        assert door.opening.acquire(timeout=5)
    # When another one comes
    reply = door.app.test_client().get("/events")
    # Then it is refused, and does not take away a turn that it never had
    assert (reply.status_code, (reply.get_json() or {})["code"]) == (503, "server_busy")
    assert int(reply.headers["Retry-After"]) > 0
    door.let_go.set()
    for thread in threads:
        thread.join(5)
    wait_until(lambda: door.ask() == 200)
