"""A browser on another origin is a first-class client, and one correlation id ties together what a request causes."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.programs import wait_until
from tests.acceptance.conftest import ORIGIN
from tests.support.envelopes import freeform_envelope
from tests.support.stack import Stack, example
from tests.support.visitor import FLEX, Visitor

ASKED = "authorization, content-type, idempotency-key, last-event-id, x-correlation-id"
EXPOSED = {"X-Run-Id", "X-Correlation-Id", "Location", "Retry-After"}
ROUTES = (
    ("POST", f"{FLEX}/run.stream"),
    ("POST", f"{FLEX}/runs"),
    ("GET", f"{FLEX}/runs"),
    ("POST", f"{FLEX}/plan"),
    ("GET", f"{FLEX}/runs/some-run"),
    ("GET", f"{FLEX}/runs/some-run/events"),
    ("POST", f"{FLEX}/runs/some-run/cancel"),
    ("POST", f"{FLEX}/capabilities/register"),
    ("PATCH", f"{FLEX}/capabilities/some.one"),
    ("DELETE", f"{FLEX}/capabilities/some.one"),
    ("GET", f"{FLEX}/facets"),
    ("POST", f"{FLEX}/conditions/validate"),
    ("GET", "/api/hitl/pending"),
    ("POST", "/api/hitl/resume"),
    ("POST", f"{FLEX}/hitl/resolve"),
    ("GET", "/api/v1/health"),
    ("GET", "/openapi.json"),
)


def listed(header: str) -> set[str]:
    return {part.strip().lower() for part in header.split(",")}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_answers_a_preflight(visitor: Visitor, method: str, path: str) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": ASKED}

    reply = visitor.http.options(path, headers=asked)

    assert reply.status_code == 204
    assert reply.content == b""
    assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method.lower() in listed(reply.headers["Access-Control-Allow-Methods"])
    assert listed(ASKED) <= listed(reply.headers["Access-Control-Allow-Headers"])
    assert "origin" in listed(reply.headers["Vary"])


def test_replies_errors_and_streams_are_open_to_the_allowed_origin_and_to_no_other(visitor: Visitor) -> None:
    # Given a run to read
    run_id = visitor.start(example("blog"))
    visitor.wait(run_id)
    origin = {"Origin": ORIGIN}
    requests: tuple[tuple[str, str, int, dict[str, Any]], ...] = (
        ("GET", f"{FLEX}/runs", 200, {}),
        ("GET", f"{FLEX}/runs/{run_id}/events", 200, {}),
        ("GET", f"{FLEX}/runs/nobody", 404, {}),
        ("GET", "/nowhere", 404, {}),
        ("DELETE", f"{FLEX}/runs", 405, {}),
        ("POST", f"{FLEX}/runs", 422, {"json": {}}),
        ("POST", f"{FLEX}/runs", 400, {"content": b"{", "headers": {"Content-Type": "application/json"}}),
        ("POST", f"{FLEX}/runs/{run_id}/cancel", 409, {}),
        ("POST", f"{FLEX}/run.stream", 413, {"json": {"objective": "x" * 1_100_000}}),
        ("POST", f"{FLEX}/run.stream", 200, {"json": example("blog")}),
    )
    for method, path, status, options in requests:
        given = {**options, "headers": {**options.get("headers", {}), **origin}}
        with visitor.opened(method, path, **given) as reply:
            # Then each reply is readable by that origin
            assert reply.status_code == status, (method, path, reply.read())
            assert reply.headers["Access-Control-Allow-Origin"] == ORIGIN, (method, path)
            assert {name.lower() for name in EXPOSED} <= listed(reply.headers["Access-Control-Expose-Headers"])
            assert reply.headers["X-Correlation-Id"]
    # And another origin is told nothing of the kind
    for path in (f"{FLEX}/runs", f"{FLEX}/runs/nobody"):
        other = visitor.get(path, headers={"Origin": "https://elsewhere.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


class Agent:
    """A remote agent that keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        kept = self.seen

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                kept.append({name.lower(): value for name, value in self.headers.items()})
                body = json.dumps({"output": {"post_copy": "Come and build boats with us."}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.mark.parametrize(
    ("header", "metadata", "expected"),
    [
        ("from-the-header", "from-the-metadata", "from-the-header"),
        (None, "from-the-metadata", "from-the-metadata"),
        (None, None, None),
        ("caf\u00e9 \u2028", None, None),
    ],
    ids=["the header's", "else the metadata's", "else a new one", "a header that is none is not taken"],
)
def test_one_correlation_id_stands_in_everything_that_a_request_causes(
    flex_up: Stack, visitor: Visitor, header: str | None, metadata: str | None, expected: str | None
) -> None:
    # Given a remote agent, and an envelope with an id in its header, in its metadata, or nowhere
    agent = Agent()
    contract = {"mode": "facets", "facets": ["post_copy"]}
    registration = {
        "capabilityId": "yard.caller",
        "version": "1.0.0",
        "displayName": "Caller",
        "summary": "Writes one line",
        "kind": "execution",
        "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
        "outputContract": contract,
        "endpoint": {"url": agent.url},
    }
    assert visitor.post(f"{FLEX}/capabilities/register", registration).status_code == 200
    policies = {"planner": {"selection": {"require": ["yard.caller"]}}}
    envelope = freeform_envelope(outputContract=contract, policies=policies)
    if metadata:
        envelope["metadata"] = {"correlationId": metadata}
    try:
        # When it runs
        headers = {} if header is None else {"X-Correlation-Id": header.encode()}
        with visitor.opened("POST", f"{FLEX}/run.stream", json=envelope, headers=headers) as response:
            response.read()
    finally:
        agent.stop()
        visitor.http.delete(f"{FLEX}/capabilities/yard.caller")

    # Then the reply, each frame, the run and the agent's call carry the same id
    found = response.headers["X-Correlation-Id"]
    assert expected in {None, found}
    assert found.isascii()
    run_id = response.headers["X-Run-Id"]
    frames = visitor.frames(run_id)
    assert frames[-1]["payload"]["status"] == "completed"
    assert {frame["correlationId"] for frame in frames} == {found}
    assert visitor.run(run_id)["run"]["correlationId"] == found
    assert [call["x-correlation-id"] for call in agent.seen] == [found]
    # And so do the lines about the run in the logs of web and worker
    for process in ("web", "worker"):

        def ids(process: str = process) -> set[str]:
            written = (json.loads(line) for line in flex_up.log(process).splitlines() if line.startswith("{"))
            # Requests that only read the run have ids of their own, and its id in their path.
            about = [line for line in written if line.get("run_id") == run_id and run_id not in line.get("path", "")]
            return {str(line.get("correlation_id")) for line in about}

        assert wait_until(lambda ids=ids: ids() == {found}, 5), (process, ids())  # type: ignore[misc]


def test_a_refusal_carries_the_id_that_it_was_sent_with(visitor: Visitor) -> None:
    reply = visitor.post(f"{FLEX}/runs", {"metadata": {"correlationId": "mine"}})
    assert (reply.status_code, reply.headers["X-Correlation-Id"]) == (422, "mine")

    named = visitor.post(f"{FLEX}/runs", {"metadata": {"correlationId": "mine"}}, {"X-Correlation-Id": "the header's"})
    assert named.headers["X-Correlation-Id"] == "the header's"
