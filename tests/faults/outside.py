"""The outside world: a remote agent that does something once per Idempotency-Key, and counts how often it was asked."""

from __future__ import annotations

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx2

from tests.support.crew import Crew
from tests.support.envelopes import freeform_envelope

CAPABILITY = "yard.outside"
CONTRACT = {"mode": "facets", "facets": ["post_copy"]}


class Outside:
    """`asked` counts requests by key, `effects` are those that were new."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.effects: list[str] = []
        outside, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers["Idempotency-Key"]
                with lock:
                    outside.asked[key] += 1
                    if outside.asked[key] == 1:
                        outside.effects.append(key)
                reply = json.dumps({"output": {"post_copy": "Come and build boats with us."}}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                """Stay silent: what was asked is counted."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def envelope(self, crew: Crew, **metadata: Any) -> dict[str, Any]:
        """Register the agent at the crew's web process, and return an envelope that only it can fulfil."""
        base = f"http://127.0.0.1:{crew.port}/api/v1/flex"
        registration = {
            "capabilityId": CAPABILITY,
            "version": "1.0.0",
            "displayName": "Outside",
            "summary": "Does something in the world",
            "kind": "execution",
            "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
            "outputContract": CONTRACT,
            "endpoint": {"url": f"http://127.0.0.1:{self._server.server_address[1]}/agent"},
            "metadata": metadata,
        }
        with httpx2.Client(trust_env=False) as client:
            reply = client.post(f"{base}/capabilities/register", json=registration)
            assert reply.is_success, reply.text
            known = client.get(f"{base}/capabilities").json()["data"]
        others = [c["capabilityId"] for c in known if "post_copy" in c["outputFacets"]]
        selection = {"require": [CAPABILITY], "forbid": [name for name in others if name != CAPABILITY]}
        return freeform_envelope(outputContract=CONTRACT, policies={"planner": {"selection": selection}})

    @staticmethod
    def node_of(crew: Crew, envelope: Any) -> str:
        """Return the id of the node that will ask the agent."""
        with crew.client() as client:
            nodes = client.plan(envelope)["plan"]["nodes"]
        (node_id,) = (node["id"] for node in nodes if node["capabilityId"] == CAPABILITY)
        return str(node_id)
