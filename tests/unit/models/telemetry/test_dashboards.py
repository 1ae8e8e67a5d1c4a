"""The page of dashboards asks for what exists, in queries that a PromQL parser takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import promql_parser
import pytest
from promql_parser import AggregateExpr, Call, Expr, MatrixSelector, VectorSelector

from models.telemetry.line_names import LINES
from models.telemetry.names import METRICS, Metric

PAGE = (Path(__file__).parents[4] / "docs" / "howto" / "dashboards.md").read_text(encoding="utf-8")
Part = TypeVar("Part", bound=Expr)
SAMPLES: dict[str, Metric] = {
    metric.prometheus + ending: metric
    for metric in METRICS
    for ending in {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}[metric.kind]
}


def queries() -> list[str]:
    """Return every query of the page: the lines of its PromQL blocks, and the second column of its table of panels."""
    blocks = re.findall(r"^```promql\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]
    (table,) = re.findall(r"^\| Panel \| Query \| Red \|\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return lines + [row.split("|")[2].strip(" `") for row in table.splitlines()]


def parts(query: str, kind: type[Part]) -> list[Part]:
    """Return the expressions of one kind within a query. Raises ValueError when it is no PromQL."""
    found: list[Expr] = []
    promql_parser.walk(promql_parser.parse(query), found.append)
    return [part for part in found if isinstance(part, kind)]


def test_the_page_has_its_queries() -> None:
    assert len(queries()) >= 40


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_samples_and_labels_that_exist(query: str) -> None:
    labels = {"le"}
    for selector in parts(query, VectorSelector):
        assert selector.name in SAMPLES, f"nobody gives {selector.name}"
        known = SAMPLES[selector.name].labels
        assert {matcher.name for matcher in selector.matchers.matchers} <= {*known}
        labels |= {*known}
    for aggregate in parts(query, AggregateExpr):
        assert {*(aggregate.modifier.labels if aggregate.modifier else ())} <= labels


@pytest.mark.parametrize("query", queries())
def test_a_query_takes_the_rate_of_what_only_grows_and_quantiles_of_buckets(query: str) -> None:
    rated = [matrix.vector_selector.name for matrix in parts(query, MatrixSelector)]
    growing = [one.name for one in parts(query, VectorSelector) if SAMPLES[str(one.name)].kind != "gauge"]
    assert growing == rated, "a gauge has no rate, and a total says nothing without one"
    for call in parts(query, Call):
        if call.func.name == "histogram_quantile":
            (buckets,) = parts(query, AggregateExpr)
            assert buckets.modifier is not None
            assert "le" in buckets.modifier.labels, "a quantile needs the bounds of its buckets"
            assert all(str(name).endswith("_bucket") for name in rated)


def test_the_page_names_only_metrics_and_lines_that_exist() -> None:
    known = {*SAMPLES, *(metric.prometheus for metric in METRICS), *(line.name for line in LINES)}
    assert set(re.findall(r"\bflex_\w+", PAGE)) <= known
