"""A frame: one fact about a run, as clients see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

FrameType = Literal[
    "start",
    "plan_requested",
    "plan_rejected",
    "plan_generated",
    "plan_branch",
    "plan_fallback",
    "plan_updated",
    "node_start",
    "node_complete",
    "node_error",
    "node_retry",
    "node_skipped",
    "rewrite_started",
    "validation_error",
    "policy_triggered",
    "policy_update",
    "goal_condition_failed",
    "feedback_resolution",
    "hitl_request",
    "hitl_update",
    "hitl_resolved",
    "run_paused",
    "run_resumed",
    "log",
    "complete",
]


STAMPS = {
    "plan_generated": ("plan", "createdAt"),
    "node_start": ("startedAt",),
    "node_complete": ("completedAt",),
}
"""Where a payload repeats the moment of its frame, by type of frame."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A frame before the log has numbered it."""

    type: FrameType
    payload: Mapping[str, Any] | None = None
    node_id: str | None = None
    message: str | None = None
    facet_provenance: Mapping[str, Any] | None = None
    plan_version: int | None = None

    def stamped(self, moment: datetime) -> Mapping[str, Any] | None:
        """Return the payload as it is stored by a frame of this moment."""
        if self.payload is None or self.type not in STAMPS:
            return self.payload
        return _with(self.payload, STAMPS[self.type], timestamp_text(moment))


@dataclass(frozen=True, slots=True)
class Frame:
    """A numbered frame of a run's log; `seq` counts from 1 without gaps."""

    run_id: str
    seq: int
    type: str
    timestamp: datetime
    correlation_id: str
    plan_version: int
    tenant_id: str
    node_id: str | None = None
    message: str | None = None
    payload: Mapping[str, Any] | None = None
    facet_provenance: Mapping[str, Any] | None = None

    @property
    def terminal(self) -> bool:
        """Whether the run's log ends with this frame."""
        return self.type == "complete"

    def as_json(self) -> dict[str, Any]:
        """Return the frame as clients get it; absent members are left out."""
        body: dict[str, Any] = {
            "type": self.type,
            "id": str(self.seq),
            "timestamp": timestamp_text(self.timestamp),
            "runId": self.run_id,
            "correlationId": self.correlation_id,
            "planVersion": self.plan_version,
            "nodeId": self.node_id,
            "payload": self.payload,
            "message": self.message,
            "facetProvenance": self.facet_provenance,
        }
        return {key: value for key, value in body.items() if value is not None}


def _with(body: Mapping[str, Any], path: tuple[str, ...], value: str) -> dict[str, Any]:
    """Return a copy of `body` that holds `value` at `path`."""
    name, *rest = path
    return {**body, name: _with(body[name], tuple(rest), value) if rest else value}


def timestamp_text(moment: datetime) -> str:
    """Return RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
