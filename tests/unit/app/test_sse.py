"""Streams are written so that any client of server-sent events can read and resume them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.hub import Hub
from app.schemas.frame import frame_json_schemas
from app.stream.follow import Follower
from app.stream.response import hang_up, stream_response
from app.stream.sse import Stream, reset_text, write_events
from planner.contracts.json_schema import validator_for
from tests.support.relay import FrailBus, MemoryLog, frame, make_hub
from tests.unit.app.test_gunicorn_conf import run_aside as run_process


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def hub(log: MemoryLog) -> Any:
    hub = make_hub(FrailBus(), log)
    yield hub
    hub.stop()
    hub.join(5)


def write(hub: Hub, log: MemoryLog, **more: Any) -> list[str]:
    types = more.pop("types", None)
    follower = Follower(hub.subscribe("a"), log, caught_up=hub.caught_up, **more)
    return list(write_events(follower, Stream("a", "c-1"), types=types))


def test_a_frame_has_type_id_and_one_line_of_data(hub: Hub, log: MemoryLog) -> None:
    # Given a run whose frame holds line breaks and letters beyond ASCII
    log.append(frame("a", 1, "log", message="one\ntwo\r\u2028three ö"), frame("a", 2, "complete"))
    # Then it is written in three fields
    opening, first, last = write(hub, log)
    assert opening == "retry: 2000\n\n"
    kind, identity, data, *rest = first.split("\n")
    assert (kind, identity, rest) == ("event: log", "id: 1", ["", ""])
    assert json.loads(data.removeprefix("data: "))["message"] == "one\ntwo\r\u2028three ö"
    assert last.startswith("event: complete\nid: 2\n")


def test_types_leave_out_other_frames_but_not_the_end(hub: Hub, log: MemoryLog) -> None:
    log.append(frame("a", 1, "start"), frame("a", 2, "log"), frame("a", 3, "complete"))
    texts = write(hub, log, types=frozenset({"log"}))
    assert [text.split("\n")[0] for text in texts[1:]] == ["event: log"]


def test_the_last_word_of_a_run_that_waits_is_a_mark_without_an_id(hub: Hub, log: MemoryLog) -> None:
    # Given a run that waits for a person
    log.append(frame("a", 1, "hitl_request"))
    log.statuses["a"] = "awaiting_hitl"
    # Then the stream ends with the request and the mark
    texts = write(hub, log, until_paused=True)
    assert texts[-2].startswith("event: hitl_request\nid: 1\n")
    kind, data = texts[-1].strip().split("\n")
    mark = json.loads(data.removeprefix("data: "))
    assert kind == "event: log"
    assert (mark["type"], mark["message"], mark["runId"]) == ("log", "stream_paused", "a")
    assert "id" not in mark
    assert validator_for(frame_json_schemas()["log"]).problems(mark) == []


def test_a_server_that_stops_says_when_to_come_back(hub: Hub, log: MemoryLog) -> None:
    hub.stop()
    assert write(hub, log)[-1] == ": server-restart\nretry: 500\n\n"


def test_a_place_that_the_run_never_had_is_reset() -> None:
    kind, data = reset_text(Stream("a", "c-1")).strip().split("\n")
    assert kind == "event: reset"
    assert json.loads(data.removeprefix("data: "))["payload"] == {"after": 0}


def test_the_response_is_not_buffered_and_leaves_the_relay_when_closed_unread(hub: Hub, log: MemoryLog) -> None:
    # Given a stream of which nothing was ever sent
    subscription = hub.subscribe("a")
    follower = Follower(subscription, log, caught_up=hub.caught_up)
    response = stream_response(
        write_events(follower, Stream("a", None)), close=subscription.close, headers={"X-Run-Id": "a"}
    )
    assert hub.listeners() == 1
    # When the client goes
    response.close()
    # Then its place is free
    assert hub.listeners() == 0
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["X-Run-Id"] == "a"


def test_where_the_server_hides_its_socket_nobody_is_hung_up_on() -> None:
    assert hang_up({}) is None


def test_a_stream_outlives_its_request_and_ends_with_its_connection() -> None:
    # Given a process of greenlets, and a server that closes its connection when a request has ended
    found = run_process(
        """
        from gevent import monkey; monkey.patch_all()
        import socket, threading
        from app.stream.response import stream_response
        go_on, closed = threading.Event(), threading.Event()
        def events():
            yield "data: 1\\n\\n"
            go_on.wait()
            yield "data: 2\\n\\n"
        client, server = socket.socketpair()
        environ = {"gunicorn.socket": server, "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_METHOD": "GET",
                   "wsgi.url_scheme": "http", "HTTP_HOST": "x", "PATH_INFO": "/"}
        try:
            stream_response(events(), close=closed.set, headers={"X-Run-Id": "a"})(environ, None)
        except StopIteration:
            server.close()
        del environ, server
        text = client.recv(10_000)
        while b"data: 1" not in text:
            text += client.recv(10_000)
        go_on.set()
        while more := client.recv(10_000):
            text += more
        head, _, body = text.decode().partition("\\r\\n\\r\\n")
        lines = head.split("\\r\\n")
        print(lines[0], "X-Run-Id: a" in lines, "Connection: close" in lines, repr(body), closed.is_set())
        """
    )
    # Then the client gets what came before and after, and the end
    expected = "HTTP/1.1 200 OK True True " + repr("data: 1\n\ndata: 2\n\n") + " True"
    assert found.stdout.strip() == expected, found.stderr
    assert found.stderr == ""
