"""A client from outside: plain HTTP, event streams read line by line, and what the database holds, to compare."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Self

import httpx2
import psycopg2
from jsonschema import Draft202012Validator

from app.client import FlexClient, frames_of
from app.programs import wait_until

FLEX = "/api/v1/flex"
Frame = dict[str, Any]
TERMINAL = ("completed", "failed", "cancelled")
KEPT_BY_THE_SERVICE = ("flex_canaries", "flex_timers", "flex_audit", "alembic_version")
"""Tables that change without any request, or note one that was refused."""


class Visitor:
    """Somebody who knows the address of a server and nothing else."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx2.Client(base_url=url, trust_env=False, timeout=30)
        self._schemas: dict[str, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def get(self, path: str, **options: Any) -> httpx2.Response:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """Post a body as JSON, `null` included."""
        told = {"Content-Type": "application/json", **(headers or {})}
        return self.http.post(path, content=json.dumps(body), headers=told)

    @contextmanager
    def opened(self, method: str, path: str, **options: Any) -> Iterator[httpx2.Response]:
        """Open a stream; leaving the block closes the connection, whatever the server was about to say."""
        with self.http.stream(method, path, timeout=60, **options) as response:
            yield response

    def stream(self, envelope: Any, headers: Mapping[str, str] | None = None) -> tuple[httpx2.Response, list[Frame]]:
        """Post an envelope and read its stream to the end that the server gives it."""
        with self.opened("POST", f"{FLEX}/run.stream", json=envelope, headers=headers) as response:
            assert response.status_code == 200, response.read()
            return response, list(frames_of(response))

    def start(self, envelope: Any, **headers: str) -> str:
        """Submit an envelope without listening to it; return the run's id."""
        reply = self.post(f"{FLEX}/runs", envelope, headers)
        assert reply.status_code == 202, reply.text
        return str(reply.json()["runId"])

    def cancel(self, run_id: str) -> httpx2.Response:
        return self.http.post(f"{FLEX}/runs/{run_id}/cancel")

    def run(self, run_id: str) -> dict[str, Any]:
        """Return the debug snapshot."""
        reply = self.get(f"{FLEX}/runs/{run_id}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def status(self, run_id: str) -> str:
        return str(self.run(run_id)["run"]["status"])

    def wait(self, run_id: str, *statuses: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until the run has one of the statuses, by default a terminal one; return its snapshot."""
        assert wait_until(lambda: self.status(run_id) in (statuses or TERMINAL), seconds), self.run(run_id)["run"]
        return self.run(run_id)

    def frames(self, run_id: str) -> list[Frame]:
        """Return a run's whole log."""
        return list(self.get(f"{FLEX}/runs/{run_id}/events?limit=500", headers=JSON).json()["data"])

    def assert_valid(self, frames: list[Frame]) -> None:
        """Hold each frame against its schema in the server's own /openapi.json."""
        if not self._schemas:
            self._schemas = self.get("/openapi.json").json()["components"]["schemas"]
        for frame in frames:
            name = "".join(word.capitalize() for word in frame["type"].split("_")) + "Frame"
            schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": self._schemas}}
            problems = [f"{e.json_path}: {e.message}" for e in Draft202012Validator(schema).iter_errors(frame)]
            assert not problems, (frame["type"], problems)


JSON = {"Accept": "application/json"}


def client_of(visitor: Visitor) -> FlexClient:
    return FlexClient(visitor.url)


def row_counts(database_url: str) -> dict[str, int]:
    """Return how many rows each table holds that only requests and runs write to."""
    with closing(psycopg2.connect(database_url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        names = [name for (name,) in cursor.fetchall() if name not in KEPT_BY_THE_SERVICE]
        counts = {}
        for name in names:
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            counts[name] = sum(count for (count,) in cursor.fetchall())
        return counts


def pointers(reply: httpx2.Response) -> set[str]:
    return {entry["pointer"] for entry in reply.json()["errors"]}


def told(frames: list[Frame], frame_type: str, node_id: str | None = None) -> list[Frame]:
    """Return the frames of a type, of one node if named."""
    return [f for f in frames if f["type"] == frame_type and node_id in {None, f.get("nodeId")}]


def pretty(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)[:3000]
