"""Perform what `next_step` decided: one short function per step, inside the transaction that holds the run's lock.

Each returns what the loop does next: look at the run again, stop, or walk the lane that it keeps for itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from models.events.frames import timestamp_text
from models.repositories.moves import Wake
from models.repositories.nodes import NO_LEASE
from models.repositories.runs import seconds
from models.settings import get_settings
from models.tables import flex_runs
from models.tables.base import clock
from planner.plan.graph import Node
from planner.plan.lanes import Lane
from planner.progress import steps
from planner.progress.failure import Failure, after_failure
from planner.progress.state import NodeState
from tasks import dispatch
from tasks.aftermath import change_after
from tasks.answers import apply_answer
from tasks.asking import ask
from tasks.base import WORKER
from tasks.beginning import Begun, lanes_in_words, lease, next_attempt
from tasks.computing import compute
from tasks.context import Again, Context, Next, Stop
from tasks.ending import end_run
from tasks.finishing import finish


def perform(context: Context, step: steps.Step) -> Next:
    """Perform one step, unless it can only be taken under the run's lock and that is not held."""
    if not (context.locked or isinstance(step, _WITHOUT_LOCK)):
        return Again()
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


def _reclaim(context: Context, step: steps.Reclaim) -> Next:
    """Take back nodes whose lease ended without a result; whoever had them can no longer store one."""
    registry = context.unit.registry_of(context.run.tenant_id)
    active = {capability.capability_id for capability in registry.active()}
    for node_id in step.node_ids:
        node, state = context.plan.plan.node(node_id), context.state.nodes[node_id]
        failure = _lost(node, timed_out=node_id in step.timed_out)
        aftermath = after_failure(node, state, failure, active.__contains__)
        change = change_after(node, state, failure, aftermath, duration_ms=_ran_ms(context, state))
        drafts = list(change.drafts)
        if change.request is not None:
            drafts.append(context.unit.hitl.ask(context.run, change.request))
        context.unit.events.append(context.run.run_id, *drafts)
        values = {"status": "retrying", **NO_LEASE, "dispatched_at": None, **change.values}
        context.unit.nodes.change(context.run.run_id, [node_id], **values)
    return Again()


def _ran_ms(context: Context, state: NodeState) -> float | None:
    """Return how long ago the attempt began that is taken back: nobody knows when its worker went away."""
    if state.started_at is None:
        return None
    return (context.run.seen_at - state.started_at).total_seconds() * 1000


def _lost(node: Node, *, timed_out: bool) -> Failure:
    if timed_out:
        message = f"“{node.label}” did not end within {node.timeout_seconds:g} seconds."
        return Failure("timeout", "timeout", message)
    return Failure("lease_lost", "lease_lost", f"The worker that ran “{node.label}” went away.")


def _dispatch(context: Context, step: steps.Dispatch) -> Next:
    """Publish the ready lanes, all but the one that this worker keeps, whose first node it begins."""
    unit, run, plan = context.unit, context.run, context.plan.plan
    if run.status != "running":
        if not context.locked:
            return Again()
        unit.runs.change(run.run_id, status="running")
    kept = next((lane for lane in step.lanes if _fits_here(lane)), None) if context.keep else None
    published = [lane for lane in step.lanes if lane is not kept]
    ahead = None
    if kept is not None:
        ahead = next_attempt(plan, plan.node(kept.node_ids[0]), context.state.nodes[kept.node_ids[0]])
    patience = steps.REPUBLISH_SECONDS[0] if published else lease()
    moved = unit.moves.begin(
        run.run_id,
        epoch=run.epoch,
        plan_version=plan.version,
        worker=WORKER,
        lease=lease(),
        ahead=ahead,
        beside=[lane.node_ids[0] for lane in published],
        # A lease that is there already may end before anybody has claimed these lanes.
        wake=Wake(patience, anew=True, until=min(_lease_ends(context), default=None)),
        waiting_for=lanes_in_words(len(step.lanes)),
        row_version=context.row_version,
    )
    if moved is None:
        return Stop() if context.locked else Again()
    if published:
        also, known_as = kept is not None, run.correlation_id
        unit.on_commit(
            lambda: dispatch.walk_lanes(run.run_id, run.epoch, published, kept=also, correlation_id=known_as)
        )
    if kept is None or moved.following is None:
        return Stop()
    return Stop(Begun(moved.following, context.plan, kept.node_ids, dict(moved.outputs)))


def _lease_ends(context: Context) -> tuple[datetime, ...]:
    return tuple(node.lease_until for node in context.state.with_status("running") if node.lease_until)


def _fits_here(lane: Lane) -> bool:
    """Whether a lane may be walked by the worker that cut it: one that makes a single task, unless each node is one."""
    most = get_settings().lane_nodes
    return 1 < most >= len(lane.node_ids)


def _fail(context: Context, step: steps.Fail) -> Next:
    failed = context.state.nodes.get(step.node_id or "")
    error = dict(failed.error or {}) if failed else {}
    unit, run, nodes = context.unit, context.run, context.state.nodes.values()
    end_run(unit, run, nodes, "failed", reason=step.reason, message=step.message, node_id=step.node_id, error=error)
    return Stop()


def _end_cancelled(context: Context, _step: steps.EndCancelled) -> Next:
    end_run(context.unit, context.run, context.state.nodes.values(), "cancelled", reason="cancelled")
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
    moving = "pending" if context.state.plan is None else "running"
    moving = "planning" if context.run.status == "planning" else moving
    context.unit.runs.change(
        context.run.run_id, status=moving, wake_at=step.until, waiting_for=step.waiting_for, nudges=0
    )
    return Stop()


def _rest(_context: Context, _step: steps.Rest) -> Next:
    return Stop()


_WITHOUT_LOCK = (steps.Dispatch, steps.Finish, steps.Rest)
"""What is one statement, or nothing, and makes up most of the way of most runs."""

_PERFORMERS: Mapping[type[Any], Callable[[Context, Any], Next]] = {
    steps.Plan: _plan,
    steps.ApplyAnswer: apply_answer,
    steps.Reclaim: _reclaim,
    steps.Compute: compute,
    steps.Ask: ask,
    steps.Dispatch: _dispatch,
    steps.Finish: finish,
    steps.Fail: _fail,
    steps.EndCancelled: _end_cancelled,
    steps.AskHuman: _ask_human,
    steps.Wait: _wait,
    steps.Rest: _rest,
}
