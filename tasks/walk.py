"""Walk a lane: claim its nodes one after another, run each, and store what came of it.

A lane returns an outcome and never raises for what a node does. It ends at its last node, when somebody else has its
next node, when a node needs a person or another try later, or when its worker is told to stop, in which case it
publishes its rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from models.errors import LeaseLostError
from models.events.frames import Draft
from models.faults import fault
from models.repositories.nodes import Claim, ClaimRefusedError
from models.repositories.plans import StoredPlan
from models.settings import get_settings
from models.unit_of_work import UnitOfWork, open_unit
from planner.plan.graph import Node
from planner.plan.lanes import Lane
from planner.progress.failure import after_failure, candidate_id
from tasks import dispatch, frames, requests
from tasks.aftermath import change_after
from tasks.base import WORKER, stopping
from tasks.heartbeat import heartbeat
from tasks.nodes import Ask, Done, Failed, attempt

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Walked:
    """How a lane ended: `look` when the run may need something that only its loop can tell.

    `handed_over` when it came to its end and the next link of its chain may begin.
    """

    look: bool
    handed_over: bool = False


ENDED = Walked(look=False)
LOOK = Walked(look=True)


@dataclass(frozen=True, slots=True)
class _Step:
    """What one attempt led to: the next claim in hand, or the end of the lane."""

    claim: Claim | None
    walked: Walked = ENDED


def walk(run_id: str, epoch: int, node_ids: Sequence[str], *, chained: bool = False) -> Walked:
    """Walk the nodes in order and say whether the run's loop should be asked next.

    With `chained` a message for the node behind the last one follows this lane's.
    """
    claim = _claim(run_id, epoch, node_ids[0])
    walked = ENDED
    while claim is not None:
        fault("after_claim", claim.node_id)
        with structlog.contextvars.bound_contextvars(node_id=claim.node_id, correlation_id=claim.correlation_id):
            step = _attempt(claim, node_ids, chained=chained)
        walked = Walked(walked.look or step.walked.look, step.walked.handed_over)
        claim = step.claim
    return walked


def _claim(run_id: str, epoch: int, node_id: str) -> Claim | None:
    """Take the lane's first node; None when it is not to be had, which is nobody's fault."""
    try:
        with open_unit(None) as unit:
            held, claim = unit.nodes.claim(
                run_id, node_id, epoch=epoch, worker=WORKER, lease=get_settings().lease_seconds
            )
            unit.events.write(held, [_start(unit, claim)])
            return claim
    except ClaimRefusedError:
        logger.debug("claim_refused", run_id=run_id, node_id=node_id)
        return None


def _attempt(claim: Claim, lane: Sequence[str], *, chained: bool) -> _Step:
    """Run one attempt and store its outcome; a lease lost meanwhile makes the outcome nobody's."""
    with open_unit(None) as unit:
        stored = unit.plans.stored(claim.run_id, claim.plan_version)
    with heartbeat.holding(claim.run_id, claim.node_id, claim.attempt) as token:
        fault("before_effect", claim.node_id)
        outcome = attempt(claim, stored, token)
        fault("after_effect", claim.node_id)
    try:
        match outcome:
            case Done():
                return _complete(claim, stored, outcome, lane, chained=chained)
            case Ask():
                return _ask(claim, stored, outcome)
            case Failed():
                return _fail(claim, stored, outcome)
    except LeaseLostError:
        logger.info("late_result_refused", attempt=claim.attempt)
        return _Step(None)


def _complete(claim: Claim, stored: StoredPlan, done: Done, lane: Sequence[str], *, chained: bool) -> _Step:
    plan = stored.plan
    node = plan.node(claim.node_id)
    position = list(lane).index(claim.node_id)
    rest = tuple(lane[position + 1 :])
    follow = rest[0] if rest and not stopping.is_set() else None
    usage = done.usage.as_json()
    with open_unit(None) as unit:
        held, settled = unit.nodes.complete(
            claim,
            values={
                "status": "completed",
                "output": dict(done.output),
                "provenance": dict(done.provenance),
                "duration_ms": done.duration_ms,
            },
            usage=usage,
            successors=plan.children(node.id),
            follow=follow,
            lease=get_settings().lease_seconds,
        )
        told = frames.node_complete(
            node,
            attempt=claim.attempt,
            capability_id=candidate_id(node, claim.state.candidate),
            output=dict(done.output),
            duration_ms=done.duration_ms,
            usage=usage,
            provenance=done.provenance,
        )
        unit.events.write(held, [told] if settled.next is None else [told, _start(unit, settled.next)])
        if rest and follow is None:
            lanes, known_as = [Lane(rest)], claim.correlation_id
            unit.on_commit(lambda: dispatch.walk_lanes(claim.run_id, claim.epoch, lanes, correlation_id=known_as))
        if handed_over := chained and not rest:
            # The chain's next message is as good as published: the loop need not publish one of its own.
            unit.nodes.note_dispatch(claim.run_id, settled.closed)
    fault("after_settle", node.id)
    if handed_over:
        return _Step(None, Walked(look=False, handed_over=True))
    closed_elsewhere = bool(set(settled.closed) - set(rest))
    moved_on = bool(rest) and follow is not None and settled.next is None
    return _Step(settled.next, Walked(look=closed_elsewhere or moved_on or not plan.children(node.id)))


def _fail(claim: Claim, stored: StoredPlan, failed: Failed) -> _Step:
    node = stored.plan.node(claim.node_id)
    with open_unit(claim.tenant_id) as unit:
        registry = unit.capabilities.snapshot()
    active = {capability.capability_id for capability in registry.active()}
    aftermath = after_failure(node, claim.state, failed.failure, active.__contains__)
    change = change_after(node, claim.state, failed.failure, aftermath)
    usage = failed.usage.as_json()
    logger.info("attempt_failed", code=failed.failure.code, next=type(aftermath).__name__)
    with open_unit(None) as unit:
        if change.again:
            start = frames.node_start(
                node,
                attempt=claim.attempt + 1,
                capability_id=candidate_id(node, change.values.get("candidate", claim.state.candidate)),
            )
            again = unit.nodes.try_again(
                claim,
                [*change.drafts, start],
                lease=get_settings().lease_seconds,
                usage=usage,
                values=change.values,
            )
            return _Step(again, ENDED if again else LOOK)
        drafts = list(change.drafts)
        if change.request is not None:
            drafts.append(unit.hitl.ask(unit.runs.lock(claim.run_id), change.request))
        unit.nodes.leave(claim, drafts, usage=usage, values=change.values)
    return _Step(None, LOOK)


def _ask(claim: Claim, stored: StoredPlan, outcome: Ask) -> _Step:
    node = stored.plan.node(claim.node_id)
    with open_unit(None) as unit:
        request = requests.for_agent(node, outcome.ask, candidate_id(node, claim.state.candidate))
        asked = unit.hitl.ask(unit.runs.lock(claim.run_id), request)
        unit.nodes.leave(claim, [asked], usage=outcome.usage.as_json(), values={"status": "awaiting_hitl"})
    return _Step(None, LOOK)


def _start(unit: UnitOfWork, claim: Claim) -> Draft:
    node: Node = unit.plans.stored(claim.run_id, claim.plan_version).plan.node(claim.node_id)
    return frames.node_start(node, attempt=claim.attempt, capability_id=candidate_id(node, claim.state.candidate))
