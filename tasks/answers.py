"""Let a person's decision take effect: their output completes the node, their words go to the agent that asked."""

from __future__ import annotations

from models.repositories.nodes import NO_LEASE
from models.tables.base import clock
from planner.plan.graph import Node
from planner.progress import steps
from planner.progress.answers import Decision, fallback_choice
from planner.progress.failure import Failure
from planner.progress.replanning import Reason, Replanning, directions_in
from tasks import frames
from tasks.context import Again, Context, Next, settle_in_place
from tasks.nodes import contract_of


def apply_answer(context: Context, step: steps.ApplyAnswer) -> Next:
    """Let a person's decision take effect: their output completes the node, their words go to the agent."""
    request, answer = step.request, Decision(**(step.request.answer or {}))
    node = context.plan.plan.node(request.node_id)
    _resume_if_waiting(context)
    choice = fallback_choice(answer, node.metadata["options"]) if request.purpose == "fallback" else None
    if answer.kind == "rejection" or choice == "stop":
        return _reject(context, node, answer)
    if choice == "choose":
        details = {"capabilityId": node.metadata["best"]["capabilityId"]}
        why = Replanning(Reason.CANDIDATE_CHOSEN, node.id, details, redo=(node.id,))
        context.unit.planning.ask_again(context.run.run_id, why)
        return Again()
    if request.purpose in {"clarify", "approval"}:
        context.unit.nodes.change(context.run.run_id, [node.id], status="pending", dispatched_at=None, **NO_LEASE)
        return Again()
    return _complete(context, node, request.request_id, answer)


def _complete(context: Context, node: Node, request_id: str, answer: Decision) -> Next:
    unit, run_id, plan = context.unit, context.run.run_id, context.plan.plan
    output = contract_of(node).to_facets(answer.output)
    person = {"provider": "person", "requestId": request_id}
    told = frames.node_complete(
        node,
        attempt=context.state.nodes[node.id].attempt,
        capability_id=node.capability_id,
        output=output,
        duration_ms=0.0,
        usage={},
        provenance=person,
    )
    settle_in_place(context, node, told, output=output, provenance=person)
    unit.nodes.count_down(run_id, plan.children(node.id))
    if why := directions_in(plan, node.id, output):
        unit.planning.ask_again(run_id, why)
    return Again()


def _reject(context: Context, node: Node, answer: Decision) -> Next:
    state = context.state.nodes[node.id]
    said = answer.text if answer.text not in {"rejection", answer.option} else ""
    # The findings of a node are what its last attempt was to mend; what is wrong now stands in its error.
    findings = tuple((state.error or {}).get("errors", state.findings))
    decided = "stopped the run at" if node.kind == "fallback" else "rejected the output of"
    message = f"A person {decided} “{node.label}”" + (f": {said}" if said else ".")
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
