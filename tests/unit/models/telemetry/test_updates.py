"""What frames and changes of status add to the metrics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from models.telemetry import StatusChange
from models.telemetry.updates import updates_of_frame, updates_of_status

REJECTION = {"request": {"payload": {"kind": "approval"}, "responses": [{"responseType": "rejection"}]}}


@pytest.mark.parametrize(
    ("kind", "payload", "updates"),
    [
        ("start", {}, []),
        ("plan_requested", {"phase": "initial"}, [("flex.planner.requests", 1, {"phase": "initial"})]),
        ("plan_rejected", {"diagnostics": [{"code": "no_producer"}]}, [("flex.planner.rejections", 1, {})]),
        (
            "plan_rejected",
            {"diagnostics": [{"code": "pinned_capability_unknown"}, {"code": "pinned_capability_refused"}]},
            [("flex.planner.rejections", 1, {}), ("flex.planner.crcs.missing_pinned", 2, {})],
        ),
        ("node_start", {"capabilityId": None}, [("flex.node.attempts", 1, {"capability_id": ""})]),
        ("node_complete", {"virtual": True, "durationMs": 0.0}, []),
        (
            "node_complete",
            {"capabilityId": "a.b", "durationMs": 7.5},
            [("flex.node.duration_ms", 7.5, {"capability_id": "a.b"})],
        ),
        ("node_retry", {"reason": "timeout"}, [("flex.node.retries", 1, {"reason": "timeout"})]),
        ("node_retry", {"reason": "somebody's words"}, [("flex.node.retries", 1, {"reason": ""})]),
        (
            "plan_updated",
            {"trigger": {"reason": "goal_condition_failed"}},
            [("flex.planner.updated", 1, {}), ("flex.goal_condition.replans", 1, {})],
        ),
        (
            "hitl_resolved",
            REJECTION,
            [("flex.hitl.resolved", 1, {"kind": "approval"}), ("flex.hitl.rejected", 1, {"kind": "approval"})],
        ),
    ],
)
def test_updates_follow_from_the_frame(kind: str, payload: dict[str, Any], updates: list[Any]) -> None:
    assert list(updates_of_frame({"type": kind, "payload": payload})) == updates


def test_the_search_of_a_plan_is_measured() -> None:
    counts = {"totalRows": 3, "mrcsSize": 2, "rowCap": 80, "missingPinnedCapabilities": 1}
    metadata = {"crcs": {**counts, "reasonCounts": {"path": 3}}}
    measured = [
        ("flex.planner.crcs.rows", 3, {"row_cap": "80"}),
        ("flex.planner.crcs.mrcs", 2, {}),
        ("flex.planner.crcs.missing_pinned", 1, {}),
        ("flex.planner.crcs.reason", 3, {"reason": "path"}),
    ]
    first = {"type": "plan_generated", "payload": {"plan": {"metadata": metadata}}}
    further = {"type": "plan_updated", "payload": {"metadata": metadata}}
    assert list(updates_of_frame(first)) == [("flex.planner.generated", 1, {}), *measured]
    assert list(updates_of_frame(further)) == [("flex.planner.updated", 1, {}), *measured]


def test_a_status_leaves_the_one_before_it() -> None:
    change = StatusChange("r", "t", "c", 1, "running", "planning", None, 5.0, datetime.now(UTC))
    assert list(updates_of_status(change)) == [
        ("flex.run.status", 1, {"status": "running"}),
        ("flex.run.status", -1, {"status": "planning"}),
    ]
