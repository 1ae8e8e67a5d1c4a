"""Somebody else's agent: a real HTTP server that keeps what it was asked and plays the replies it was given."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = {"output": {"post_copy": "Come and build boats with us."}, "usage": {"promptTokens": 7, "completionTokens": 3}}


@dataclass(frozen=True)
class Call:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.raw))


class RemoteAgent:
    """An agent that plays replies `(status, headers, body)` one after another, the last one again and again."""

    def __init__(self) -> None:
        self.replies: list[tuple[int, dict[str, str], Any]] = [(200, {}, GOOD)]
        self.calls: list[Call] = []
        agent = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                agent.calls.append(Call({k.lower(): v for k, v in self.headers.items()}, raw))
                status, headers, body = agent.replies.pop(0) if len(agent.replies) > 1 else agent.replies[0]
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/agent"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
