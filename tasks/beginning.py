"""Begin a lane: claim its first node, by one statement where nothing stands in the way, else under the run's lock.

Whoever offers lanes, goes on from a settled node or answers a message begins the next attempt by the same rules.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from models.events.frames import Draft
from models.repositories.claims import Claim, ClaimRefusedError
from models.repositories.moves import Ahead, Wake
from models.repositories.plans import StoredPlan
from models.settings import get_settings
from models.unit_of_work import UnitOfWork, open_statement, open_unit
from planner.plan.graph import Node, PlanGraph
from planner.progress.bundle import source_ids
from planner.progress.failure import candidate_id
from planner.progress.state import NodeState
from tasks import frames
from tasks.base import WORKER

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A lane whose first node this worker has claimed.

    `seen` are outputs (node id → facet → value) that were read on the way, which nobody changes while they are needed.
    """

    claim: Claim
    stored: StoredPlan
    node_ids: Sequence[str]
    seen: dict[str, Any] = field(default_factory=dict)


def begin(run_id: str, epoch: int, node_ids: Sequence[str]) -> Begun | None:
    """Take the lane's first node; None when it is not to be had, which is nobody's fault."""
    with open_statement(None) as unit:
        known = unit.plans.latest(run_id)
        moved = None
        if known is not None and (node := known.plan.find(node_ids[0])) is not None:
            moved = unit.moves.begin(
                run_id,
                epoch=epoch,
                plan_version=known.plan.version,
                worker=WORKER,
                lease=lease(),
                ahead=next_attempt(known.plan, node, NodeState(node.id)),
                wake=Wake(lease()),
            )
    if known is not None and moved is not None and moved.following is not None:
        return Begun(moved.following, known, node_ids, dict(moved.outputs))
    # It was tried before, or the plan is another one by now: what there is to know is read under the run's lock.
    return _begin_again(run_id, epoch, node_ids)


def _begin_again(run_id: str, epoch: int, node_ids: Sequence[str]) -> Begun | None:
    try:
        with open_unit(None) as unit:
            claim, start, at = take(unit, run_id, node_ids[0], epoch)
            unit.events.record(run_id, [start], at=at, wake_within=lease(), usage={})
            stored = unit.plans.stored(run_id, claim.plan_version)
    except ClaimRefusedError:
        logger.debug("claim_refused", run_id=run_id, node_id=node_ids[0])
        return None
    return Begun(claim, stored, node_ids)


def take(unit: UnitOfWork, run_id: str, node_id: str, epoch: int) -> tuple[Claim, Draft, datetime]:
    """Claim a node under the run's lock and return the frame that tells of it, and when that was."""
    claim, at = unit.claims.take(run_id, node_id, epoch=epoch, worker=WORKER, lease=lease())
    node: Node = unit.plans.stored(run_id, claim.plan_version).plan.node(node_id)
    capability_id = candidate_id(node, claim.state.candidate)
    return claim, frames.node_start(node, attempt=claim.attempt, capability_id=capability_id), at


def next_attempt(plan: PlanGraph, node: Node, state: NodeState, seen: Container[str] = ()) -> Ahead:
    """Return the next attempt at a node in this state, and which of its sources it still has to see."""
    capability_id = candidate_id(node, state.candidate)
    start = frames.node_start(node, attempt=state.attempt + 1, capability_id=capability_id)
    return Ahead(state, start, [source for source in source_ids(plan, node.id) if source not in seen])


def lanes_in_words(count: int) -> str:
    """Return what a run waits for while so many of its lanes are walked."""
    return f"{count} lane{'s' if count > 1 else ''} of the plan"


def lease() -> float:
    """Return for how many seconds a claim holds its node unless it is renewed."""
    return get_settings().lease_seconds
