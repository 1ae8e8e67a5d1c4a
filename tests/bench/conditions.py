"""How long a three-clause condition takes to parse and, on a warm cache, to evaluate; prints its figures."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable

from planner.contracts.facets import load_catalogue
from policies.conditions import build_catalog, evaluate, parse

TEXT = "facets.planKnobs.hookIntensity >= 0.6 && run.latencyMs < 5000 && facets.post_copy != null"
FACETS = {"planKnobs": {"value": {"hookIntensity": 0.7}}, "post_copy": {"value": "Join us in Delft."}}
PAYLOAD = {"run": {"latencyMs": 1200}, "metadata": {"runContextSnapshot": {"facets": FACETS}}}

EVALUATE_LIMIT, PARSE_LIMIT = 3.0, 100.0


def microseconds(action: Callable[[int], object], times: int, rounds: int = 200) -> float:
    """Return the best mean of many short rounds, so that other work on the machine counts little.

    `action` is told a number that never repeats.
    """
    best = float("inf")
    for turn in range(rounds):
        start = time.perf_counter()
        for index in range(times):
            action(turn * times + index)
        best = min(best, time.perf_counter() - start)
    return best / times * 1e6


def main() -> int:
    """Print the figures; return 1 when one of them misses its limit."""
    catalog = build_catalog(load_catalogue().schemas())
    condition = parse(TEXT, catalog)
    warm = microseconds(lambda _: evaluate(condition, PAYLOAD), 300)
    by_text = microseconds(lambda _: evaluate(parse(TEXT, catalog), PAYLOAD), 300)
    absent = microseconds(lambda _: evaluate(condition, {"run": {}}), 300)
    cold = microseconds(lambda index: parse(TEXT.replace("5000", str(10_000 + index)), catalog), 20)
    figures = [
        f"conditions, Python {platform.python_version()}, {platform.machine()}: {TEXT}",
        f"  evaluate, compiled            {warm:8.2f} µs   limit {EVALUATE_LIMIT:g}",
        f"  evaluate, looked up by text   {by_text:8.2f} µs   limit {EVALUATE_LIMIT:g}",
        f"  evaluate, values absent       {absent:8.2f} µs",
        f"  parse, a text never seen      {cold:8.2f} µs   limit {PARSE_LIMIT:g}",
    ]
    sys.stdout.write("\n".join(figures) + "\n")
    return 0 if max(warm, by_text) < EVALUATE_LIMIT and cold < PARSE_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
