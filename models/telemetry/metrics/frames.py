"""What the logs of runs and the stored plans say, and no other table knows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, case, func, literal, select, text

from models.tables import flex_events, flex_plan_snapshots
from models.telemetry.metrics.source import Families, Rows, Source, counter, single

events = flex_events.c


def _told() -> Select[Any]:
    return (
        select(
            events.type,
            (events.plan_version == 0).label("first"),
            func.count().label("amount"),
        )
        .where(events.type.in_(("plan_requested", "plan_rejected", "policy_triggered", "feedback_resolution")))
        .group_by(text("1"), text("2"))
    )


def _tell_told(rows: Rows) -> Families:
    counted = {(row.type, row.first): row.amount for row in rows}
    asked = counter("flex.planner.requests")
    for phase, first in (("initial", True), ("replan", False)):
        asked.add_metric([phase], counted.get(("plan_requested", first), 0))

    def both(kind: str) -> int:
        return sum(count for (found, _), count in counted.items() if found == kind)

    return (
        asked,
        single("flex.planner.rejections", both("plan_rejected")),
        single("flex.policy.triggers", both("policy_triggered")),
        single("flex.feedback.resolution", both("feedback_resolution")),
    )


def _repeated() -> Select[Any]:
    why = case(
        (events.type == "node_retry", events.payload.op("->>")("reason")),
        (events.type == "validation_error", events.payload.op("->>")("scope")),
        else_=events.payload.op("->")("trigger").op("->>")("reason"),
    )
    return (
        select(events.type, func.coalesce(why, "").label("why"), func.count().label("amount"))
        .where(events.type.in_(("node_retry", "validation_error", "plan_updated")))
        .group_by(text("1"), text("2"))
    )


def _tell_repeated(rows: Rows) -> Families:
    retries, invalid = counter("flex.node.retries"), counter("flex.validation.retries")
    for row in rows:
        if row.type == "node_retry":
            retries.add_metric([row.why], row.amount)
        elif row.type == "validation_error":
            invalid.add_metric([row.why], row.amount)
    replans = sum(row.amount for row in rows if (row.type, row.why) == ("plan_updated", "goal_condition_failed"))
    return retries, invalid, single("flex.goal_condition.replans", replans)


def _plans() -> Select[Any]:
    version = flex_plan_snapshots.c.plan_version
    return select(
        func.count().filter(version == 1).label("first"),
        func.count().filter(version > 1).label("further"),
        func.pg_total_relation_size(literal(flex_events.name)).label("log_bytes"),
    ).select_from(flex_plan_snapshots)


def _tell_plans(rows: Rows) -> Families:
    (row,) = rows
    return (
        single("flex.planner.generated", row.first),
        single("flex.planner.updated", row.further),
        single("flex.events.size_bytes", row.log_bytes),
    )


TOLD = Source("frames", _told, _tell_told)
REPEATED = Source("repetitions", _repeated, _tell_repeated)
PLANS = Source("plans", _plans, _tell_plans)
