"""Percentiles and medians of what was measured; needs nothing but Python, so that peers count in the same way."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 95th percentile of durations in milliseconds."""
    return {
        "p50_ms": round(statistics.median(values), 2),
        "p95_ms": round(statistics.quantiles(values, n=20, method="inclusive")[-1], 2),
    }


def medians(rounds: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Return the median of each figure over the rounds; None for one that could not be measured."""
    return {name: _median([one[name] for one in rounds]) for name in rounds[0]}


def _median(values: Sequence[float | None]) -> float | None:
    measured = [value for value in values if value is not None]
    return round(statistics.median(measured), 3) if measured else None
