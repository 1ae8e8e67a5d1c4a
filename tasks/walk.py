"""Walk a lane: claim its nodes one after another, run each, and store what came of it.

A lane returns an outcome and never raises for what a node does. It ends at its last node, when somebody else has its
next node, when a node needs a person or another try later, or when its worker is told to stop, in which case it
publishes its rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from models.errors import LeaseLostError
from models.events.frames import Draft
from models.faults import fault
from models.repositories.claims import Claim, ClaimRefusedError, Result
from models.repositories.moves import Wake
from models.repositories.plans import StoredPlan
from models.settings import get_settings
from models.unit_of_work import UnitOfWork, open_reading, open_statement, open_unit
from planner.plan.graph import Node, PlanGraph
from planner.plan.lanes import Lane
from planner.progress.failure import after_failure, candidate_id
from planner.progress.onward import Onward, after_settling
from planner.progress.replanning import directions_in
from planner.progress.state import NodeState
from planner.progress.steps import REPUBLISH_SECONDS
from tasks import dispatch, frames, requests
from tasks.aftermath import change_after
from tasks.agents.base import Usage
from tasks.base import stopping
from tasks.beginning import Begun, begin, lanes_in_words, lease, next_attempt, take
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
    """What one attempt led to: the next claim in hand, with the lane that it begins or goes on in, or the end."""

    claim: Claim | None
    lane: Sequence[str] = ()
    walked: Walked = ENDED


def walk(run_id: str, epoch: int, node_ids: Sequence[str], *, chained: bool = False) -> Walked:
    """Claim the first of the nodes, walk them in order and say whether the run's loop should be asked next.

    With `chained` a message for the node behind the last one follows this lane's.
    """
    begun = begin(run_id, epoch, node_ids)
    return ENDED if begun is None else go_on(begun, chained=chained)


def go_on(begun: Begun, *, chained: bool = False) -> Walked:
    """Walk a lane to its end; a worker that closes a join goes on with what the join set free."""
    step = _Step(begun.claim, begun.node_ids)
    look, seen = False, begun.seen
    while step.claim is not None:
        claim = step.claim
        fault("after_claim", claim.node_id)
        with structlog.contextvars.bound_contextvars(node_id=claim.node_id, correlation_id=claim.correlation_id):
            step = _attempt(claim, begun.stored, step.lane, seen, chained=chained)
        look = look or step.walked.look
    return Walked(look, step.walked.handed_over)


def _attempt(claim: Claim, stored: StoredPlan, lane: Sequence[str], seen: dict[str, Any], *, chained: bool) -> _Step:
    """Run one attempt and store its outcome; a lease lost meanwhile makes the outcome nobody's.

    `seen` are the outputs of ancestors that this lane has read or made, which nobody changes while it holds them.
    """
    if stored.plan.version != claim.plan_version:
        with open_reading(None) as unit:
            stored = unit.plans.stored(claim.run_id, claim.plan_version)
    with heartbeat.holding(claim.run_id, claim.node_id, claim.attempt) as token:
        fault("before_effect", claim.node_id)
        outcome = attempt(claim, stored, token, seen)
        fault("after_effect", claim.node_id)
    try:
        match outcome:
            case Done():
                seen[claim.node_id] = outcome.output
                return _complete(claim, stored, outcome, lane, seen, chained=chained)
            case Ask():
                return _ask(claim, stored, outcome)
            case Failed():
                return _fail(claim, stored, outcome, lane)
    except LeaseLostError:
        logger.info("late_result_refused", attempt=claim.attempt)
        if outcome.usage != Usage():
            usage = outcome.usage.as_json()
            with open_unit(None) as unit:
                unit.claims.book(claim, frames.late_result(claim.node_id, claim.attempt, usage), usage)
        return _Step(None)


def _complete(
    claim: Claim, stored: StoredPlan, done: Done, lane: Sequence[str], seen: dict[str, Any], *, chained: bool
) -> _Step:
    plan, node = stored.plan, stored.plan.node(claim.node_id)
    rest = tuple(lane[list(lane).index(node.id) + 1 :])
    longest = get_settings().lane_nodes
    onward = Onward(rest) if chained else after_settling(plan, node.id, rest, longest=longest)
    result = Result(dict(done.output), dict(done.provenance), done.usage.as_json(), done.duration_ms)
    why = directions_in(plan, node.id, done.output)
    if why is None and not chained and not stopping.is_set():
        step = _complete_at_once(claim, plan, done, result, onward, seen)
        if step is not None:
            return step
    ahead = onward.node_ids
    with open_unit(None) as unit:
        settled = unit.claims.complete(claim, result, successors=plan.children(node.id))
        told = [_completed(claim, node, done)]
        following, overtaken = None, settled.plan_version != claim.plan_version
        if not (overtaken or why or stopping.is_set()) and ahead and ahead[0] in settled.closed:
            following, start = _take_next(unit, claim, ahead[0])
            told.extend(start)
        unit.events.record(claim.run_id, told, at=settled.at, wake_within=lease(), usage=result.usage)
        if overtaken:
            _count_down(unit, claim, settled.plan_version)
        if why is not None:
            unit.planning.ask_again(claim.run_id, why)
        closed = settled.closed
        if rest and stopping.is_set() and not (overtaken or why):
            lanes, known_as = [Lane(rest)], claim.correlation_id
            unit.on_commit(lambda: dispatch.walk_lanes(claim.run_id, claim.epoch, lanes, correlation_id=known_as))
            closed -= {rest[0]}
        if handed_over := chained and not (rest or overtaken or why):
            # The chain's next message is as good as published: the loop need not publish one of its own.
            unit.nodes.note_dispatch(claim.run_id, sorted(closed))
    fault("after_settle", node.id)
    if handed_over:
        return _Step(None, walked=Walked(look=False, handed_over=True))
    if following is not None:
        return _Step(following, ahead, LOOK if closed - {ahead[0]} else ENDED)
    look = closed or overtaken or why or not plan.children(node.id)
    return _Step(None, walked=LOOK if look else ENDED)


def _complete_at_once(
    claim: Claim, plan: PlanGraph, done: Done, result: Result, onward: Onward, seen: dict[str, Any]
) -> _Step | None:
    """Settle the node, begin the next and offer its lane's sisters, in one statement.

    None where a newer version of the plan is in force.
    """
    node, following = plan.node(claim.node_id), plan.node(onward.node_ids[0]) if onward.node_ids else None
    with open_statement(None) as unit:
        moved = unit.moves.settle(
            claim,
            result,
            told=_completed(claim, node, done),
            successors=plan.children(node.id),
            ahead=None if following is None else next_attempt(plan, following, NodeState(following.id), seen),
            beside=[lane.node_ids[0] for lane in onward.beside],
            lease=lease(),
            wake=Wake(REPUBLISH_SECONDS[0] if onward.beside else lease()),
            waiting_for=lanes_in_words(1 + len(onward.beside)) if onward.beside else None,
        )
        if moved is None:
            return None
        lanes = [lane for lane in onward.beside if lane.node_ids[0] in moved.beside]
        if lanes:
            kept, known_as = moved.following is not None, claim.correlation_id
            unit.on_commit(
                lambda: dispatch.walk_lanes(claim.run_id, claim.epoch, lanes, kept=kept, correlation_id=known_as)
            )
    fault("after_settle", node.id)
    seen.update(moved.outputs)
    left = moved.closed - moved.beside
    if moved.following is not None:
        return _Step(moved.following, onward.node_ids, LOOK if left - {onward.node_ids[0]} else ENDED)
    return _Step(None, walked=LOOK if left or not plan.children(node.id) else ENDED)


def _count_down(unit: UnitOfWork, claim: Claim, plan_version: int) -> None:
    """Count a settled node down for those that wait for it in a version that came into force while it was worked on."""
    plan = unit.plans.stored(claim.run_id, plan_version).plan
    if plan.find(claim.node_id) is not None:
        unit.nodes.count_down(claim.run_id, plan.children(claim.node_id))


def _take_next(unit: UnitOfWork, claim: Claim, node_id: str) -> tuple[Claim | None, list[Draft]]:
    """Claim a node that has just become ready; a run that stopped moving meanwhile lets nobody have it."""
    try:
        following, start, _ = take(unit, claim.run_id, node_id, claim.epoch)
    except ClaimRefusedError:
        return None, []
    return following, [start]


def _completed(claim: Claim, node: Node, done: Done) -> Draft:
    return frames.node_complete(
        node,
        attempt=claim.attempt,
        capability_id=candidate_id(node, claim.state.candidate),
        output=dict(done.output),
        duration_ms=done.duration_ms,
        usage=done.usage.as_json(),
        provenance=done.provenance,
    )


def _fail(claim: Claim, stored: StoredPlan, failed: Failed, lane: Sequence[str]) -> _Step:
    node = stored.plan.node(claim.node_id)
    with open_reading(claim.tenant_id) as unit:
        registry = unit.capabilities.snapshot()
    active = {capability.capability_id for capability in registry.active()}
    usage = failed.usage.as_json()
    failure = replace(failed.failure, usage=usage)
    aftermath = after_failure(node, claim.state, failure, active.__contains__)
    change = change_after(node, claim.state, failure, aftermath, duration_ms=failed.duration_ms)
    logger.info("attempt_failed", code=failure.code, next=type(aftermath).__name__)
    with open_unit(None) as unit:
        if change.again:
            start = frames.node_start(
                node,
                attempt=claim.attempt + 1,
                capability_id=candidate_id(node, change.values.get("candidate", claim.state.candidate)),
            )
            again = unit.claims.try_again(
                claim,
                [*change.drafts, start],
                lease=lease(),
                usage=usage,
                values=change.values,
            )
            return _Step(again, lane, ENDED if again else LOOK)
        drafts = list(change.drafts)
        if change.request is not None:
            drafts.append(unit.hitl.ask(unit.runs.lock(claim.run_id), change.request))
        unit.claims.leave(claim, drafts, usage=usage, values=change.values)
    return _Step(None, walked=LOOK)


def _ask(claim: Claim, stored: StoredPlan, outcome: Ask) -> _Step:
    node, usage = stored.plan.node(claim.node_id), outcome.usage.as_json()
    with open_unit(None) as unit:
        request = requests.for_agent(node, outcome.ask, candidate_id(node, claim.state.candidate), usage)
        asked = unit.hitl.ask(unit.runs.lock(claim.run_id), request)
        unit.claims.leave(claim, [asked], usage=usage, values={"status": "awaiting_hitl"})
    return _Step(None, walked=LOOK)
