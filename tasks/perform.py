"""Perform what `next_step` decided: one short function per step, inside the transaction that holds the run's lock.

Each returns what the loop does next: look at the run again, stop, or walk the lane that it keeps for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.catalogue import catalogue
from models.events.frames import Draft, timestamp_text
from models.repositories.nodes import NO_LEASE
from models.repositories.plans import StoredPlan
from models.repositories.runs import Run, seconds
from models.settings import get_settings
from models.tables import flex_runs
from models.tables.base import clock
from models.unit_of_work import UnitOfWork
from planner.plan.graph import Node
from planner.plan.lanes import Lane
from planner.progress import steps
from planner.progress.failure import Failure, after_failure
from planner.progress.output import TransformError, compute_virtual
from planner.progress.state import SETTLED, NodeState, RunState
from tasks import dispatch, frames, requests
from tasks.aftermath import change_after
from tasks.final_output import Composed, compose
from tasks.nodes import contract_of


@dataclass(frozen=True, slots=True)
class Context:
    """What a step acts on: the open unit, the locked run, what the loop saw, and the plan if there is one."""

    unit: UnitOfWork
    run: Run
    state: RunState
    stored: StoredPlan | None
    keep: bool

    @property
    def plan(self) -> StoredPlan:
        if self.stored is None:
            raise LookupError("the run has no plan yet")
        return self.stored


@dataclass(frozen=True, slots=True)
class Again:
    """The run has changed: ask for the next step."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more to do here; `lane` is the one that this worker walks itself."""

    lane: Lane | None = None


Next = Again | Stop


def perform(context: Context, step: steps.Step) -> Next:
    """Perform one step."""
    return _PERFORMERS[type(step)](context, step)


def _plan(context: Context, _step: steps.Plan) -> Next:
    run = context.run
    context.unit.runs.change(
        run.run_id,
        dispatched_at=clock,
        dispatch_count=flex_runs.c.dispatch_count + 1,
        wake_at=clock + seconds(steps.REPUBLISH_SECONDS[0]),
        nudges=0,
    )
    context.unit.on_commit(lambda: dispatch.plan_run(run.run_id, run.epoch, correlation_id=run.correlation_id))
    return Stop()


def _apply_answer(context: Context, step: steps.ApplyAnswer) -> Next:
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
    told = frames.node_complete(
        node,
        attempt=state.attempt,
        capability_id=node.capability_id,
        output=output,
        duration_ms=0.0,
        usage={},
        provenance={"provider": "person", "requestId": request.request_id},
    )
    _settle(context, node, told, output=output, provenance={"provider": "person", "requestId": request.request_id})
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


def _reclaim(context: Context, step: steps.Reclaim) -> Next:
    """Take back nodes whose lease ended without a result; whoever had them can no longer store one."""
    registry = context.unit.registry_of(context.run.tenant_id)
    active = {capability.capability_id for capability in registry.active()}
    for node_id in step.node_ids:
        node, state = context.plan.plan.node(node_id), context.state.nodes[node_id]
        failure = _lost(node, timed_out=node_id in step.timed_out)
        change = change_after(node, state, failure, after_failure(node, state, failure, active.__contains__))
        drafts = list(change.drafts)
        if change.request is not None:
            drafts.append(context.unit.hitl.ask(context.run, change.request))
        context.unit.events.append(context.run.run_id, *drafts)
        values = {"status": "retrying", **NO_LEASE, "dispatched_at": None, **change.values}
        context.unit.nodes.change(context.run.run_id, [node_id], **values)
    return Again()


def _lost(node: Node, *, timed_out: bool) -> Failure:
    if timed_out:
        message = f"“{node.label}” did not end within {node.timeout_seconds:g} seconds."
        return Failure("timeout", "timeout", message)
    return Failure("lease_lost", "lease_lost", f"The worker that ran “{node.label}” went away.")


def _compute(context: Context, step: steps.Compute) -> Next:
    """Settle virtual nodes: what they give follows from the plan and from what is stored."""
    stored, run_id = context.plan, context.run.run_id
    outputs = context.unit.nodes.outputs(run_id)
    for node_id in step.node_ids:
        node = stored.plan.node(node_id)
        start = frames.node_start(node, attempt=1, capability_id=None)
        try:
            output = compute_virtual(stored.plan, node_id, stored.values, outputs)
        except TransformError as error:
            failure = Failure("invalid_output", error.code, error.message, retryable=False)
            told = frames.node_error(node, failure, capability_id=None, attempt=1)
            context.unit.events.append(run_id, start, told)
            context.unit.nodes.change(run_id, [node_id], status="error", attempt=1, error=failure.as_json())
            continue
        told = frames.node_complete(
            node, attempt=1, capability_id=None, output=output, duration_ms=0.0, usage={}, provenance={}
        )
        _settle(context, node, start, told, output=output, provenance={}, attempt=1, started_at=clock)
        context.unit.nodes.count_down(run_id, stored.plan.children(node_id))
    return Again()


def _settle(context: Context, node: Node, *drafts: Draft, **values: Any) -> None:
    context.unit.events.append(context.run.run_id, *drafts)
    settled: dict[str, Any] = {
        "status": "completed",
        "error": None,
        "findings": [],
        "completed_at": clock,
        "duration_ms": 0.0,
    }
    context.unit.nodes.change(context.run.run_id, [node.id], **{**NO_LEASE, **settled, "duration_ms": 0.0, **values})


def _dispatch(context: Context, step: steps.Dispatch) -> Next:
    """Publish the ready lanes, all but the one that this worker keeps."""
    run = context.run
    kept = next((lane for lane in step.lanes if _fits_here(lane)), None) if context.keep else None
    published = [lane for lane in step.lanes if lane is not kept]
    context.unit.nodes.note_dispatch(run.run_id, [lane.node_ids[0] for lane in step.lanes])
    context.unit.runs.change(
        run.run_id,
        status="running",
        waiting_for=f"{len(step.lanes)} lane{'s' if len(step.lanes) > 1 else ''} of the plan",
        wake_at=clock + seconds(steps.REPUBLISH_SECONDS[0]),
        nudges=0,
    )
    if published:
        context.unit.on_commit(
            lambda: dispatch.walk_lanes(run.run_id, run.epoch, published, correlation_id=run.correlation_id)
        )
    return Stop(kept)


def _fits_here(lane: Lane) -> bool:
    """Whether a lane may be walked by the worker that cut it: one that makes a single task, unless each node is one."""
    most = get_settings().lane_nodes
    return 1 < most >= len(lane.node_ids)


def _finish(context: Context, _step: steps.Finish) -> Next:
    """Compose the output and hold it against the caller's contract; nothing ends as completed that breaks it."""
    outputs = context.unit.nodes.outputs(context.run.run_id)
    composed = compose(context.run, context.plan, outputs, catalogue())
    if composed.findings:
        return _mend(context, composed, outputs)
    _end(context, "completed", composed=composed)
    return Stop()


def _mend(context: Context, composed: Composed, outputs: Mapping[str, Any]) -> Next:
    """Let whoever made the failing part make it again, then ask a person, then end the run as failed."""
    unit, run = context.unit, context.run
    unit.events.append(run.run_id, frames.validation_error("final_output", composed.findings))
    blamed = [context.plan.plan.node(node_id) for node_id in composed.blamed]
    if not blamed or run.final_attempts > 1:
        message = f"The result breaks the caller's contract: {composed.findings[0]['message']}"
        error = {"errors": [dict(finding) for finding in composed.findings]}
        _end(context, "failed", reason="contract_not_met", message=message, composed=composed, error=error)
        return Stop()
    unit.runs.change(run.run_id, final_attempts=flex_runs.c.final_attempts + 1)
    _reopen(context, [node.id for node in blamed])
    for node in blamed:
        findings = composed.findings_of(node.id)
        if run.final_attempts == 0:
            _repeat(context, node, findings)
        else:
            asked = requests.for_final_output(node, findings, outputs.get(node.id))
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


def _fail(context: Context, step: steps.Fail) -> Next:
    failed = context.state.nodes.get(step.node_id or "")
    error = dict(failed.error or {}) if failed else {}
    _end(context, "failed", reason=step.reason, message=step.message, node_id=step.node_id, error=error)
    return Stop()


def _end_cancelled(context: Context, _step: steps.EndCancelled) -> Next:
    _end(context, "cancelled", reason="cancelled")
    return Stop()


def _ask_human(context: Context, step: steps.AskHuman) -> Next:
    oldest = min(step.requests, key=lambda request: request.created_at)
    until = f" until {timestamp_text(oldest.expires_at)}" if oldest.expires_at else ""
    since = timestamp_text(oldest.created_at)
    context.unit.runs.change(
        context.run.run_id,
        status="awaiting_hitl",
        waiting_for=f"a person to answer request {oldest.request_id} about {oldest.node_id}, since {since}{until}",
        wake_at=step.until,
        nudges=0,
    )
    return Stop()


def _wait(context: Context, step: steps.Wait) -> Next:
    status = "planning" if context.state.plan is None and context.run.status == "planning" else None
    moving = status or ("pending" if context.state.plan is None else "running")
    context.unit.runs.change(
        context.run.run_id, status=moving, wake_at=step.until, waiting_for=step.waiting_for, nudges=0
    )
    return Stop()


def _rest(_context: Context, _step: steps.Rest) -> Next:
    return Stop()


def _resume_if_waiting(context: Context) -> None:
    if context.run.status != "running":
        context.unit.runs.change(context.run.run_id, status="running", wake_at=clock, waiting_for="its next step")


def _end(
    context: Context,
    status: str,
    *,
    reason: str | None = None,
    message: str = "",
    node_id: str | None = None,
    composed: Composed | None = None,
    error: Mapping[str, Any] | None = None,
) -> None:
    """End the run: stop what still runs, close its requests, store its result and write the last frame."""
    unit, run = context.unit, context.run
    stopped = [n.node_id for n in context.state.nodes.values() if n.status not in {*SETTLED, "error"}]
    running = [n.node_id for n in context.state.with_status("running")]
    if stopped:
        unit.nodes.change(run.run_id, stopped, status="cancelled", **NO_LEASE)
    unit.hitl.close_all(run.run_id)
    if composed is not None:
        unit.outputs.put(
            run, status=status, output=composed.output, facets=composed.facets, provenance=composed.provenance
        )
    told = frames.complete(
        status,
        reason=reason,
        output=composed.output if composed is not None and status == "completed" else None,
        error=_error(reason, message, node_id, error) if status == "failed" else None,
        stopped=[{"nodeId": n, "wasRunning": n in running} for n in stopped] if status != "completed" else None,
        usage=run.usage,
    )
    unit.events.append(
        run.run_id,
        told,
        changes={
            "status": status,
            "reason": reason,
            "waiting_for": None,
            "wake_at": None,
            "finished_at": clock,
            # Whatever is still on its way under the old epoch finds itself stale.
            "epoch": flex_runs.c.epoch + (0 if status == "completed" else 1),
        },
    )


def _error(reason: str | None, message: str, node_id: str | None, details: Mapping[str, Any] | None) -> dict[str, Any]:
    code = reason or "failed"
    kept = {name: value for name, value in (details or {}).items() if name in {"errors", "diagnostics"}}
    body = {"code": code, "message": message or code, "remedy": frames.remedy(code), **kept}
    return body if node_id is None else {**body, "nodeId": node_id}


_PERFORMERS: Mapping[type[Any], Callable[[Context, Any], Next]] = {
    steps.Plan: _plan,
    steps.ApplyAnswer: _apply_answer,
    steps.Reclaim: _reclaim,
    steps.Compute: _compute,
    steps.Dispatch: _dispatch,
    steps.Finish: _finish,
    steps.Fail: _fail,
    steps.EndCancelled: _end_cancelled,
    steps.AskHuman: _ask_human,
    steps.Wait: _wait,
    steps.Rest: _rest,
}
