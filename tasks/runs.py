"""The loop of a run: plan it, ask what comes next, perform it, walk a lane, and ask again.

`drive` alternates between advancing a run under its lock and walking one lane without it; nobody calls back. Anything
may call it, as often as it likes: it finds out what is to be done, and finds nothing when somebody else has done it.
"""

from __future__ import annotations

from typing import Any

import structlog

from models.errors import RunNotFoundError
from models.events.frames import Draft
from models.repositories.overviews import Overview
from models.unit_of_work import UnitOfWork, open_statement, open_unit
from planner.progress.state import RequestState, RunState
from planner.progress.steps import next_step
from tasks.base import FlexTask
from tasks.beginning import Begun
from tasks.celery_app import celery
from tasks.context import Again, Context, Next
from tasks.perform import perform
from tasks.planning import plan_and_store
from tasks.walk import go_on, walk

logger = structlog.get_logger(__name__)


@celery.task(name="tasks.plan_run", base=FlexTask)
def plan_run(*, run_id: str, epoch: int) -> None:
    """Plan a run that has no plan yet, and go on with it."""
    if plan_and_store(run_id, epoch):
        drive(run_id, keep=True)


@celery.task(name="tasks.advance_run", base=FlexTask)
def advance_run(*, run_id: str) -> None:
    """Look what a run needs and do it."""
    drive(run_id, keep=True)


@celery.task(name="tasks.cancel_run", base=FlexTask)
def cancel_run(*, run_id: str) -> None:
    """End a run whose cancel intent is stored; the control worker never walks a lane."""
    drive(run_id, keep=False)


@celery.task(name="tasks.walk_lane", base=FlexTask, bind=True)
def walk_lane(self: FlexTask, *, run_id: str, epoch: int, node_ids: list[str]) -> None:
    """Walk one lane, and go on with the run if that closed a join.

    A link that did not come to its end takes the rest of its chain with it: whoever moves the run publishes that anew.
    """
    chain, self.request.chain = self.request.chain, None
    walked = walk(run_id, epoch, node_ids, chained=bool(chain))
    if walked.handed_over:
        self.request.chain = chain
    if walked.look:
        drive(run_id, keep=True)


@celery.task(name="tasks.lane_failed", base=FlexTask)
def lane_failed(request: Any, exc: BaseException, _traceback: Any) -> None:
    """Note a lane whose task broke outside its nodes, and let the run take its leases back at once."""
    run_id, node_ids = request.kwargs["run_id"], request.kwargs["node_ids"]
    logger.error("lane_failed", run_id=run_id, node_ids=node_ids, task_id=request.id, error=type(exc).__name__)
    with open_unit(None) as unit:
        run = unit.runs.lock(run_id)
        unit.claims.end(run_id, node_ids)
        if not run.terminal:
            message = "A worker failed outside the nodes of a lane; its nodes are taken back."
            draft = Draft("log", {"level": "error", "nodeIds": node_ids, "error": type(exc).__name__}, message=message)
            unit.events.append(run_id, draft)
            unit.runs.wake(run_id)


def drive(run_id: str, *, keep: bool) -> None:
    """Advance a run until it waits for something; with `keep`, walk one of its lanes here."""
    while True:
        ahead = advance(run_id, keep=keep)
        if ahead is None:
            return
        if not go_on(ahead).look:
            return


def advance(run_id: str, *, keep: bool) -> Begun | None:
    """Do all that needs no agent; return the lane that this worker has begun, to be walked.

    Most steps are a single statement, which can tell whether the run is still what the step was chosen for; so it is
    tried without the run's lock first.
    """
    try:
        with open_statement(None) as unit:
            done = _move(unit, run_id, locked=False, keep=keep)
        if isinstance(done, Again):
            with open_unit(None) as unit:
                unit.runs.lock(run_id)
                while isinstance(done, Again):
                    done = _move(unit, run_id, locked=True, keep=keep)
    except RunNotFoundError:
        logger.warning("run_gone", run_id=run_id)
        return None
    return done.begun


def _move(unit: UnitOfWork, run_id: str, *, locked: bool, keep: bool) -> Next:
    """Look at the run and take the step that it needs."""
    seen = unit.overviews.read(run_id)
    if seen.asks and not locked:
        # What is asked of people is opened and answered under the lock.
        return Again()
    state = _state(seen, _requests(unit, seen) if seen.asks else ())
    return perform(Context(unit, seen, state, locked, keep), next_step(state))


def _requests(unit: UnitOfWork, seen: Overview) -> tuple[RequestState, ...]:
    """Put to people what waits for its turn, and return what they are asked."""
    run = seen.run
    if run.status in {"running", "awaiting_hitl"} and (opened := unit.hitl.open_waiting(run)):
        unit.events.append(run.run_id, *opened)
    return unit.hitl.open_states(run.run_id)


def _state(seen: Overview, requests: tuple[RequestState, ...]) -> RunState:
    run = seen.run
    return RunState(
        run_id=run.run_id,
        status=run.status,  # type: ignore[arg-type]  # a CHECK holds the column to the same vocabulary
        epoch=run.epoch,
        now=run.seen_at,
        plan=seen.stored.plan if seen.stored else None,
        nodes=seen.nodes,
        requests=requests,
        planning_lease_until=run.planning_lease_until if run.status == "planning" else None,
        planning_crashes=run.planning_crashes,
        dispatched_at=run.dispatched_at,
        dispatch_count=run.dispatch_count,
    )
