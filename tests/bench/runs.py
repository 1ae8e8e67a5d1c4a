"""How fast runs go with everything stored and streamed, beside a bare Celery canvas on the same Redis.

Three rounds, the two in turn. Empty nodes: 200 runs at once, and 50 one after another. Nodes of 100 ms: 100 runs at
once, and 10 one after another. Planning and the sizes of messages are measured apart.
`python -m tests.bench.runs [--json FILE] [--scale 0.1] [--rounds 1]` prints conditions, figures and ratios.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any

from models.settings import child_environ
from tests.bench.report import Targets, conditions, judged, row, table, write
from tests.bench.servers import ROOT, bench_environ
from tests.bench.statistic import medians

ROWS = {
    "runs_per_second": "runs/s, many at once, empty nodes",
    "nodes_per_second": "nodes/s, the same",
    "p50_ms": "p50 of one run alone, empty nodes, ms",
    "p95_ms": "p95 of one run alone, empty nodes, ms",
    "slow_seconds": "many at once, 100 ms nodes, s",
    "slow_overhead_seconds": "  of that above the critical path, s",
    "slow_alone_overhead_ms": "one alone, 100 ms nodes: above it, ms",
    "processor_ms_per_run": "processor time of all its processes, ms/run",
    "memory_mib": "memory of all its processes, MiB",
    "messages_per_run": "messages per run",
    "body_bytes_per_run": "bytes of their bodies per run",
    "largest_body_bytes": "largest body, bytes",
    "largest_queued_bytes": "largest message on the queue, bytes",
    "live_bytes_per_run": "bytes of live frames per run",
}
RATIOS = (
    "runs_per_second",
    "p50_ms",
    "p95_ms",
    "slow_seconds",
    "processor_ms_per_run",
    "memory_mib",
    "body_bytes_per_run",
)


def main() -> None:
    """Measure and print; with `--json FILE` also write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="a file that the figures are written to")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the runs, for a trial; figures need 1")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    figures: dict[str, Any] = {"conditions": conditions(given.scale, given.rounds)}
    command = [sys.executable, "-m", "tests.bench.measure", "--scale", str(given.scale), "--rounds", str(given.rounds)]
    with bench_environ() as environ:
        done = subprocess.run(command, cwd=ROOT, env=child_environ(environ), check=True, stdout=subprocess.PIPE)
    figures |= json.loads(done.stdout)
    summary = summarise(figures)
    figures |= {"summary": summary, "ratios": ratios(summary)}
    print_figures(figures)
    if given.json:
        write(given.json, figures)


def summarise(figures: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return each system's figures: medians of the rounds, and what was counted once."""
    return {
        system: medians([one[system] for one in figures["rounds"]]) | figures["messages"][system]
        for system in ("flex", "bare")
    }


def ratios(summary: dict[str, dict[str, float | None]]) -> dict[str, float | None]:
    """Return what Flex needs or does for each that the canvas does."""
    found: dict[str, float | None] = {}
    for name in RATIOS:
        ours, theirs = summary["flex"][name], summary["bare"][name]
        found[name] = round(ours / theirs, 2) if ours is not None and theirs else None
    return found


def print_figures(figures: dict[str, Any]) -> None:
    """Print the conditions, the table, planning, and what was to be reached."""
    summary, compared = figures["summary"], figures["ratios"]
    print("conditions:", json.dumps(figures["conditions"], ensure_ascii=False))
    print("medians of the rounds\n")
    print(row("", ("flex", "bare", "flex/bare")))
    print(table(ROWS, (summary["flex"], summary["bare"], compared)))
    print("\nplanning the LinkedIn envelope, warm, in one process, ms\n")
    print(row("", ("p50_ms", "p95_ms")))
    for name, took in figures["planning"].items():
        print(row(name, tuple(took.values())))
    if figures["conditions"]["scale"] < 1:
        print("\na trial at less than scale 1: nothing is held against what is to be reached")
        return
    flex = summary["flex"]
    targets: Targets = {
        "throughput of the bare canvas": (compared["runs_per_second"], ">=", 1.2),
        "p50 of one run alone, ms": (flex["p50_ms"], "<", 20),
        "100 runs of 100 ms nodes, s": (flex["slow_seconds"], "<", 2.5),
        "largest body, bytes": (flex["largest_body_bytes"], "<", 2048),
    }
    print("\nto reach, on a quiet machine\n")
    print(judged(targets))


if __name__ == "__main__":
    main()
