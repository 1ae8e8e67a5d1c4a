"""Finish a run whose nodes have all settled: its result is held against the caller's contract, and mended if it fails.

Whoever made the failing part makes it again, once; then a person is asked for it, once; then the run ends as failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.catalogue import catalogue
from models.tables import flex_runs
from planner.plan.graph import Node
from planner.progress import steps
from planner.progress.failure import Failure
from tasks import frames, requests
from tasks.context import Again, Context, Next, Stop
from tasks.ending import end_run
from tasks.final_output import Composed, compose


def finish(context: Context, _step: steps.Finish) -> Next:
    """Compose the output and hold it against the caller's contract; nothing ends as completed that breaks it."""
    unit, run, nodes = context.unit, context.run, context.state.nodes.values()
    composed = compose(run, context.plan, context.seen.outputs, catalogue())
    if composed.findings:
        return _mend(context, composed) if context.locked else Again()
    ended = end_run(unit, run, nodes, "completed", composed=composed, row_version=context.row_version)
    return Stop() if ended else Again()


def _mend(context: Context, composed: Composed) -> Next:
    """Let whoever made the failing part make it again, then ask a person, then end the run as failed."""
    unit, run = context.unit, context.run
    unit.events.append(run.run_id, frames.validation_error("final_output", composed.findings))
    blamed = [context.plan.plan.node(node_id) for node_id in composed.blamed]
    if not blamed or run.final_attempts > 1:
        message = f"The result breaks the caller's contract: {composed.findings[0]['message']}"
        error = {"errors": [dict(finding) for finding in composed.findings]}
        nodes = context.state.nodes.values()
        end_run(unit, run, nodes, "failed", reason="contract_not_met", message=message, composed=composed, error=error)
        return Stop()
    unit.runs.change(run.run_id, final_attempts=flex_runs.c.final_attempts + 1)
    _reopen(context, [node.id for node in blamed])
    for node in blamed:
        findings = composed.findings_of(node.id)
        if run.final_attempts == 0:
            _repeat(context, node, findings)
        else:
            asked = requests.for_final_output(node, findings, context.seen.outputs.get(node.id))
            unit.events.append(run.run_id, unit.hitl.ask(run, asked))
            error = _breach(findings).as_json()
            unit.nodes.change(run.run_id, [node.id], status="awaiting_hitl", error=error)
    return Again()


def _repeat(context: Context, node: Node, findings: Sequence[Mapping[str, Any]]) -> None:
    state = context.state.nodes[node.id]
    failure = _breach(findings)
    retry = frames.node_retry(
        node,
        attempt=state.attempt + 1,
        reason="final_output",
        capability_id=node.capability_id,
        failure=failure,
    )
    context.unit.events.append(context.run.run_id, retry)
    values = {"status": "retrying", "repair": state.repair + 1, "findings": [dict(f) for f in findings]}
    context.unit.nodes.change(context.run.run_id, [node.id], **values)


def _breach(findings: Sequence[Mapping[str, Any]]) -> Failure:
    return Failure("invalid_output", "contract_not_met", "The result breaks the caller's contract.", tuple(findings))


def _reopen(context: Context, node_ids: Sequence[str]) -> None:
    """Put nodes and all that came of them back to where they wait for their parents again."""
    plan = context.plan.plan
    opened = set(node_ids) | {after for node_id in node_ids for after in plan.descendants(node_id)}
    for node_id in opened:
        waiting = sum(parent in opened for parent in plan.parents(node_id))
        context.unit.nodes.change(
            context.run.run_id,
            [node_id],
            status="pending",
            waiting=waiting,
            tries=0,
            crashes=0,
            dispatched_at=None,
            dispatch_count=0,
        )
