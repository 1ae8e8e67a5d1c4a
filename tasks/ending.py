"""End a run: once, with one last frame, whatever the way that led there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from models.repositories.endings import Final
from models.repositories.nodes import NO_LEASE
from models.repositories.runs import Run
from models.unit_of_work import UnitOfWork
from planner.progress.checks import observed_satisfaction
from planner.progress.state import SETTLED, NodeState
from tasks import frames
from tasks.final_output import Composed


def end_run(
    unit: UnitOfWork,
    run: Run,
    nodes: Iterable[NodeState],
    status: str,
    *,
    reason: str | None = None,
    message: str = "",
    node_id: str | None = None,
    composed: Composed | None = None,
    error: Mapping[str, Any] | None = None,
    row_version: str | None = None,
) -> bool:
    """End a run whose lock is held: stop what still runs, close its requests, store its result, write the last frame.

    `nodes` are those of the run, as they are now. With `row_version` the lock is not held and nothing runs any more;
    False when the run has changed since, and has not ended.
    """
    stopped = [node for node in nodes if node.status not in {*SETTLED, "error"}]
    if stopped:
        unit.nodes.change(run.run_id, [node.node_id for node in stopped], status="cancelled", **NO_LEASE)
    by = run.metadata["cancel"] if status == "cancelled" else {}
    told = frames.complete(
        status,
        reason=reason,
        output=composed.output if composed is not None and status == "completed" else None,
        error=_error(reason, message, node_id, error) if status == "failed" else None,
        stopped=[_stopped(node, run.seen_at) for node in stopped] if status != "completed" else None,
        operator=by.get("operator") or None,
        note=by.get("note"),
        usage=run.usage,
        **_observed(composed),
    )
    final = None if composed is None else Final(composed.output, composed.facets, composed.provenance)
    return unit.endings.end(run, status=status, reason=reason, told=told, final=final, row_version=row_version)


def _observed(composed: Composed | None) -> dict[str, Any]:
    """Return what the constraints of the contract say of the result, if there are any."""
    if composed is None or not composed.observed:
        return {}
    told = [one.as_json() for one in composed.observed]
    return {"observedSatisfaction": observed_satisfaction(composed.observed), "constraints": told}


def _stopped(node: NodeState, now: datetime) -> dict[str, Any]:
    """Return what was stopped and, of an attempt that was under way, for how long it had been."""
    running = node.status == "running"
    told = {"nodeId": node.node_id, "wasRunning": running, "attempt": node.attempt}
    if not running or node.started_at is None:
        return told
    return {**told, "ranMs": round((now - node.started_at).total_seconds() * 1000, 1)}


def _error(reason: str | None, message: str, node_id: str | None, details: Mapping[str, Any] | None) -> dict[str, Any]:
    code = reason or "failed"
    kept = {name: value for name, value in (details or {}).items() if name in {"errors", "diagnostics"}}
    body = {"code": code, "message": message or code, "remedy": frames.remedy(code), **kept}
    return body if node_id is None else {**body, "nodeId": node_id}
