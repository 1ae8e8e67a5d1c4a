"""What a frame or a change of status adds to the metrics, for those who count lines instead of asking `/metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from models.telemetry.beside import UNREACHABLE_PIN, diagnostics_of, reach_of
from models.telemetry.facts import StatusChange
from models.telemetry.lines import is_rejection, token

Payload = Mapping[str, Any]
Update = tuple[str, float, dict[str, str]]
"""Dotted name, amount, labels."""


def updates_of_frame(frame: Mapping[str, Any]) -> Iterator[Update]:
    """Yield the updates of one frame; most frames have one or none."""
    payload = frame.get("payload") or {}
    updates = _UPDATES.get(frame["type"])
    return iter(()) if updates is None else updates(payload)


def updates_of_status(change: StatusChange) -> Iterator[Update]:
    """Yield the updates of a run's new status."""
    yield "flex.run.status", 1, {"status": change.status}
    if change.previous is not None:
        yield "flex.run.status", -1, {"status": change.previous}


def _one_more(
    metric: str, label: str | None = None, member: str | None = None
) -> Callable[[Payload], Iterator[Update]]:
    """Return what counts a frame, by a member of its payload if it has one."""

    def updates(payload: Payload) -> Iterator[Update]:
        yield metric, 1, {label: _label(payload.get(member or label))} if label else {}

    return updates


def _generated(payload: Payload) -> Iterator[Update]:
    yield "flex.planner.generated", 1, {}
    yield from _searched(payload)


def _searched(payload: Payload) -> Iterator[Update]:
    """Yield the size of the set of capabilities that a plan was searched in."""
    if crcs := reach_of(payload):
        yield "flex.planner.crcs.rows", float(crcs["totalRows"]), {"row_cap": str(crcs.get("rowCap", ""))}
        yield "flex.planner.crcs.mrcs", float(crcs.get("mrcsSize", 0)), {}
        yield "flex.planner.crcs.missing_pinned", float(crcs.get("missingPinnedCapabilities", 0)), {}
        for reason, count in (crcs.get("reasonCounts") or {}).items():
            yield "flex.planner.crcs.reason", float(count), {"reason": _label(reason)}


def _rejected(payload: Payload) -> Iterator[Update]:
    yield "flex.planner.rejections", 1, {}
    if missing := len(list(diagnostics_of(payload, UNREACHABLE_PIN))):
        yield "flex.planner.crcs.missing_pinned", float(missing), {}


def _updated(payload: Payload) -> Iterator[Update]:
    yield "flex.planner.updated", 1, {}
    yield from _searched(payload)
    if (payload.get("trigger") or {}).get("reason") == "goal_condition_failed":
        yield "flex.goal_condition.replans", 1, {}


def _completed(payload: Payload) -> Iterator[Update]:
    if not payload.get("virtual"):
        labels = {"capability_id": _label(payload.get("capabilityId"))}
        yield "flex.node.duration_ms", float(payload.get("durationMs") or 0.0), labels


def _asked(payload: Payload) -> Iterator[Update]:
    yield "flex.hitl.requests", 1, {"kind": _kind(payload)}


def _answered(payload: Payload) -> Iterator[Update]:
    yield "flex.hitl.resolved", 1, {"kind": _kind(payload)}
    if is_rejection(payload):
        yield "flex.hitl.rejected", 1, {"kind": _kind(payload)}


_UPDATES: Mapping[str, Callable[[Payload], Iterator[Update]]] = {
    "plan_requested": _one_more("flex.planner.requests", "phase"),
    "plan_rejected": _rejected,
    "plan_generated": _generated,
    "plan_updated": _updated,
    "node_start": _one_more("flex.node.attempts", "capability_id", "capabilityId"),
    "node_complete": _completed,
    "node_retry": _one_more("flex.node.retries", "reason"),
    "validation_error": _one_more("flex.validation.retries", "scope"),
    "policy_triggered": _one_more("flex.policy.triggers"),
    "feedback_resolution": _one_more("flex.feedback.resolution"),
    "hitl_request": _asked,
    "hitl_resolved": _answered,
}


def _kind(payload: Payload) -> str:
    return _label(((payload.get("request") or {}).get("payload") or {}).get("kind"))


def _label(value: Any) -> str:
    return token(value) or ""
