"""The whole of Flex in processes of its own, as `flex up` starts them, with servers that a test may kill.

`stack` is one for the session, for tests that leave it healthy; `start_stack` starts another one with other settings.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.client import FlexClient
from app.data_folder import DataFolder
from app.programs import wait_until
from models.settings import child_environ
from tests.support.servers import OwnServers, make_data_dir

ROOT = Path(__file__).parents[2]
READY_SECONDS = 90
SETTINGS = {
    "FLEX_TEST": "1",
    "FLEX_LEASE_SECONDS": "2",
    "FLEX_SWEEP_SECONDS": "1",
    "FLEX_WORKER_THREADS": "8",
    "FLEX_SERVER_PORT": "23003",
    "FLEX_FLOWER_PORT": "25555",
    "FLEX_LOG_FORMAT": "json",
}


class Stack:
    """A running `flex up` on servers of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        """Start it and wait until it is ready; `settings` are environment variables beside the usual ones."""
        self.folder = folder
        self.servers = OwnServers(folder / "servers")
        self.output = folder / "up.log"
        environ = {
            **SETTINGS,
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "FLEX_DATA_DIR": str(folder / "data"),
            **settings,
        }
        with self.output.open("w", encoding="utf-8") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "up", "--plain"],
                cwd=ROOT,
                env=child_environ(environ),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        ready = wait_until(lambda: self.process.poll() is not None or bool(self.state().get("ready")), READY_SECONDS)
        if not ready or self.process.poll() is not None:
            text = self.output.read_text(encoding="utf-8", errors="replace")
            self.stop()
            pytest.fail(f"the stack did not become ready:\n{text[-8000:]}")

    def state(self) -> dict[str, Any]:
        """Return what `flex up` tells about itself."""
        return DataFolder(self.folder / "data").read_state() or {}

    @property
    def url(self) -> str:
        return str(self.state()["webUrl"])

    @property
    def database_url(self) -> str:
        return self.servers.database_url

    @property
    def redis_url(self) -> str:
        return self.servers.redis_url

    def client(self) -> FlexClient:
        return FlexClient(self.url)

    def pid(self, name: str) -> int | None:
        """Return the process of `web`, `worker`, `control`, `beat` or `flower`, None while it is down."""
        pid = self.state()["processes"][name]["pid"]
        return None if pid is None else int(pid)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to a process and return its id; with SIGKILL wait until it has been replaced."""
        pid = self.pid(name)
        assert pid is not None, f"{name} is down"
        os.kill(pid, number)
        if number == signal.SIGKILL:
            assert wait_until(lambda: self.pid(name) not in {None, pid}, 20), f"{name} was not started again"
        return pid

    def freeze(self, name: str) -> int:
        """Stop a process in its tracks, as a machine that hangs does."""
        return self.kill(name, signal.SIGSTOP)

    def thaw(self, name: str) -> int:
        return self.kill(name, signal.SIGCONT)

    def wait_healthy(self, seconds: float = 60) -> None:
        """Wait until health says so again."""

        def healthy() -> bool:
            with self.client() as client:
                try:
                    return client.health().get("status") == "healthy"
                except Exception:  # noqa: BLE001 - whatever it is, it is not healthy yet
                    return False

        assert wait_until(healthy, seconds), f"not healthy after {seconds} s; {self.output} tells"

    def log(self, name: str) -> str:
        """Return what a process has written so far."""
        return (self.folder / "data" / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Stop everything, as Ctrl-C does, and print the last of what was said, for a test that failed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        sys.stdout.write(self.output.read_text(encoding="utf-8", errors="replace")[-6000:])
        self.servers.stop()


def example(name: str) -> dict[str, Any]:
    """Return an envelope of `docs/examples`."""
    envelope: dict[str, Any] = json.loads((ROOT / "docs" / "examples" / f"{name}.json").read_text(encoding="utf-8"))
    return envelope


def run_to_end(client: FlexClient, envelope: dict[str, Any], seconds: float = 60) -> list[dict[str, Any]]:
    """Run an envelope and return its frames; fail when it takes longer than it may."""
    deadline, frames = time.monotonic() + seconds, []
    for frame in client.run_stream(envelope):
        frames.append(frame)
        assert time.monotonic() < deadline, f"not at the end after {seconds} s: {[f['type'] for f in frames]}"
    return frames


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The session's stack. A test that breaks something in it waits until it is healthy again."""
    yield from _stack()


@pytest.fixture
def start_stack() -> Iterator[Callable[..., Stack]]:
    """Start stacks with settings of their own; they are stopped after the test."""
    running = []

    def start(**settings: str) -> Stack:
        running.append(_stack(**settings))
        return next(running[-1])

    yield start
    for one in running:
        next(one, None)


def _stack(**settings: str) -> Iterator[Stack]:
    folder = make_data_dir()
    one = Stack(folder, **settings)
    yield one
    one.stop()
    shutil.rmtree(folder, ignore_errors=True)
