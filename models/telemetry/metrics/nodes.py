"""What the nodes say: where they stand, how often they were tried, how long they took, and which could start."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, func, select, text

from models.tables import flex_plan_nodes, flex_runs
from models.tables.base import clock
from models.telemetry.metrics.source import (
    Families,
    Rows,
    Source,
    add_buckets,
    buckets,
    counter,
    gauge,
    histogram,
    single,
    sum_of,
)
from planner.progress.state import STARTABLE

NODE_BUCKETS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
NOBODY = "(virtual)"
"""The capability of nodes that the run loop computes by itself."""

nodes, runs = flex_plan_nodes.c, flex_runs.c


def _nodes() -> Select[Any]:
    ready = and_(
        nodes.status.in_(tuple(STARTABLE)),
        nodes.waiting == 0,
        runs.status == "running",
        func.coalesce(nodes.retry_at <= clock, True),
    )
    given = and_(nodes.status == "completed", nodes.capability_id.is_not(None))
    return (
        select(
            nodes.status,
            nodes.kind,
            func.coalesce(nodes.capability_id, NOBODY).label("capability_id"),
            func.count().label("amount"),
            func.sum(nodes.attempt).label("attempts"),
            func.count().filter(ready, nodes.dispatched_at.is_not(None)).label("ready_yes"),
            func.count().filter(ready, nodes.dispatched_at.is_(None)).label("ready_no"),
            func.count().filter(nodes.status == "running", nodes.lease_until < clock).label("overdue"),
            func.coalesce(func.sum(nodes.duration_ms).filter(given), 0).label("summed"),
            func.count(nodes.duration_ms).filter(given).label("given"),
            *buckets(nodes.duration_ms, NODE_BUCKETS_MS, given),
        )
        .join(flex_runs, runs.run_id == nodes.run_id)
        .group_by(text("1"), text("2"), text("3"))
    )


def _tell_nodes(rows: Rows) -> Families:
    status, attempts = gauge("flex.node.status"), counter("flex.node.attempts")
    duration, ready = histogram("flex.node.duration_ms"), gauge("flex.queue.ready_nodes")
    for row in rows:
        status.add_metric([row.status, row.kind, row.capability_id], row.amount)
    for capability_id in sorted({row.capability_id for row in rows}):
        own = [row for row in rows if row.capability_id == capability_id]
        attempts.add_metric([capability_id], sum_of(own, "attempts"))
        if capability_id != NOBODY:
            add_buckets(duration, [capability_id], own, NODE_BUCKETS_MS, "given")
    for dispatched in ("yes", "no"):
        ready.add_metric([dispatched], sum_of(rows, f"ready_{dispatched}"))
    return status, attempts, duration, ready, single("flex.queue.overdue_leases", sum_of(rows, "overdue"))


NODES = Source("nodes", _nodes, _tell_nodes)
