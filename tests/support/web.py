"""The web face against real servers: in this process through a client, or as gunicorn in a process of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from flask import Flask

from app import create_app
from models.catalogue import catalogue
from models.database import disconnect
from models.events.doorbell import live_bus
from models.repositories import capabilities, measured
from models.settings import child_environ, get_settings

ROOT = Path(__file__).resolve().parents[2]
CACHES = (get_settings, live_bus, catalogue)


def forget_process() -> None:
    """Let this process read its settings and open its connections anew."""
    disconnect()
    for cached in CACHES:
        cached.cache_clear()
    capabilities._snapshots.forget()
    measured._kept.forget()


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch, database_url: str, redis_url: str) -> Iterator[dict[str, str]]:
    """This process's models, connected to the test's own database and Redis; the variables that say so."""
    variables = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "FLEX_TEST": "1"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    forget_process()
    yield variables
    forget_process()


@pytest.fixture
def web_app(connected: dict[str, str]) -> Iterator[Flask]:
    """The whole app in this process; its relay is stopped at the end."""
    app = create_app()
    yield app
    hub = app.extensions["flex"].hub
    hub.stop()
    hub.join(5)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WebServer:
    """One gunicorn, as the Procfile starts it."""

    def __init__(self, variables: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # A file, not a pipe: a server whose log nobody reads would stop when the pipe is full.
        self._written = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by stop
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("gunicorn")), "-c", "app/gunicorn_conf.py", "app.wsgi:app"],
            cwd=ROOT,
            env=child_environ({**variables, "FLEX_SERVER_PORT": str(self.port)}),
            stdout=self._written,
            stderr=subprocess.STDOUT,
        )
        self._wait_until_alive()

    def _wait_until_alive(self) -> None:
        deadline = time.monotonic() + 30
        with httpx2.Client(trust_env=False, timeout=2) as client:
            while time.monotonic() < deadline:
                try:
                    if client.get(f"{self.url}/healthz").status_code == httpx2.codes.OK:
                        return
                except httpx2.TransportError:
                    time.sleep(0.05)
                if self.process.poll() is not None:
                    break
        raise AssertionError(f"gunicorn did not come up:\n{self.stop()}")

    def terminate(self) -> float:
        """Send TERM and return how many seconds the server took to exit."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        return time.monotonic() - begun

    def stop(self) -> str:
        """End the server whatever it does; return what it wrote."""
        self.process.kill()
        self.process.wait(20)
        log = self.log
        self._written.close()
        return log

    @property
    def log(self) -> str:
        """What the server has written so far."""
        if self._written.closed:
            return ""
        self._written.seek(0)
        return self._written.read()


@contextmanager
def open_stream(url: str, *, method: str = "GET", timeout: float = 10.0, **more: Any) -> Iterator[httpx2.Response]:
    """Open a stream as curl would, without proxies."""
    with (
        httpx2.Client(trust_env=False, timeout=timeout) as client,
        client.stream(method, url, **more) as response,
    ):
        yield response


def read_marks(response: httpx2.Response) -> Iterator[dict[str, Any]]:
    """Yield what a stream says: {id?, event?, data?} of each event, {comment} and {retry} of the rest."""
    fields: dict[str, Any] = {}
    for line in response.iter_lines():
        if not line:
            if "data" in fields:
                fields["data"] = json.loads(fields["data"])
            if fields:
                yield fields
            fields = {}
        elif line.startswith(":"):
            yield {"comment": line[1:].strip()}
        else:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
