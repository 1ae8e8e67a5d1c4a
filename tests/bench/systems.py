"""The two systems that runs are measured on, Flex and a bare Celery canvas, and the workers of each."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis

from models.events.bus import LiveBus
from models.settings import child_environ, get_settings
from tasks import dispatch
from tests.bench import bare
from tests.bench.prepared import ended, prepare
from tests.bench.servers import ROOT

WARM_UP_RUNS = 64
"""As many as the workers have threads, so that each has its connections before the clock runs."""

Ends = Callable[[set[str]], list[str]]
"""Waits a moment for runs to end and names those that have; it is told which are waited for."""


class Flex:
    """The product: a run with a prepared plan, its end heard on the live stream."""

    name = "flex"

    def __init__(self) -> None:
        self._bus = LiveBus(get_settings().redis_url or "")

    def make(self, count: int) -> list[str]:
        return prepare(count)

    def start(self, run_id: str) -> None:
        dispatch.advance_run(run_id)

    def ends(self) -> Ends:
        cursor = self._bus.tail()

        def more(waiting: set[str]) -> list[str]:
            nonlocal cursor
            cursor, frames = self._bus.read(cursor, 1000)
            heard = [frame["runId"] for frame in frames if frame["type"] == "complete"]
            # A frame that was not published is found in the database, as every stream finds it.
            return heard if frames else ended(waiting)

        return more

    def commands(self) -> list[tuple[str, ...]]:
        application = ("-A", "tests.bench.worker:celery")
        worker = (*application, "worker", "-P", "threads")
        return [
            (*worker, "-c", "32", "-Q", "nodes,bulk", *_named("flex0")),
            (*worker, "-c", "32", "-Q", "nodes,bulk", *_named("flex1")),
            (*worker, "-c", "2", "-Q", "control", *_named("flex2")),
            (*application, "beat", "--pidfile=", "-s", f"{get_settings().data_dir}/beat"),
        ]


class Bare:
    """Celery alone: the canvas, its end heard on a list."""

    name = "bare"

    def __init__(self) -> None:
        self._client = redis.Redis.from_url(get_settings().redis_url or "", socket_timeout=30)

    def make(self, count: int) -> list[str]:
        return [f"run-{time.time_ns()}-{number}" for number in range(count)]

    def start(self, name: str) -> None:
        bare.canvas(name).apply_async()

    def ends(self) -> Ends:
        self._client.delete(bare.DONE)

        def more(_waiting: set[str]) -> list[str]:
            found: Any = self._client.blpop([bare.DONE], timeout=1)
            return [found[1].decode()] if found else []

        return more

    def commands(self) -> list[tuple[str, ...]]:
        return [("-A", "tests.bench.bare:app", "worker", "-P", "prefork", "-c", "2", *_named("bare0"))]


System = Flex | Bare


def at_once(system: System, count: int) -> float:
    """Start `count` runs at once; return the seconds until the last has ended."""
    names = system.make(count)
    waiting, more = set(names), system.ends()
    began = time.perf_counter()
    for name in names:
        system.start(name)
    while waiting:
        waiting.difference_update(more(waiting))
    return time.perf_counter() - began


def in_a_row(system: System, count: int) -> list[float]:
    """Start runs one after another; return how many milliseconds each took."""
    durations = []
    for name in system.make(count):
        more, seen = system.ends(), False
        began = time.perf_counter()
        system.start(name)
        while not seen:
            seen = name in more({name})
        durations.append((time.perf_counter() - began) * 1000)
    return durations


@contextmanager
def workers(system: System, **environ: str) -> Iterator[list[int]]:
    """Run the workers of a system for the length of the block, warm; give the ids of their processes."""
    running = [
        subprocess.Popen(
            (sys.executable, "-m", "celery", *command),
            cwd=ROOT,
            env=child_environ(environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        for command in system.commands()
    ]
    try:
        at_once(system, WARM_UP_RUNS)
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _named(name: str) -> tuple[str, ...]:
    return ("-n", f"{name}@%h", "--without-gossip", "--without-mingle", "-l", "warning")
