"""How figures are shown and kept: the conditions they were taken under, plain tables, and a JSON file."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.statistic import percentiles

SYNCS = 50

Targets = dict[str, tuple[float | None, str, float]]
"""What is to be reached: name → value, `<` or `>=`, limit."""


def conditions(scale: float, rounds: int) -> dict[str, Any]:
    """Return what a reader must know to judge the figures; the load is that of the minute before."""
    return {
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "sync_ms": _sync_milliseconds(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "celery": version("celery"),
        "scale": scale,
        "rounds": rounds,
        "graph": "8 nodes: one, three branches of two, a join",
        "flex": "2 workers of 32 threads, 1 control worker, beat; PostgreSQL with fsync, every frame stored and sent",
        "bare": "1 worker, prefork 2, results in Redis, nothing stored elsewhere",
    }


def _sync_milliseconds() -> dict[str, float]:
    """Measure what a write costs until the disk has it, the price of every commit.

    The best tells of the disk; a median far above it, of other work that holds the processors.
    """
    took = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            os.pwrite(file.fileno(), bytes(8192), 0)
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return {"best_ms": round(min(took), 2), **percentiles(took)}


def row(name: str, values: Sequence[float | str | None]) -> str:
    """Return a line of a table; a dash for what was not measured."""
    return f"  {name:46}" + "".join(f"{_cell(value):>14}" for value in values)


def table(names: Mapping[str, str], columns: Sequence[Mapping[str, float | None]]) -> str:
    """Return a line for each of `names`, with its value in each column."""
    return "\n".join(row(label, [column.get(name) for column in columns]) for name, label in names.items())


def judged(targets: Targets) -> str:
    """Return a line for each target: what was found, what was to be reached, and whether it was."""
    lines = []
    for name, (value, sign, limit) in targets.items():
        reached = value is not None and (value >= limit if sign == ">=" else value < limit)
        lines.append(f"  {name}: {value} (to reach: {sign} {limit}) {'reached' if reached else 'not reached'}")
    return "\n".join(lines)


def write(path: str, figures: Mapping[str, Any]) -> None:
    """Write the figures as JSON, in place of what was there."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(path: str) -> dict[str, Any] | None:
    """Return what `write` has written, None when nothing is there."""
    file = Path(path)
    found: dict[str, Any] | None = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    return found


def _cell(value: float | str | None) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:,.2f}".replace(",", " ").removesuffix(".00")
