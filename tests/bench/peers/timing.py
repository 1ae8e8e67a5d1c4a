"""The clock of the peers: two processes share the runs that come at once; then one process does runs one after another.

It runs in the peers' own environment and needs nothing but Python.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from threading import BrokenBarrierError
from typing import Any

from tests.bench.processes import mebibytes, per_run, processor_seconds
from tests.bench.statistic import percentiles

PROCESSES, THREADS, NODES = 2, 32, 8
SECONDS_TO_START, SECONDS_TO_RUN = 60, 300

Run = Callable[[str], object]
Opened = Callable[[str, int], AbstractContextManager[Run]]
"""Opens a peer for a database and the number of a process; what it gives runs the graph under a name, to its end."""


def measure(opened: Opened, prepare: Callable[[str], None]) -> None:
    """Print the figures of one peer as JSON; the arguments are the database, the runs at once and those in a row."""
    url, at_once, in_a_row = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    prepare(url)
    fresh = multiprocessing.get_context("spawn")
    gate, results = fresh.Barrier(PROCESSES + 1), fresh.SimpleQueue()
    shares = [at_once // PROCESSES + (number < at_once % PROCESSES) for number in range(PROCESSES)]
    workers = [
        fresh.Process(target=_work, args=(opened, url, number, share, in_a_row, gate, results), daemon=True)
        for number, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    try:
        gate.wait(SECONDS_TO_START)
        ids = [worker.pid for worker in workers if worker.pid]
        used = processor_seconds(ids)
        gate.wait(SECONDS_TO_START)
        began = time.perf_counter()
        gate.wait(SECONDS_TO_RUN)
        seconds = time.perf_counter() - began
        took = per_run(used, processor_seconds(ids), at_once)
        memory = mebibytes(ids)
        gate.wait(SECONDS_TO_START)
    except BrokenBarrierError:
        sys.exit("a process of the peer ended early; what it said stands above")
    alone: dict[str, float] = results.get()
    for worker in workers:
        worker.join()
    rate = {"runs_per_second": round(at_once / seconds, 2), "nodes_per_second": round(at_once * NODES / seconds, 1)}
    measured = {**rate, **alone, "processor_ms_per_run": took, "memory_mib": memory}
    sys.stdout.write(json.dumps(measured) + "\n")


def _work(opened: Opened, url: str, number: int, share: int, in_a_row: int, gate: Any, results: Any) -> None:
    """Do one process's share; the first process goes on with the runs one after another when all have done theirs."""
    try:
        with opened(url, number) as run, ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(run, _names("warm", number, THREADS)))
            gate.wait(SECONDS_TO_START)
            gate.wait(SECONDS_TO_START)
            list(threads.map(run, _names("many", number, share)))
            gate.wait(SECONDS_TO_RUN)
            gate.wait(SECONDS_TO_START)
            if number == 0:
                results.put(percentiles([_milliseconds(run, name) for name in _names("alone", number, in_a_row)]))
    except BaseException:
        gate.abort()
        raise


def _names(kind: str, number: int, count: int) -> list[str]:
    return [f"{kind}-{os.getpid()}-{number}-{each}" for each in range(count)]


def _milliseconds(run: Run, name: str) -> float:
    began = time.perf_counter()
    run(name)
    return (time.perf_counter() - began) * 1000
