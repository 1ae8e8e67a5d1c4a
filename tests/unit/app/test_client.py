"""The client against a real server: frames, reconnects, refusals in plain lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from app import client as module
from app.client import ClientError, FlexClient, ServerUnreachableError

Answer = tuple[int, str, str]
EVENTS = "text/event-stream"


def frame(seq: int, kind: str, **rest: Any) -> dict[str, Any]:
    return {"type": kind, "id": str(seq), "runId": "r1", **rest}


def event(document: dict[str, Any]) -> str:
    number = f"id: {document['id']}\n" if "id" in document else ""
    return f": heartbeat\n\nevent: {document['type']}\n{number}data: {json.dumps(document)}\n\n"


class Script:
    """What the server answers, in order, and what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    def handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                script.asked.append((self.command, self.path, dict(self.headers), body))
                status, kind, text = script.answers.pop(0)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("X-Run-Id", "r1")
                self.end_headers()
                self.wfile.write(text.encode())

            do_GET = do_POST = _answer  # noqa: N815 - the names that the server looks for

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlexClient]:
    monkeypatch.setattr(module, "RECONNECT_SECONDS", 0.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), script.handler())
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    with FlexClient(f"http://127.0.0.1:{server.server_port}", "the-api-key") as one:
        yield one
    server.shutdown()
    server.server_close()


def test_a_stream_yields_frames_to_the_terminal_one(script: Script, client: FlexClient) -> None:
    script.answers = [(200, EVENTS, event(frame(1, "start")) + event(frame(2, "complete")))]

    frames = list(client.run_stream({"objective": "x"}))

    assert [entry["type"] for entry in frames] == ["start", "complete"]
    method, path, headers, body = script.asked[0]
    assert (method, path, json.loads(body)) == ("POST", "/api/v1/flex/run.stream", {"objective": "x"})
    assert headers["Authorization"] == "Bearer the-api-key"


def test_a_dropped_stream_is_taken_up_behind_the_last_frame(script: Script, client: FlexClient) -> None:
    # Given a server that closes the stream after frame 2 and again after frame 3, in the middle of a frame
    script.answers = [
        (200, EVENTS, event(frame(1, "start")) + event(frame(2, "plan_requested"))),
        (200, EVENTS, event(frame(3, "plan_generated")) + "event: complete\nid: 4\nda"),
        (200, EVENTS, event(frame(4, "complete"))),
    ]

    # When the run is streamed
    frames = list(client.run_stream({}))

    # Then every frame came once, and the client asked for what it lacked
    assert [entry["id"] for entry in frames] == ["1", "2", "3", "4"]
    assert [path for _, path, _, _ in script.asked[1:]] == ["/api/v1/flex/runs/r1/events"] * 2
    assert [headers["Last-Event-ID"] for _, _, headers, _ in script.asked[1:]] == ["2", "3"]


def test_a_run_that_waits_for_a_person_ends_the_stream_and_marks_without_id_are_passed_over(
    script: Script, client: FlexClient
) -> None:
    paused = {"type": "log", "runId": "r1", "message": "stream_paused"}
    overrun = {"type": "overrun", "runId": "r1", "message": "client_too_slow"}
    script.answers = [
        (200, EVENTS, event(frame(1, "start")) + event(overrun)),
        (200, EVENTS, event(frame(2, "node_start")) + event(paused)),
    ]

    frames = list(client.run_stream({}))

    assert [entry["type"] for entry in frames] == ["start", "node_start", "log"]


def test_a_taken_up_stream_ends_when_a_person_was_asked_and_nothing_moves(script: Script, client: FlexClient) -> None:
    script.answers = [
        (200, EVENTS, event(frame(1, "start"))),
        (200, EVENTS, event(frame(2, "hitl_request"))),
        (200, "application/json", json.dumps({"run": {"status": "awaiting_hitl"}})),
    ]

    assert [entry["type"] for entry in client.run_stream({})] == ["start", "hitl_request"]


def test_a_drained_run_answers_nothing(script: Script, client: FlexClient) -> None:
    script.answers = [(204, EVENTS, "")]

    assert list(client.events("r1", after=7)) == []


def test_a_refusal_names_every_problem(script: Script, client: FlexClient) -> None:
    problem = {
        "title": "Unprocessable",
        "code": "validation_failed",
        "detail": "the envelope is not valid",
        "errors": [{"pointer": "/objective", "message": "is missing"}, {"pointer": "", "message": "is too large"}],
    }
    script.answers = [(422, "application/problem+json", json.dumps(problem))]

    with pytest.raises(ClientError) as caught:
        list(client.run_stream({}))

    assert caught.value.message == "refused (validation_failed)\n  /objective: is missing\n  /: is too large"
    assert caught.value.status == 422
    assert caught.value.problem["title"] == "Unprocessable"


def test_health_is_told_also_when_it_is_bad(script: Script, client: FlexClient) -> None:
    script.answers = [(503, "application/json", '{"status": "degraded"}'), (200, "text/html", "<p>hello</p>")]

    assert client.health() == {"status": "degraded"}
    with pytest.raises(ClientError, match="is it a Flex server"):
        client.health()


def test_nobody_there_is_one_line_with_a_remedy() -> None:
    with FlexClient("http://127.0.0.1:1") as client, pytest.raises(ServerUnreachableError, match="flex up"):
        list(client.run_stream({}))
