"""Settle the nodes that no agent and no person does: branches, transformations, and the choice of a way."""

from __future__ import annotations

from typing import Any

from models.events.frames import Draft
from models.repositories.nodes import NO_LEASE
from models.tables.base import clock
from planner.plan.graph import Node
from planner.progress import steps
from planner.progress.bundle import visible_values
from planner.progress.checks import open_checks
from planner.progress.failure import Failure
from planner.progress.output import Outputs, TransformError, compute_virtual
from planner.progress.replanning import Reason, Replanning
from planner.progress.routing import Routed, route
from tasks import frames
from tasks.context import Again, Context, Next, settle_in_place


def compute(context: Context, step: steps.Compute) -> Next:
    """Settle virtual nodes: what they give follows from the plan and from what is stored."""
    outputs = context.unit.nodes.outputs(context.run.run_id)
    for node_id in step.node_ids:
        node = context.plan.plan.node(node_id)
        start = frames.node_start(node, attempt=_attempt(context, node), capability_id=None)
        if node.kind != "routing":
            _transform(context, node, start, outputs)
        elif not _route(context, node, start, outputs):
            break
    return Again()


def _transform(context: Context, node: Node, start: Draft, outputs: Outputs) -> None:
    stored, run_id = context.plan, context.run.run_id
    failure: Failure | None
    try:
        output = compute_virtual(stored.plan, node.id, stored.values, outputs)
        unfit = open_checks(node, "output", output)
    except TransformError as error:
        failure = Failure("invalid_output", error.code, error.message, retryable=False)
    else:
        message = f"What “{node.label}” made is not what it is to make: {unfit[0]['message']}" if unfit else ""
        failure = Failure("invalid_output", "invalid_output", message, unfit, retryable=False) if unfit else None
    if failure is not None:
        attempt = _attempt(context, node)
        told = frames.node_error(node, failure, capability_id=None, attempt=attempt, duration_ms=0.0)
        context.unit.events.append(run_id, start, told)
        context.unit.nodes.change(run_id, [node.id], status="error", attempt=attempt, error=failure.as_json())
        return
    _settle(context, node, start, output)
    context.unit.nodes.count_down(run_id, stored.plan.children(node.id))


def _route(context: Context, node: Node, start: Draft, outputs: Outputs) -> bool:
    """Take one of the node's ways and pass the others over; False when no way fits and the plan is made anew."""
    stored, unit, run_id = context.plan, context.unit, context.run.run_id
    values = visible_values(stored.plan, node.id, stored.values, outputs)
    routed = route(stored.plan, node.id, values, _signals(context))
    if routed.selected is None:
        why = Replanning(Reason.ROUTING_NO_MATCH, node.id, {"traces": list(routed.traces)})
        unit.events.append(run_id, _told(node, routed))
        unit.planning.ask_again(run_id, why)
        return False
    _settle(context, node, start, {}, _told(node, routed), routed=routed)
    passed = [stored.plan.node(node_id) for node_id in routed.skipped]
    if passed:
        reason = f"“{stored.plan.node(routed.selected).label}” was chosen instead."
        unit.events.append(run_id, *(frames.node_skipped(other, reason) for other in passed))
        unit.nodes.change(run_id, routed.skipped, status="skipped", completed_at=clock, **NO_LEASE)
    # Each of them is a parent that has settled; who has two of them among its parents is told twice.
    for settled in (node.id, *routed.skipped):
        unit.nodes.count_down(run_id, stored.plan.children(settled))
    return True


def _settle(
    context: Context, node: Node, start: Draft, output: dict[str, Any], *more: Draft, routed: Routed | None = None
) -> None:
    attempt = _attempt(context, node)
    told = frames.node_complete(
        node,
        attempt=attempt,
        capability_id=None,
        output=output,
        duration_ms=0.0,
        usage={},
        provenance={},
        routed=routed,
    )
    kept = {} if routed is None else {"routingResult": routed.as_json()}
    values = {"output": output, "provenance": kept, "attempt": attempt, "started_at": clock}
    settle_in_place(context, node, start, told, *more, **values)


def _attempt(context: Context, node: Node) -> int:
    """Return the number of this attempt: a node may be computed again when what it is made of was mended."""
    return context.state.nodes[node.id].attempt + 1


def _told(node: Node, routed: Routed) -> Draft:
    selected = f"routing_selected:{routed.selected}" if routed.selected else "routing_replan_required"
    payload = {"level": "info", "event": selected, "routingResult": routed.as_json()}
    return Draft("log", payload, node_id=node.id, message=selected)


def _signals(context: Context) -> dict[str, Any]:
    """Return what conditions may read of the run."""
    run = context.run
    return {
        "id": run.run_id,
        "version": run.plan_version,
        "latencyMs": (run.seen_at - run.created_at).total_seconds() * 1000,
        "cost": run.cost,
        "tokens": run.prompt_tokens + run.completion_tokens,
        "attempts": sum(node.attempt for node in context.state.nodes.values()),
        "replans": max(run.plan_version - 1, 0),
    }
