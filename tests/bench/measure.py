"""The measuring half of `tests.bench.runs`, started with the addresses of its servers in the environment."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from models.settings import get_settings
from models.telemetry import configure_logging
from tests.bench.messages import sizes
from tests.bench.planning import planning
from tests.bench.processes import mebibytes, per_run, processor_seconds
from tests.bench.statistic import percentiles
from tests.bench.systems import Bare, Flex, System, at_once, in_a_row, workers

AT_ONCE, IN_A_ROW, SLOW, SLOW_IN_A_ROW, COUNTED, PLANNED = 200, 50, 100, 10, 20, 100
NODES = 8
SLOW_SECONDS = 0.1
CRITICAL_SECONDS = 4 * SLOW_SECONDS


def main() -> None:
    """Print every figure of every round, the systems in turn, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    configure_logging(get_settings())
    planned = planning(scaled(PLANNED, given.scale))
    systems: tuple[System, ...] = (Flex(), Bare())
    rounds: list[dict[str, Any]] = []
    messages: dict[str, dict[str, float]] = {}
    for number in range(given.rounds):
        one: dict[str, dict[str, Any]] = {system.name: {} for system in systems}
        for system in systems:
            with workers(system) as running:
                one[system.name] |= _empty(system, running, given.scale)
                one[system.name]["memory_mib"] = mebibytes(running)
                if number == 0:
                    messages[system.name] = sizes(system, scaled(COUNTED, given.scale))
        for system in systems:
            with workers(system, BENCH_NODE_SECONDS=str(SLOW_SECONDS)):
                one[system.name] |= _slow(system, given.scale)
        rounds.append(one)
        sys.stderr.write(f"round {number + 1} of {given.rounds}: {json.dumps(one)}\n")
    sys.stdout.write(json.dumps({"rounds": rounds, "messages": messages, "planning": planned}))


def scaled(count: int, scale: float) -> int:
    """Return a share of `count`, and enough for a percentile."""
    return max(3, round(count * scale))


def _empty(system: System, running: list[int], scale: float) -> dict[str, float | None]:
    """Measure with nodes that do nothing: throughput of many runs at once, durations of runs one after another."""
    count = scaled(AT_ONCE, scale)
    used = processor_seconds(running)
    rate = count / at_once(system, count)
    took = per_run(used, processor_seconds(running), count)
    alone = percentiles(in_a_row(system, scaled(IN_A_ROW, scale)))
    return {
        "runs_per_second": round(rate, 2),
        "nodes_per_second": round(rate * NODES, 1),
        "processor_ms_per_run": took,
        **alone,
    }


def _slow(system: System, scale: float) -> dict[str, float]:
    """Measure with nodes of 100 ms: what many runs, and one run alone, need above the critical path."""
    seconds = at_once(system, scaled(SLOW, scale))
    alone = percentiles(in_a_row(system, scaled(SLOW_IN_A_ROW, scale)))["p50_ms"]
    return {
        "slow_seconds": round(seconds, 3),
        "slow_overhead_seconds": round(seconds - CRITICAL_SECONDS, 3),
        "slow_alone_overhead_ms": round(alone - CRITICAL_SECONDS * 1000, 2),
    }


if __name__ == "__main__":
    main()
