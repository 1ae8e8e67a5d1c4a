"""The measuring half of `tests.bench.runs`, started with the addresses of its servers in the environment."""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from models.events.bus import LiveBus
from models.settings import child_environ, get_settings
from models.telemetry import configure_logging
from tasks import dispatch
from tests.bench import bare
from tests.bench.prepared import ended, prepare

ROOT = Path(__file__).parents[2]
AT_ONCE, IN_A_ROW, SLOW = 200, 50, 100
ROUNDS = 3
SLOW_SECONDS = 0.1


def main() -> None:
    """Print every figure of every round, flex and bare in turn, as JSON."""
    configure_logging(get_settings())
    flex, plain = Flex(), Bare()
    rounds = []
    for _ in range(ROUNDS):
        one: dict[str, Any] = {}
        with workers("flex", flex):
            one["flex"] = {"a": many(flex, AT_ONCE), "p50_ms": in_a_row(flex, IN_A_ROW)}
        with workers("bare", plain):
            one["bare"] = {"a": many(plain, AT_ONCE), "p50_ms": in_a_row(plain, IN_A_ROW)}
        with workers("flex", flex, BENCH_NODE_SECONDS=str(SLOW_SECONDS)):
            one["flex"]["b_seconds"] = SLOW / many(flex, SLOW)
        rounds.append(one)
        sys.stderr.write(json.dumps(one) + "\n")
    sys.stdout.write(json.dumps(rounds))


Ends = Callable[[set[str]], list[str]]
"""Waits a moment for runs to end and names those that have; it is told which are waited for."""


class Flex:
    """The product: a run with a prepared plan, its end heard on the live stream."""

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


class Bare:
    """Celery alone: the canvas, its end heard on a list."""

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


def many(system: Flex | Bare, count: int) -> float:
    """Start `count` runs at once; return runs per second."""
    names = system.make(count)
    waiting, more = set(names), system.ends()
    began = time.perf_counter()
    for name in names:
        system.start(name)
    while waiting:
        waiting.difference_update(more(waiting))
    return count / (time.perf_counter() - began)


def in_a_row(system: Flex | Bare, count: int) -> float:
    """Start runs one after another; return the median duration in milliseconds."""
    durations = []
    for name in system.make(count):
        more, seen = system.ends(), False
        began = time.perf_counter()
        system.start(name)
        while not seen:
            seen = name in more({name})
        durations.append((time.perf_counter() - began) * 1000)
    return statistics.median(durations)


@contextmanager
def workers(kind: str, system: Flex | Bare, **environ: str) -> Iterator[None]:
    """Run the workers of one of the two for the length of the block, warm."""
    flex = ("-A", "tests.bench.worker:celery", "worker", "-P", "threads")
    celeries = {
        "flex": [(*flex, "-c", "32", "-Q", "nodes,bulk")] * 2 + [(*flex, "-c", "2", "-Q", "control")],
        "bare": [("-A", "tests.bench.bare:app", "worker", "-P", "prefork", "-c", "2")],
    }[kind]
    quiet = ("--without-gossip", "--without-mingle", "-l", "warning")
    commands = [(*options, "-n", f"{kind}{number}@%h", *quiet) for number, options in enumerate(celeries)]
    if kind == "flex":
        commands.append(
            ("-A", "tests.bench.worker:celery", "beat", "--pidfile=", "-s", f"{get_settings().data_dir}/beat")
        )
    running = [
        subprocess.Popen(
            (sys.executable, "-m", "celery", *command),
            cwd=ROOT,
            env=child_environ(environ),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        for command in commands
    ]
    try:
        many(system, 20)
        yield
    finally:
        for process in running:
            process.send_signal(signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    main()
