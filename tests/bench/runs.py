"""How fast runs go with everything stored and streamed, beside a bare Celery canvas on the same Redis.

Three rounds, interleaved. A: 200 runs at once with empty nodes, and 50 one after another. B: 100 runs at once with
nodes of 100 ms. `python -m tests.bench.runs [--json FILE]` prints the conditions, the figures and the ratios.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from models.settings import child_environ
from tests.bench.servers import ROOT, bench_environ

SLOW, SLOW_SECONDS = 100, 0.1
CRITICAL_PATH = 4


def main(arguments: list[str]) -> None:
    """Measure and print; with `--json FILE` also write the figures."""
    command = [sys.executable, "-m", "tests.bench.measure"]
    with bench_environ() as environ:
        done = subprocess.run(command, cwd=ROOT, env=child_environ(environ), check=True, stdout=subprocess.PIPE)
    figures = {"conditions": conditions(), "rounds": json.loads(done.stdout)}
    print_figures(figures)
    if "--json" in arguments:
        Path(arguments[arguments.index("--json") + 1]).write_text(json.dumps(figures, indent=2), encoding="utf-8")


def conditions() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "flex": "2 workers of 32 threads, PostgreSQL with fsync, every frame stored and published",
        "bare": "prefork 2, Redis result backend, nothing stored",
        "graph": "8 nodes: one, three branches of two, a join",
    }


def print_figures(figures: dict[str, Any]) -> None:
    rounds = figures["rounds"]

    def median(system: str, name: str) -> float:
        return statistics.median(one[system][name] for one in rounds)

    print("conditions:", json.dumps(figures["conditions"]))
    for system in ("flex", "bare"):
        rate = median(system, "a")
        print(f"{system}: A {rate:.1f} runs/s, {rate * 8:.0f} nodes/s; p50 {median(system, 'p50_ms'):.1f} ms")
    print(
        f"flex: B {median('flex', 'b_seconds'):.2f} s for {SLOW} runs (critical path {CRITICAL_PATH * SLOW_SECONDS} s)"
    )
    print(f"ratio flex / bare: throughput {median('flex', 'a') / median('bare', 'a'):.2f}")
    print(f"ratio flex / bare: p50 {median('flex', 'p50_ms') / median('bare', 'p50_ms'):.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
