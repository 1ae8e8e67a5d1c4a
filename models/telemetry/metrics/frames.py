"""What the logs of runs, the stored plans and the drafts say, and no other table knows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Float, Select, case, cast, func, literal, select, text

from models.tables import flex_events, flex_plan_drafts, flex_plan_snapshots
from models.telemetry.metrics.source import Families, Rows, Source, add_buckets, buckets, counter, histogram, single

PROMPT_BUCKETS_CHARS = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000)
PROMPT_PARTS = {
    "totalChars": "flex.planner.prompt.total_chars",
    "systemChars": "flex.planner.prompt.system_chars",
    "userChars": "flex.planner.prompt.user_chars",
}

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


def _prompts() -> Select[Any]:
    size = func.json_each_text(flex_plan_drafts.c.prompt_sizes).table_valued("key", "value").render_derived()
    characters = cast(size.c.value, Float)
    return (
        select(
            size.c.key.label("part"),
            func.count().label("amount"),
            func.sum(characters).label("summed"),
            *buckets(characters, PROMPT_BUCKETS_CHARS),
        )
        .select_from(flex_plan_drafts)
        .join(size, text("true"))
        .where(size.c.key.in_(tuple(PROMPT_PARTS)))
        .group_by(size.c.key)
    )


def _tell_prompts(rows: Rows) -> Families:
    for part, metric in PROMPT_PARTS.items():
        family = histogram(metric)
        add_buckets(family, [], [row for row in rows if row.part == part], PROMPT_BUCKETS_CHARS, "amount")
        yield family


TOLD = Source("frames", _told, _tell_told)
REPEATED = Source("repetitions", _repeated, _tell_repeated)
PLANS = Source("plans", _plans, _tell_plans)
PROMPTS = Source("drafts", _prompts, _tell_prompts)
