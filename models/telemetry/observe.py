"""Observers of what has been committed: each is told alone, and the fault of one is nobody else's.

A fact is written once, as a frame or as a change of a row; what observers make of it (a line, an update of a metric, a
span) follows from that and never decides anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from models.telemetry.beside import WRITERS, write_lines_beside
from models.telemetry.facts import CapabilityChange, NodeEnd, StatusChange
from models.telemetry.isolation import tell
from models.telemetry.lines import WARNED, facts_of, name_of
from models.telemetry.traces import trace_frame, trace_status, tracing
from models.telemetry.updates import updates_of_frame, updates_of_status

FrameObserver = Callable[[Mapping[str, Any], str], None]
StatusObserver = Callable[[StatusChange], None]

logger = structlog.get_logger("flex")


def observed(kind: str) -> bool:
    """Tell whether any observer would look at a frame of this type: at level `warning` few are worth describing."""
    return kind in WARNED or kind in WRITERS or logger.is_enabled_for(logging.INFO) or tracing()


def observe_frame(frame: Mapping[str, Any], tenant_id: str) -> None:
    """Tell every observer of a stored frame, given as clients see it; never raises."""
    for observer in FRAME_OBSERVERS:
        tell(observer, frame, tenant_id)


def observe_status(change: StatusChange) -> None:
    """Tell every observer that a run has another status; never raises."""
    for observer in STATUS_OBSERVERS:
        tell(observer, change)


def observe_node(end: NodeEnd) -> None:
    """Tell that a node has ended without a frame; never raises."""
    tell(write_node_line, end)


def observe_capability(change: CapabilityChange) -> None:
    """Tell that a capability has been registered or taken out; never raises."""
    tell(write_capability_line, change)


def write_line(frame: Mapping[str, Any], tenant_id: str) -> None:
    """Write the line of a frame."""
    level = logging.WARNING if frame["type"] in WARNED else logging.INFO
    # Whoever does not listen is not told: picking the facts costs more than writing them.
    if logger.is_enabled_for(level):
        logger.log(level, name_of(frame), **facts_of(frame, tenant_id))


def write_status_line(change: StatusChange) -> None:
    """Write the line of a run's new status, and one more when it now waits for a person."""
    facts: dict[str, Any] = {
        "run_id": change.run_id,
        "correlation_id": change.correlation_id,
        "tenant": change.tenant_id,
        "plan_version": change.plan_version,
        "status": change.status,
        "previous": change.previous,
        "reason": change.reason,
        "duration_ms": round(change.age_ms, 1),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    logger.info("flex_run_status", **known)
    if change.status == "awaiting_hitl":
        logger.info("flex_hitl_pause", **known)
    elif change.status == "awaiting_human":
        logger.info("flex_human_node_pause", **known)


def write_node_line(end: NodeEnd) -> None:
    """Write the line of a node that no frame tells the end of."""
    facts: dict[str, Any] = {
        "run_id": end.run_id,
        "correlation_id": end.correlation_id,
        "tenant": end.tenant_id,
        "plan_version": end.plan_version,
        "node_id": end.node_id,
        "node_status": end.status,
        "kind": end.kind,
        "capability_id": end.capability_id,
        "attempt": end.attempt,
    }
    known = {name: value for name, value in facts.items() if value is not None}
    if end.status == "cancelled":
        logger.info("flex_node_cancelled", **known)
    else:
        logger.info("flex_node_superseded", **known)


def write_capability_line(change: CapabilityChange) -> None:
    """Write the line of a registration, a built-in capability's own one, or a removal."""
    facts = {"capability_id": change.capability_id, "tenant": change.tenant_id, "version": change.version}
    if change.status == "inactive":
        logger.info("flex_capability_marked_inactive", **facts, reason=change.reason)
    elif change.builtin:
        logger.info("flex_capability_self_registered", **facts)
    else:
        logger.info("flex_capability_registered", **facts)


def note_frame_updates(frame: Mapping[str, Any], tenant_id: str) -> None:
    """Write what a frame adds to the metrics, at level `debug`."""
    if logger.is_enabled_for(logging.DEBUG):
        _note(updates_of_frame(frame), run_id=frame["runId"], tenant=tenant_id)


def note_status_updates(change: StatusChange) -> None:
    """Write what a run's new status adds to the metrics, at level `debug`."""
    if logger.is_enabled_for(logging.DEBUG):
        _note(updates_of_status(change), run_id=change.run_id, tenant=change.tenant_id)


def _note(updates: Iterable[tuple[str, float, Mapping[str, str]]], **about: str) -> None:
    for metric, value, labels in updates:
        logger.debug("flex_metric", metric=metric, value=value, labels=dict(labels), **about)


FRAME_OBSERVERS: list[FrameObserver] = [write_line, write_lines_beside, note_frame_updates, trace_frame]
STATUS_OBSERVERS: list[StatusObserver] = [write_status_line, note_status_updates, trace_status]
