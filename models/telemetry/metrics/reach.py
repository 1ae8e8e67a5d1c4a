"""What stored plans and refusals say of the sets of capabilities that were searched."""

from __future__ import annotations

from typing import Any

from prometheus_client.core import HistogramMetricFamily
from sqlalchemy import ColumnElement, Integer, Select, column, func, literal, null, select, text, union_all
from sqlalchemy.dialects.postgresql import array

from models.tables import flex_events, flex_plan_snapshots
from models.telemetry.beside import UNREACHABLE_PIN
from models.telemetry.metrics.source import Families, Rows, Source, add_buckets, buckets, histogram
from planner.assembly.reachability import REASONS

SET_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 80, 100, 200, 500, 1_000, 5_000, 10_000)
PARTS = ("rows", "mrcs", "missing_pinned", *REASONS)

plans, events = flex_plan_snapshots.c, flex_events.c


def _reach() -> Select[Any]:
    measured = union_all(_of_plans(), _of_refusals()).subquery()
    size = measured.c.size
    return select(
        measured.c.name,
        measured.c.row_cap,
        func.count().label("amount"),
        func.sum(size).label("summed"),
        *buckets(size, SET_BUCKETS),
    ).group_by(measured.c.name, measured.c.row_cap)


def _of_plans() -> Select[Any]:
    """Turn the columns of each plan into rows: it is read once, whatever is counted of it."""
    part = func.unnest(array([literal(name) for name in PARTS]), array([plans[f"crcs_{name}"] for name in PARTS]))
    measure = part.table_valued("name", column("size", Integer)).render_derived()
    return (
        select(measure.c.name, plans.crcs_row_cap.label("row_cap"), measure.c.size)
        .select_from(flex_plan_snapshots)
        .join(measure, text("true"))
        .where(plans.crcs_rows.is_not(None), measure.c.size.is_not(None))
    )


def _of_refusals() -> Select[Any]:
    """Count what was required in vain: such a planning leaves no plan that could tell of it."""
    told = func.json_array_elements(events.payload.op("->")("diagnostics")).table_valued("value").render_derived()
    counted: list[ColumnElement[Any]] = [literal("missing_pinned"), null(), func.count()]
    return (
        select(*counted)
        .select_from(flex_events)
        .join(told, text("true"))
        .where(events.type == "plan_rejected", told.c.value.op("->>")("code").in_(sorted(UNREACHABLE_PIN)))
        .group_by(events.run_id, events.seq)
    )


def _tell_reach(rows: Rows) -> Families:
    sizes, whole = histogram("flex.planner.crcs.rows"), histogram("flex.planner.crcs.mrcs")
    missing, reasons = histogram("flex.planner.crcs.missing_pinned"), histogram("flex.planner.crcs.reason")

    def add(family: HistogramMetricFamily, labels: list[str], name: str, cap: int | None = None) -> None:
        own = [row for row in rows if row.name == name and cap in {None, row.row_cap}]
        add_buckets(family, labels, own, SET_BUCKETS, "amount")

    for cap in sorted({row.row_cap for row in rows if row.name == "rows"}):
        add(sizes, [str(cap)], "rows", cap)
    add(whole, [], "mrcs")
    add(missing, [], "missing_pinned")
    for reason in REASONS:
        add(reasons, [reason], reason)
    return sizes, whole, reasons, missing


REACH = Source("reach", _reach, _tell_reach)
