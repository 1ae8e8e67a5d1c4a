"""Plan a run: take the lease on it, find the plan without holding anything, and put the next version in force.

First plan and replan are one task. A version after the first one keeps finished work; it takes over in one transaction
with the frames that tell of it, under an epoch that whoever asked for it has raised.
"""

from __future__ import annotations

import structlog

from models.catalogue import catalogue
from models.faults import fault
from models.settings import get_settings
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.draft_prompt import describe_plan
from planner.assembly.drafts import Drafting
from planner.assembly.modes import plan_in_mode
from planner.plan.graph import PlanGraph
from tasks.agents.base import CancelToken
from tasks.drafting import Desk, plan_with_model
from tasks.heartbeat import heartbeat
from tasks.job import Job, requested, still_mine, take_job
from tasks.versions import refuse, store_first, store_next

logger = structlog.get_logger(__name__)


def plan_and_store(run_id: str, epoch: int) -> bool:
    """Give a run its next plan; return whether this call moved it on.

    A run that cannot be planned ends as `failed` with reason `no_plan` and the diagnostics, unless it can go on with
    the plan that it has. Nothing is left half done: a version, its nodes and its frames are one transaction.
    """
    job = take_job(run_id, epoch)
    if job is None:
        return False
    fault("after_planning_claim")
    with heartbeat.holding(run_id, "", job.run.planning_attempt) as token:
        try:
            found = _search(job)
        except PlanRejectedError as error:
            return refuse(job, error.diagnostics)
        except Exception:
            # The same envelope would break the planner again: say so now instead of trying until it counts as poison.
            logger.exception("flex_planner_failure", run_id=run_id)
            broken = Diagnostic("planner_failed", "The planner broke on this envelope; see the worker's log.", "error")
            return refuse(job, (broken,))
        plan = found if isinstance(found, PlanGraph) else plan_with_model(_desk(job, token), found)
    return store_first(job, plan) if job.previous is None else store_next(job, job.previous, plan)


def _search(job: Job) -> PlanGraph | Drafting:
    """Return the plan, or the talk about it that a model is still to be drawn into."""
    settings = get_settings()
    if settings.planner_mode == "hybrid" and settings.openai_api_key:
        so_far = None
        if job.previous is not None and job.why is not None:
            so_far = describe_plan(job.previous, job.statuses or {}, job.why.reason)
        drafting = Drafting.of(
            job.envelope,
            job.registry,
            catalogue(),
            version=job.version,
            fallbacks=True,
            situation=job.situation,
            so_far=so_far,
            most_rows=settings.crcs_max_rows,
        )
        return drafting if drafting.open else drafting.plan
    return plan_in_mode(
        settings.planner_mode,
        job.envelope,
        job.registry,
        catalogue(),
        version=job.version,
        fallbacks=True,
        situation=job.situation,
        most_rows=settings.crcs_max_rows,
    )


def _desk(job: Job, cancel: CancelToken) -> Desk:
    return Desk(
        run=job.run,
        requested=lambda attempt: requested(job, attempt),
        still_mine=lambda unit: still_mine(unit, job.run),
        cancel=cancel,
    )
