"""The loop of a run: plan it, ask what comes next, perform it, walk a lane, and ask again.

`drive` alternates between advancing a run under its lock and walking one lane without it; nobody calls back. Anything
may call it, as often as it likes: it finds out what is to be done, and finds nothing when somebody else has done it.
"""

from __future__ import annotations

from typing import Any

import structlog

from models.errors import RunNotFoundError
from models.events.frames import Draft
from models.repositories.plans import StoredPlan
from models.repositories.runs import Run
from models.unit_of_work import UnitOfWork, open_unit
from planner.progress.state import RunState
from planner.progress.steps import next_step
from tasks.base import FlexTask
from tasks.beginning import Begun
from tasks.celery_app import celery
from tasks.context import Again, Context
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
    """Do under the run's lock all that needs no agent; return the lane that this worker has begun, to be walked."""
    try:
        with open_unit(None) as unit:
            run = unit.runs.lock(run_id)
            while True:
                context = _context(unit, run, keep=keep)
                done = perform(context, next_step(context.state))
                if not isinstance(done, Again):
                    return done.begun
                run = unit.runs.lock(run_id)
    except RunNotFoundError:
        logger.warning("run_gone", run_id=run_id)
        return None


def _context(unit: UnitOfWork, run: Run, *, keep: bool) -> Context:
    nodes = unit.nodes.states(run.run_id) if run.plan_version else {}
    asked = any(node.status == "awaiting_hitl" for node in nodes.values())
    if asked and run.status in {"running", "awaiting_hitl"} and (opened := unit.hitl.open_waiting(run)):
        unit.events.append(run.run_id, *opened)
    stored: StoredPlan | None = unit.plans.stored(run.run_id, run.plan_version) if run.plan_version else None
    state = RunState(
        run_id=run.run_id,
        status=run.status,  # type: ignore[arg-type]  # a CHECK holds the column to the same vocabulary
        epoch=run.epoch,
        now=run.locked_at,
        plan=stored.plan if stored else None,
        nodes=nodes,
        requests=unit.hitl.open_states(run.run_id) if asked else (),
        planning_lease_until=run.planning_lease_until if run.status == "planning" else None,
        planning_crashes=run.planning_crashes,
        dispatched_at=run.dispatched_at,
        dispatch_count=run.dispatch_count,
    )
    return Context(unit, run, state, stored, keep)
