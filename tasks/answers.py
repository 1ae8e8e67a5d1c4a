"""Let a person's decision take effect: their output completes the node, their words go to the agent that asked."""

from __future__ import annotations

from models.repositories.nodes import NO_LEASE
from models.tables.base import clock
from planner.plan.graph import Node
from planner.progress import steps
from planner.progress.failure import Failure
from planner.progress.state import NodeState
from tasks import frames
from tasks.context import Again, Context, Next, settle_in_place
from tasks.nodes import contract_of


def apply_answer(context: Context, step: steps.ApplyAnswer) -> Next:
    """Let a person's decision take effect: their output completes the node, their words go to the agent."""
    request, answer = step.request, step.request.answer or {}
    plan, node = context.plan.plan, context.plan.plan.node(request.node_id)
    state = context.state.nodes[node.id]
    _resume_if_waiting(context)
    if answer["kind"] == "rejection":
        return _reject(context, node, state, str(answer["text"]))
    if request.purpose in {"clarify", "approval"}:
        context.unit.nodes.change(context.run.run_id, [node.id], status="pending", dispatched_at=None, **NO_LEASE)
        return Again()
    output = contract_of(node).to_facets(answer["output"])
    person = {"provider": "person", "requestId": request.request_id}
    told = frames.node_complete(
        node,
        attempt=state.attempt,
        capability_id=node.capability_id,
        output=output,
        duration_ms=0.0,
        usage={},
        provenance=person,
    )
    settle_in_place(context, node, told, output=output, provenance=person)
    context.unit.nodes.count_down(context.run.run_id, plan.children(node.id))
    return Again()


def _reject(context: Context, node: Node, state: NodeState, text: str) -> Next:
    # The findings of a node are what its last attempt was to mend; what is wrong now stands in its error.
    findings = tuple((state.error or {}).get("errors", state.findings))
    message = f"A person rejected the output of “{node.label}”" + (f": {text}" if text != "rejection" else ".")
    failure = Failure("invalid_output", "rejected", message, findings)
    context.unit.events.append(
        context.run.run_id,
        frames.node_error(node, failure, capability_id=node.capability_id, attempt=state.attempt),
    )
    context.unit.nodes.change(context.run.run_id, [node.id], status="error", error=failure.as_json(), **NO_LEASE)
    return Again()


def _resume_if_waiting(context: Context) -> None:
    if context.run.status != "running":
        context.unit.runs.change(context.run.run_id, status="running", wake_at=clock, waiting_for="its next step")
