"""What each step of a run tells its clients: drafts of frames, made from the plan and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from models.events.frames import Draft
from planner.plan.codec import node_to_json
from planner.plan.delta import Delta
from planner.plan.graph import Node, PlanGraph
from planner.progress.failure import Failure
from planner.progress.replanning import Replanning
from planner.progress.routing import Routed

REMEDIES = {
    "no_plan": "Change what the contract asks for, or register a capability that produces what is missing.",
    "capability_inactive": "Register the capability again, or name another one in policies.planner.selection.",
    "invalid_output": "Look at the findings; loosen the contract, or change the capability's instructions.",
    "invalid_input": "Look at the findings; change what comes before this node, or the schema that it declares.",
    "poison": "Look at the worker's log: this node's process ended each time it was tried.",
    "rejected": "A person refused it; start a new run with what they asked for.",
    "contract_not_met": "Look at the errors; loosen the contract, or give the run better inputs.",
}
DEFAULT_REMEDY = "Look at the run's events for the cause, then start a new run."

MOST_RUNNERS_UP = 3
"""How many of those that a capability was chosen over are told of; the stored plan names them all."""

NO_USAGE = {"promptTokens": 0, "completionTokens": 0, "cost": 0.0}


def summary(node: Node) -> dict[str, Any]:
    """Return a node as `plan_generated` shows it: who, what on, under which contracts, and why."""
    whole = node_to_json(node)
    shown = ("id", "kind", "label", "capabilityId", "capabilityVersion", "facets", "derived", "branch", "rationale")
    return {
        **{name: whole[name] for name in shown},
        "status": "pending",
        "capabilityLabel": node.label,
        "contracts": contract_modes(node),
        "score": node.score.get("total") if node.score else None,
        "executorType": node.executor_type,
        "alternatives": list(node.alternatives),
        "runnersUp": list(node.score.get("runnersUp", ()))[:MOST_RUNNERS_UP],
        "metadata": dict(node.metadata),
    }


def contract_modes(node: Node) -> dict[str, str | None]:
    """Return how each side of a node is described; None where it takes or gives nothing of a form."""
    schemas = {"inputMode": node.input_schema, "outputMode": node.output_schema}
    return {side: "json_schema" if schema else None for side, schema in schemas.items()}


def plan_generated(run_id: str, plan: PlanGraph) -> list[Draft]:
    """Return the frame of a run's first plan, followed by one per branching and per question to a person in it."""
    shown = {
        "runId": run_id,
        "version": plan.version,
        "nodes": [summary(node) for node in plan.nodes],
        "edges": _edges(plan),
        "metadata": dict(plan.metadata),
    }
    return [Draft("plan_generated", {"plan": shown}, plan_version=plan.version), *_about_nodes(plan, plan.nodes)]


def plan_updated(run_id: str, delta: Delta, why: Replanning, statuses: Mapping[str, str]) -> list[Draft]:
    """Return the frame of a version that takes over, followed by one per branching and per question that is new in it.

    `statuses` are those of the nodes before the change.
    """
    plan, diff = delta.plan, delta.diff
    told = {"reason": why.reason, "nodeId": why.node_id, "details": dict(why.details)}
    shown = {
        "runId": run_id,
        "previousVersion": diff.previous_version,
        "version": plan.version,
        "trigger": {"reason": why.reason, "details": {"nodeId": why.node_id, **why.details}},
        "replan": {**told, "diff": delta.as_json()},
        "nodes": [{**summary(node), "status": statuses.get(node.id, "pending")} for node in plan.nodes],
        "edges": _edges(plan),
        "metadata": dict(plan.metadata),
    }
    new = [node for node in plan.nodes if node.id not in statuses]
    return [Draft("plan_updated", shown, plan_version=plan.version), *_about_nodes(plan, new)]


def _edges(plan: PlanGraph) -> list[dict[str, str]]:
    return [{"from": edge.source, "to": edge.target, "reason": edge.reason} for edge in plan.edges]


def _about_nodes(plan: PlanGraph, nodes: Iterable[Node]) -> Iterator[Draft]:
    for node in nodes:
        if node.kind == "branch":
            payload = {"parentNodeId": node.id, **_members(node, "reason", "branches")}
            yield Draft("plan_branch", payload, node_id=node.id, plan_version=plan.version)
        if node.kind == "fallback":
            payload = {"nodeId": node.id, **_members(node, "reason", "facets", "best", "minimumScore")}
            yield Draft("plan_fallback", payload, node_id=node.id, plan_version=plan.version)


def _members(node: Node, *names: str) -> dict[str, Any]:
    return {name: node.metadata[name] for name in names}


def request_closed(request_id: str) -> Draft:
    """Return that a question is moot: the plan that takes over does not ask it any more."""
    payload = {"level": "info", "event": "hitl_request_closed", "requestId": request_id}
    return Draft("log", payload, message=f"Request {request_id} is closed: the new plan does not ask it.")


def late_result(node_id: str, attempt: int, usage: Mapping[str, Any]) -> Draft:
    """Return that an attempt ended when its node was no longer its own: what it gave is not used, but was paid for."""
    payload = {"level": "info", "event": "late_result_refused", "attempt": attempt, "usage": dict(usage)}
    message = f"The result of attempt {attempt} came too late: it is not used, what it has consumed is counted."
    return Draft("log", payload, node_id=node_id, message=message)


def _facets(node: Node) -> dict[str, list[str]]:
    return {"input": list(node.input_facets), "output": list(node.output_facets)}


def node_start(node: Node, *, attempt: int, capability_id: str | None) -> Draft:
    """Return the start of one attempt; a virtual node says so and names no capability."""
    payload: dict[str, Any] = {
        "capabilityId": capability_id,
        "label": node.label,
        "kind": node.kind,
        "attempt": attempt,
        "executorType": node.executor_type,
        "facets": _facets(node),
        "contracts": contract_modes(node),
        "postConditionGuards": [dict(guard) for guard in node.post_guards],
    }
    if node.branch is not None:
        payload["branch"] = node.branch
    if node.virtual:
        payload["virtual"] = True
    return Draft("node_start", payload, node_id=node.id)


def node_complete(
    node: Node,
    *,
    attempt: int,
    capability_id: str | None,
    output: Any,
    duration_ms: float,
    usage: Mapping[str, Any],
    provenance: Mapping[str, Any],
    routed: Routed | None = None,
) -> Draft:
    """Return the end of an attempt that gave `output`, facet → value, or that took a way."""
    payload: dict[str, Any] = {
        "capabilityId": capability_id,
        "label": node.label,
        "kind": node.kind,
        "attempt": attempt,
        "output": output,
        "durationMs": round(duration_ms, 3),
        "usage": {**NO_USAGE, **usage},
        "executorType": node.executor_type,
        "provenance": dict(provenance),
        "postConditionResults": [],
    }
    if node.branch is not None:
        payload["branch"] = node.branch
    if node.virtual:
        payload["virtual"] = True
    if routed is not None:
        payload["routingResult"] = routed.as_json()
    shown = {side: node.provenance.get(side, []) for side in ("input", "output")}
    return Draft("node_complete", payload, node_id=node.id, facet_provenance=shown)


def node_skipped(node: Node, reason: str) -> Draft:
    """Return that a node will not run."""
    payload = {
        "capabilityId": node.capability_id,
        "label": node.label,
        "kind": node.kind,
        "facets": _facets(node),
        "reason": reason,
    }
    return Draft("node_skipped", payload, node_id=node.id)


def node_retry(
    node: Node,
    *,
    attempt: int,
    reason: str,
    capability_id: str | None,
    failure: Failure,
    duration_ms: float | None = None,
) -> Draft:
    """Return the announcement of attempt number `attempt`; `duration_ms` is how long the one before it took."""
    payload: dict[str, Any] = {
        "attempt": attempt,
        "maxAttempts": node.contract.max_attempts,
        "reason": reason,
        "capabilityId": capability_id,
        "facets": _facets(node),
        "message": failure.message,
    }
    if duration_ms is not None:
        payload["durationMs"] = round(duration_ms, 3)
    if failure.findings:
        payload["errors"] = [dict(finding) for finding in failure.findings]
    payload |= _consumed(failure)
    return Draft("node_retry", payload, node_id=node.id)


def node_error(
    node: Node, failure: Failure, *, capability_id: str | None, attempt: int, duration_ms: float | None = None
) -> Draft:
    """Return the failure of a capability at a node, with what to do about it and how long the attempt took."""
    payload: dict[str, Any] = {
        "capabilityId": capability_id,
        "label": node.label,
        "kind": node.kind,
        "attempt": attempt,
        "facets": _facets(node),
        "error": {**failure.as_json(), "name": failure.kind, "remedy": remedy(failure.code)},
        "code": failure.code,
        "message": failure.message,
        "remedy": remedy(failure.code),
        **_consumed(failure),
    }
    if duration_ms is not None:
        payload["durationMs"] = round(duration_ms, 3)
    if node.virtual:
        payload["virtual"] = True
    return Draft("node_error", payload, node_id=node.id, message=failure.message)


def _consumed(failure: Failure) -> dict[str, Any]:
    """Return what a failed attempt consumed, which its run has paid for; nothing where nobody knows."""
    return {} if failure.usage is None else {"usage": {**NO_USAGE, **failure.usage}}


def validation_error(
    scope: str,
    findings: Iterable[Mapping[str, Any]],
    *,
    node: Node | None = None,
    capability_id: str | None = None,
    attempt: int | None = None,
) -> Draft:
    """Return what is wrong with an output, every finding at its pointer; of a node's, whose attempt gave it."""
    payload: dict[str, Any] = {"scope": scope, "errors": [dict(finding) for finding in findings]}
    if node is None:
        return Draft("validation_error", payload)
    payload |= {"capabilityId": capability_id, "attempt": attempt, "facets": _facets(node)}
    return Draft("validation_error", payload, node_id=node.id)


def complete(status: str, **members: Any) -> Draft:
    """Return the terminal frame; members that are None are left out."""
    payload = {"status": status, **{name: value for name, value in members.items() if value is not None}}
    payload.setdefault("goal_condition_results", [])
    payload.setdefault("post_condition_results", [])
    return Draft("complete", payload)


def remedy(code: str) -> str:
    """Return what a person can do about a failure of this code."""
    return REMEDIES.get(code, DEFAULT_REMEDY)
