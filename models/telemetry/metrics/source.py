"""A source of metrics: one statement, and how its rows are spelled as families of samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from sqlalchemy import ColumnElement, Row, Select, func

from models.telemetry.names import BY_NAME

Rows = Sequence[Row[Any]]
Families = Iterable[Family]


@dataclass(frozen=True, slots=True)
class Source:
    """A statement, and what its rows say."""

    name: str
    statement: Callable[[], Select[Any]]
    families: Callable[[Rows], Families]


def milliseconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an interval as a number of milliseconds."""
    return func.extract("epoch", interval) * 1000


def seconds(interval: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return an interval as a number of seconds."""
    return func.extract("epoch", interval)


def buckets(value: ColumnElement[Any], bounds: Sequence[int], *when: ColumnElement[bool]) -> list[ColumnElement[int]]:
    """Return one column per bound: how many values are no greater than it."""
    return [func.count().filter(value <= bound, *when).label(f"le_{bound}") for bound in bounds]


def add_buckets(
    family: HistogramMetricFamily, labels: Sequence[str], rows: Rows, bounds: Sequence[int], total: str
) -> None:
    """Add the sums over the rows: their buckets, the column `total` as the count and the column `summed` as the sum."""
    if count := sum_of(rows, total):
        below = [(f"{float(bound)}", sum_of(rows, f"le_{bound}")) for bound in bounds]
        family.add_metric(labels, [*below, ("+Inf", count)], sum_of(rows, "summed"))


def sum_of(rows: Rows, column: str) -> float:
    return float(sum(row._mapping[column] or 0 for row in rows))  # noqa: SLF001 - SQLAlchemy's public name


def gauge(name: str) -> GaugeMetricFamily:
    metric = BY_NAME[name]
    return GaugeMetricFamily(metric.prometheus, metric.help, labels=metric.labels)


def counter(name: str) -> CounterMetricFamily:
    metric = BY_NAME[name]
    return CounterMetricFamily(metric.prometheus, metric.help, labels=metric.labels)


def histogram(name: str) -> HistogramMetricFamily:
    metric = BY_NAME[name]
    return HistogramMetricFamily(metric.prometheus, metric.help, labels=metric.labels)


def single(name: str, value: float) -> Family:
    """Return a family of one sample without labels."""
    family = counter(name) if BY_NAME[name].kind == "counter" else gauge(name)
    family.add_metric([], float(value))
    return family
