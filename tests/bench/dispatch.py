"""What it costs to send and to settle nodes: bytes and times of messages, messages per run, times of the transactions.

Starts servers of its own with the disk honoured (fsync on), so that nobody else's work and no shortcut is in the
figures. Run it with `python -m tests.bench.dispatch`; it prints a table and takes about a minute.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import redis

from app.embedded import EmbeddedServers
from app.programs import wait_until
from models.builtins import register_builtins
from models.catalogue import catalogue
from models.repositories.runs import Run
from models.settings import child_environ, get_settings
from models.telemetry import configure_logging
from models.unit_of_work import open_unit
from planner.envelope import check_envelope
from planner.plan.lanes import Lane
from tasks import beginning, dispatch, walk
from tasks.agents.base import CancelToken
from tasks.beginning import Begun
from tasks.nodes import attempt
from tasks.planning import plan_and_store
from tasks.runs import advance
from tests.support.envelopes import linkedin_envelope, variants_contract
from tests.support.servers import make_data_dir

ROOT = Path(__file__).parents[2]
RUNS, SENDS = 60, 100
QUEUE = "flex:nodes"
RUN_ID = "flex_" + "0" * 32
OTHER_LANE = ["linkedinVariants~b", "contentReview~b"]
CORRELATION_ID = "00000000-0000-4000-8000-000000000000"
LANES = {
    "one lane of 2 nodes": [2],
    "one lane of 16 nodes": [16],
    "one lane of 64 nodes, a chain": [64],
    "2 lanes of 2 nodes, a chord": [2] * 2,
    "5 lanes of 2 nodes, a chord": [2] * 5,
    "50 lanes of 2 nodes, a chord": [2] * 50,
}
WORKER_COMMAND = (
    *(sys.executable, "-m", "celery", "-A", "tasks.celery_app:celery", "worker"),
    *("-Q", "nodes", "-P", "threads", "-c", "8", "-E", "-n", "bench@%h", "--without-mingle", "--without-gossip"),
)
RECEIVED = re.compile(r"Task tasks\.(\w+)\[[^]]+\] received")


def main() -> int:
    """Start the servers, and measure in processes whose environment names them."""
    if len(sys.argv) > 1:
        configure_logging(get_settings())
        if sys.argv[1] == "figures":
            _figures()
        else:
            _run_once(int(sys.argv[2]))
        return 0
    folder = make_data_dir()
    servers = EmbeddedServers(folder / "data")
    servers.start()
    try:
        environ = {
            "DATABASE_URL": servers.urls[0],
            "REDIS_URL": servers.urls[1],
            "FLEX_DATA_DIR": str(folder),
            "FLEX_LOG_LEVEL": "warning",
        }
        _call(environ, "-m", "app.cli", "db", "upgrade")
        where = f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors, fsync on"
        _tell(f"dispatch: {where}\n")
        _tell(_call(environ, "-m", "tests.bench.dispatch", "figures"))
        _tell("messages of a LinkedIn run, received by one worker")
        for variants, lane_nodes in ((2, 16), (3, 16), (6, 16), (2, 1)):
            told = _messages(environ | {"FLEX_LANE_NODES": str(lane_nodes)}, folder, variants)
            _tell(f"  {variants} variants, FLEX_LANE_NODES={lane_nodes:<3} {told}")
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def _call(environ: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        (sys.executable, *arguments), cwd=ROOT, env=child_environ(environ), check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def _messages(environ: dict[str, str], folder: Path, variants: int) -> str:
    with _worker(environ | {"FLEX_LOG_LEVEL": "info"}, folder) as log:
        seconds = _call(environ, "-m", "tests.bench.dispatch", "run", str(variants)).strip()
        counted = Counter(RECEIVED.findall(log.read_text(encoding="utf-8")))
    named = ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))
    return f"{counted.total():3d}: {named}; {seconds}"


@contextmanager
def _worker(environ: dict[str, str], folder: Path) -> Iterator[Path]:
    log = folder / "worker.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            WORKER_COMMAND, cwd=ROOT, env=child_environ(environ), stdout=output, stderr=subprocess.STDOUT
        )
    assert wait_until(lambda: "ready." in log.read_text(encoding="utf-8"), 30)
    try:
        yield log
    finally:
        process.terminate()
        process.wait()


def _run_once(variants: int) -> None:
    """Run one envelope to its end and print how long it took."""
    register_builtins()
    run = _new_run(variants)
    begun = time.perf_counter()
    dispatch.plan_run(run.run_id, run.epoch)
    assert wait_until(lambda: _status(run.run_id) == "completed", 60)
    _tell(f"{(time.perf_counter() - begun) * 1000:.0f} ms until completed")


def _status(run_id: str) -> str:
    with open_unit() as unit:
        return unit.runs.get(run_id).status


def _new_run(variants: int = 2) -> Run:
    envelope = linkedin_envelope(outputContract=variants_contract(count=variants))
    envelope["inputs"]["variantCount"] = variants
    with open_unit() as unit:
        return unit.runs.create(envelope=check_envelope(envelope, catalogue()), correlation_id=CORRELATION_ID)


def _figures() -> None:
    register_builtins()
    broker = redis.Redis.from_url(str(get_settings().redis_url))
    _tell_messages(broker)
    _tell_transactions()
    broker.flushall()
    broker.close()


def _tell_messages(broker: redis.Redis) -> None:
    _tell(f"messages: bytes on the queue, and milliseconds to publish ({SENDS} times)")
    _tell(f"  {'':32}  count   body    whole     best   median      p95")
    for name, lengths in LANES.items():
        lanes = [_lane(number, length) for number, length in enumerate(lengths)]
        took = _timed(partial(dispatch.walk_lanes, RUN_ID, 1, lanes, correlation_id=CORRELATION_ID), SENDS)
        queued: Any = broker.lrange(QUEUE, 0, -1)
        broker.delete(QUEUE)
        largest = max(len(message) for message in queued)
        body = max(len(base64.b64decode(json.loads(message)["body"])) for message in queued)
        _tell(f"  {name:32} {len(queued) // SENDS:6d} {body:6d} {largest:8d} {_middle(took)}")
    _tell()


def _lane(number: int, length: int) -> Lane:
    return Lane(tuple(f"linkedinVariants~b{number}-{position}" for position in range(length)))


def _tell_transactions() -> None:
    """Walk `RUNS` LinkedIn plans by hand, each step timed from the open unit of work to the live copy of its frames."""
    took: dict[str, list[float]] = {}

    def timed(name: str, action: Callable[..., Any], *given: Any, **named: Any) -> Any:
        begun = time.perf_counter()
        result = action(*given, **named)
        took.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
        return result

    for _ in range(RUNS):
        run = timed("store a run and its first frame", _new_run)
        timed("plan: claim, search, prove, store 7 nodes", plan_and_store, run.run_id, run.epoch)
        first = timed("advance: cut the first lane, begin its node", advance, run.run_id, keep=True)
        done = timed("  (its offline agent)", attempt, first.claim, first.stored, CancelToken())
        timed("go on: settle it, count down one child", _go_on, first, done)
        writer = timed("advance: branch settled, a lane sent", advance, run.run_id, keep=True)
        wrote = attempt(writer.claim, writer.stored, CancelToken())
        timed("go on: settle a writer and begin its reviewer", _go_on, writer, wrote)
        other = timed("begin a lane that came as a message", beginning.begin, run.run_id, run.epoch, OTHER_LANE)
        assert other is not None
    _tell(f"transactions, offline agents, {RUNS} runs one after another (milliseconds)")
    _tell(f"  {'':42}    best   median      p95")
    for name, values in took.items():
        _tell(f"  {name:42} {_middle(values)}")
    _tell()


def _go_on(begun: Begun, done: Any) -> None:
    walk._complete(begun.claim, begun.stored, done, begun.node_ids, begun.seen, chained=False)


def _tell(line: str = "") -> None:
    sys.stdout.write(line + "\n")


def _timed(action: Callable[[], object], times: int) -> list[float]:
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        action()
        took.append((time.perf_counter() - begun) * 1000)
    return took


def _middle(values: list[float]) -> str:
    return f"{min(values):8.2f} {statistics.median(values):8.2f} {statistics.quantiles(values, n=20)[-1]:8.2f}"


if __name__ == "__main__":
    sys.exit(main())
