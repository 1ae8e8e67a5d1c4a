"""What the rest says: questions to people, the registry, the canaries of the queues, and timers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, func, select

from models.tables import flex_canaries, flex_capabilities, flex_timers, hitl_requests, hitl_responses
from models.tables.base import clock
from models.telemetry.metrics.source import Families, Rows, Source, counter, gauge, seconds, single

requests = hitl_requests.c


def _people() -> Select[Any]:
    refused = (
        select(hitl_responses.c.request_id).where(hitl_responses.c.response_type == "rejection").distinct().subquery()
    )
    is_open = requests.status == "pending"
    return (
        select(
            requests.kind,
            requests.purpose,
            func.count().filter(requests.status != "waiting").label("amount"),
            func.count().filter(requests.status == "resolved").label("resolved"),
            func.count(refused.c.request_id).label("rejected"),
            func.count().filter(is_open).label("open"),
            seconds(clock - func.min(requests.created_at).filter(is_open)).label("oldest"),
        )
        .outerjoin(refused, refused.c.request_id == requests.request_id)
        .group_by(requests.kind, requests.purpose)
    )


def _tell_people(rows: Rows) -> Families:
    asked, resolved = counter("flex.hitl.requests"), counter("flex.hitl.resolved")
    rejected, waiting = counter("flex.hitl.rejected"), gauge("flex.hitl.open")
    for row in rows:
        labels = [row.kind, row.purpose]
        asked.add_metric(labels, row.amount)
        resolved.add_metric(labels, row.resolved)
        rejected.add_metric(labels, row.rejected)
        waiting.add_metric(labels, row.open)
    oldest = max((float(row.oldest) for row in rows if row.oldest is not None), default=0.0)
    return asked, resolved, rejected, waiting, single("flex.hitl.oldest_open_seconds", oldest)


def _registry() -> Select[Any]:
    columns = flex_capabilities.c
    return select(columns.status, columns.kind, columns.agent_type, func.count().label("amount")).group_by(
        columns.status, columns.kind, columns.agent_type
    )


def _tell_registry(rows: Rows) -> Families:
    family = gauge("flex.capability.status")
    for row in rows:
        family.add_metric([row.status, row.kind, row.agent_type], row.amount)
    return (family,)


def _canaries() -> Select[Any]:
    columns = flex_canaries.c
    age = seconds(clock - func.max(columns.finished_at))
    return select(columns.queue, age.label("age")).group_by(columns.queue).order_by(columns.queue)


def _tell_canaries(rows: Rows) -> Families:
    family = gauge("flex.canary.age_seconds")
    for row in rows:
        family.add_metric([row.queue], float("inf") if row.age is None else float(row.age))
    return (family,)


def _timers() -> Select[Any]:
    columns = flex_timers.c
    return select(func.count().label("amount")).where(columns.fired_at.is_(None), columns.due_at <= clock)


def _tell_timers(rows: Rows) -> Families:
    (row,) = rows
    return (single("flex.queue.due_timers", row.amount),)


PEOPLE = Source("people", _people, _tell_people)
REGISTRY = Source("registry", _registry, _tell_registry)
CANARIES = Source("canaries", _canaries, _tell_canaries)
TIMERS = Source("timers", _timers, _tell_timers)
