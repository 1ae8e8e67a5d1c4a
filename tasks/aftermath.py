"""What a failed attempt leads to, as one value: the node's new columns, the frames that tell of it, and who is asked.

`planner.progress.failure` decides; this spells the decision out, for a worker that holds the node's lease and for the
run loop that takes a dead worker's node back alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement

from models.events.frames import Draft
from models.repositories.hitl import NewRequest
from models.repositories.runs import seconds
from models.tables.base import clock
from planner.plan.graph import Node
from planner.progress.failure import Aftermath, AskPerson, Failure, GiveUp, RetryNode, UseAlternative, candidate_id
from planner.progress.state import NodeState
from tasks import frames
from tasks.requests import clipped, for_output


@dataclass(frozen=True, slots=True)
class Change:
    """New columns of a node and what is told of them; `again` says that its next attempt may begin at once."""

    values: dict[str, Any]
    drafts: tuple[Draft, ...]
    again: bool = False
    request: NewRequest | None = None


def change_after(
    node: Node, state: NodeState, failure: Failure, aftermath: Aftermath, *, duration_ms: float | None = None
) -> Change:
    """Return what becomes of a node whose attempt failed, after so many milliseconds if that is known."""
    told = _findings_told(node, state, failure)

    def error(final: Failure) -> Draft:
        capability_id = candidate_id(node, state.candidate)
        return frames.node_error(
            node, final, capability_id=capability_id, attempt=state.attempt, duration_ms=duration_ms
        )

    match aftermath:
        case RetryNode(delay):
            return _retry(node, state, failure, delay, told, duration_ms)
        case UseAlternative(candidate, other):
            return _alternative(node, state, failure, (candidate, other), (*told, error(failure)), duration_ms)
        case AskPerson():
            values = {"status": "awaiting_hitl", "error": _stored(failure)}
            if failure.kind == "capability_inactive":
                # What the attempt consumed stands in this frame, and not in the question too.
                asking = for_output(node, state, replace(failure, usage=None))
                return Change(values, (*told, error(failure)), request=asking)
            return Change(values, told, request=for_output(node, state, failure))
        case GiveUp():
            code = "poison" if failure.kind == "lease_lost" else failure.code
            final = replace(failure, code=code, output=None)
            values = {"status": "error", "error": _stored(final)}
            return Change(values, (*told, error(final)))


def _retry(
    node: Node, state: NodeState, failure: Failure, delay: float, told: tuple[Draft, ...], duration_ms: float | None
) -> Change:
    crashed, repairs = failure.kind == "lease_lost", failure.kind == "invalid_output"
    values: dict[str, Any] = {"error": _stored(failure)}
    values |= {"crashes": state.crashes + 1} if crashed else {"tries": state.tries + 1}
    if repairs:
        values |= {"repair": state.repair + 1, "findings": [dict(f) for f in failure.findings]}
    retry = frames.node_retry(
        node,
        attempt=state.attempt + 1,
        reason=failure.kind,
        capability_id=candidate_id(node, state.candidate),
        failure=failure,
        duration_ms=duration_ms,
    )
    if repairs:
        return Change(values, (*told, retry), again=True)
    later: dict[str, Any] = {"status": "retrying", "retry_at": _after(delay), "dispatched_at": None}
    return Change({**values, **later}, (*told, retry))


def _alternative(
    node: Node,
    state: NodeState,
    failure: Failure,
    other: tuple[int, str],
    told: tuple[Draft, ...],
    duration_ms: float | None,
) -> Change:
    candidate, capability_id = other
    retry = frames.node_retry(
        node,
        attempt=state.attempt + 1,
        reason="fallback",
        capability_id=capability_id,
        # What the attempt consumed stands in the frame before this one.
        failure=replace(failure, usage=None),
        duration_ms=duration_ms,
    )
    values = {
        "candidate": candidate,
        "capability_id": capability_id,
        "tries": 0,
        "findings": [],
        "error": _stored(failure),
    }
    return Change(values, (*told, retry), again=True)


def _findings_told(node: Node, state: NodeState, failure: Failure) -> tuple[Draft, ...]:
    if not failure.findings:
        return ()
    scope = "capability_input" if failure.code == "invalid_input" else "capability_output"
    whose = candidate_id(node, state.candidate)
    told = frames.validation_error(scope, failure.findings, node=node, capability_id=whose, attempt=state.attempt)
    return (told,)


def _stored(failure: Failure) -> dict[str, Any]:
    body = failure.as_json()
    return body if failure.output is None else {**body, "output": clipped(failure.output)}


def _after(delay: float) -> ColumnElement[Any] | None:
    return clock + seconds(delay) if delay > 0 else None
