"""Decide the next step of a run from its state: a pure function, the only place where a run's course is chosen.

The order of the questions is the order of importance: an ended run stays ended, a cancel comes before everything else,
answers that people gave are applied before anything new is started, what died is taken back before it is waited for,
what the loop can compute itself is computed, what only a person can settle is asked, what is ready is dispatched, and
only then does the run finish or wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from planner.plan.graph import PlanGraph
from planner.plan.lanes import Lane, cut_lanes
from planner.progress.state import SETTLED, STARTABLE, TERMINAL, NodeState, RequestState, RunState

REPUBLISH_SECONDS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""How long a published message may stay unclaimed before it is published again, by how often that has happened."""
MAX_PLANNING_CRASHES = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """No plan yet, or one that is being made anew: publish the planning task."""


@dataclass(frozen=True, slots=True)
class ApplyAnswer:
    """A person has decided about a node that waits for it."""

    request: RequestState


@dataclass(frozen=True, slots=True)
class Reclaim:
    """These nodes' leases ended without a result; `timed_out` ones reached their attempt's deadline."""

    node_ids: tuple[str, ...]
    timed_out: frozenset[str]


@dataclass(frozen=True, slots=True)
class Compute:
    """These virtual nodes are ready and are settled by the loop itself."""

    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ask:
    """These fallback nodes are ready: what each stands for is asked of a person."""

    node_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """These lanes are ready and have not been published, or nobody claimed them in time."""

    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """Every node has settled: compose the output and hold it against the caller's contract."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The run cannot reach its contract."""

    reason: str
    node_id: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class EndCancelled:
    """The cancel intent is stored: stop what runs and end the run."""


@dataclass(frozen=True, slots=True)
class AskHuman:
    """Nothing else can move: the run waits for a person, until `until` if the request has a deadline."""

    requests: tuple[RequestState, ...]
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something else moves the run; look again at `until`."""

    until: datetime
    waiting_for: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do: the run has ended or only a person can move it."""


Step = Plan | ApplyAnswer | Reclaim | Compute | Ask | Dispatch | Finish | Fail | EndCancelled | AskHuman | Wait | Rest


def next_step(state: RunState) -> Step:
    """Return what to do now; the same state always gives the same step."""
    if state.status in TERMINAL or state.status == "paused":
        return Rest()
    if state.status == "cancelling":
        return EndCancelled()
    if state.plan is None or state.status == "planning":
        return _planning_step(state)
    return (
        _answered(state)
        or _broken(state)
        or _expired(state)
        or _computable(state, state.plan)
        or _askable(state, state.plan)
        or _dispatchable(state, state.plan)
        or _finished(state)
        or _waiting(state)
    )


def republish_at(published: datetime, count: int) -> datetime:
    """Return when a message published `count` times, last at `published`, is published again if nobody claimed it."""
    return published + timedelta(seconds=REPUBLISH_SECONDS[min(max(count, 1), len(REPUBLISH_SECONDS)) - 1])


def _planning_step(state: RunState) -> Step:
    lease = state.planning_lease_until
    if lease is not None and lease > state.now:
        return Wait(lease, "the planner")
    # A lease that ran out is one more planner that died; the claim of its successor will count it.
    crashes = state.planning_crashes + (lease is not None)
    if crashes >= MAX_PLANNING_CRASHES:
        return Fail("poison", message=f"Planning ended {crashes} times with the process that did it.")
    if state.dispatched_at:
        due = republish_at(state.dispatched_at, state.dispatch_count)
        if due > state.now:
            return Wait(due, "a worker to plan it")
    return Plan()


def _answered(state: RunState) -> Step | None:
    waiting = {node.node_id for node in state.with_status("awaiting_hitl")}
    for request in state.requests:
        if request.answer is not None and request.node_id in waiting:
            return ApplyAnswer(request)
    return None


def _broken(state: RunState) -> Step | None:
    for node in state.with_status("error"):
        error = node.error or {}
        return Fail(str(error.get("code", "node_failed")), node.node_id, str(error.get("message", "")))
    return None


def _expired(state: RunState) -> Step | None:
    dead = [n for n in state.with_status("running") if n.lease_until is None or n.lease_until <= state.now]
    timed_out = frozenset(n.node_id for n in dead if n.deadline is not None and n.deadline <= state.now)
    return Reclaim(tuple(n.node_id for n in dead), timed_out) if dead else None


def _computable(state: RunState, plan: PlanGraph) -> Step | None:
    ready = tuple(n.node_id for n in _ready(state) if plan.node(n.node_id).virtual)
    return Compute(ready) if ready else None


def _askable(state: RunState, plan: PlanGraph) -> Step | None:
    ready = tuple(n.node_id for n in _ready(state) if plan.node(n.node_id).kind == "fallback")
    return Ask(ready) if ready else None


def _dispatchable(state: RunState, plan: PlanGraph) -> Step | None:
    due = [n.node_id for n in _ready(state) if not _in_flight(n, state.now)]
    if not due:
        return None
    startable = {n.node_id for n in state.nodes.values() if n.status in STARTABLE}
    return Dispatch(cut_lanes(plan, due, may_walk=startable))


def _finished(state: RunState) -> Step | None:
    return Finish() if all(node.status in SETTLED for node in state.nodes.values()) else None


def _waiting(state: RunState) -> Step:
    running = state.with_status("running")
    published = [n for n in _ready(state) if n.dispatched_at is not None]
    delayed = [n for n in state.with_status(*STARTABLE) if n.waiting == 0 and _delayed(n, state.now)]
    open_requests = tuple(r for r in state.requests if r.answer is None)
    moments = [
        *(n.lease_until for n in running if n.lease_until),
        *(republish_at(n.dispatched_at, n.dispatch_count) for n in published if n.dispatched_at),
        *(n.retry_at for n in delayed if n.retry_at),
        *(r.expires_at for r in open_requests if r.expires_at),
    ]
    if not (running or published or delayed):
        return AskHuman(open_requests, min(moments, default=None)) if open_requests else Fail("stuck", message=_STUCK)
    return Wait(min(moments), _names("node", [n.node_id for n in (*running, *published, *delayed)]))


_STUCK = "No node can start and nobody is asked; the plan does not lead to its end."


def _ready(state: RunState) -> tuple[NodeState, ...]:
    return tuple(n for n in state.with_status(*STARTABLE) if n.waiting == 0 and not _delayed(n, state.now))


def _delayed(node: NodeState, now: datetime) -> bool:
    return node.retry_at is not None and node.retry_at > now


def _in_flight(node: NodeState, now: datetime) -> bool:
    return node.dispatched_at is not None and republish_at(node.dispatched_at, node.dispatch_count) > now


def _names(noun: str, ids: Iterable[str]) -> str:
    names = list(ids)
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}"
