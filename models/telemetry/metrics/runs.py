"""What the runs say: how many, how they ended, how long they took, what they cost, and which of them are due."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, case, func, select, text

from models.tables import flex_runs
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
    milliseconds,
    seconds,
    single,
    sum_of,
)
from planner.progress.state import RUN_STATUSES, TERMINAL

RUN_BUCKETS_MS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 3_600_000)

runs = flex_runs.c


def _runs() -> Select[Any]:
    lasted = milliseconds(runs.finished_at - runs.created_at)
    due = and_(runs.wake_at <= clock, runs.status.not_in(tuple(TERMINAL)))
    return select(
        runs.status,
        func.coalesce(case((runs.status.in_(tuple(TERMINAL)), runs.reason)), "").label("reason"),
        func.count().label("amount"),
        func.sum(runs.last_seq).label("frames"),
        func.sum(runs.prompt_tokens).label("prompt"),
        func.sum(runs.completion_tokens).label("completion"),
        func.sum(runs.cost).label("cost"),
        func.count().filter(due).label("due"),
        seconds(clock - func.min(runs.wake_at).filter(due)).label("oldest_due"),
        func.coalesce(func.sum(lasted), 0).label("summed"),
        func.count(runs.finished_at).label("finished"),
        *buckets(lasted, RUN_BUCKETS_MS),
    ).group_by(text("1"), text("2"))


def _tell_runs(rows: Rows) -> Families:
    present = dict.fromkeys(RUN_STATUSES, 0)
    ended, duration = counter("flex.run.ended"), histogram("flex.run.duration_ms")
    for row in rows:
        present[row.status] += row.amount
        if row.status in TERMINAL:
            ended.add_metric([row.status, row.reason], row.amount)
    for status in sorted(TERMINAL):
        add_buckets(duration, [status], [row for row in rows if row.status == status], RUN_BUCKETS_MS, "finished")
    status_family = gauge("flex.run.status")
    for status, count in present.items():
        status_family.add_metric([status], count)
    tokens = counter("flex.run.tokens")
    for direction in ("prompt", "completion"):
        tokens.add_metric([direction], sum_of(rows, direction))
    ages = [float(row.oldest_due) for row in rows if row.oldest_due is not None]
    return (
        status_family,
        ended,
        duration,
        tokens,
        single("flex.run.cost", sum_of(rows, "cost")),
        single("flex.events.stored", sum_of(rows, "frames")),
        single("flex.queue.due_runs", sum_of(rows, "due")),
        single("flex.queue.oldest_due_seconds", max(ages, default=0.0)),
    )


RUNS = Source("runs", _runs, _tell_runs)
