"""Put a plan in force: the first one, a version that takes over from another, or none, which may end the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.events.frames import Draft
from models.faults import fault
from models.repositories.runs import seconds
from models.settings import get_settings
from models.tables.base import clock
from models.unit_of_work import UnitOfWork, open_unit
from planner.assembly.diagnostics import Diagnostic
from planner.assembly.drafts import with_metadata
from planner.plan.delta import Delta, is_new, next_version
from planner.plan.graph import PlanGraph
from planner.progress.replanning import Reason, Replanning, directions_in
from tasks import frames
from tasks.ending import end_run
from tasks.job import Job, still_mine


def store_first(job: Job, plan: PlanGraph) -> bool:
    """Store version 1 with its nodes; False when the lease is lost."""
    run = job.run
    with open_unit(None) as unit:
        if not still_mine(unit, run):
            return False
        unit.plans.add(run, plan, intake=_given(job))
        unit.nodes.install(run, plan)
        unit.events.append(run.run_id, *frames.plan_generated(run.run_id, plan), changes=_in_force(plan.version))
    fault("after_plan_stored")
    return True


def store_next(job: Job, previous: PlanGraph, proposed: PlanGraph) -> bool:
    """Let the proposal take over from the version in force, as version n+1 that keeps finished work.

    What differs is worked out without the run's lock; when a node has moved meanwhile, it is worked out anew.
    """
    run, why, statuses = job.run, job.why or Replanning("operator"), job.statuses or {}
    while True:
        delta = next_version(previous, proposed, statuses, redo=why.redo)
        if not is_new(previous, delta.plan):
            return refuse(job, (_nothing_new(previous.version),))
        with open_unit(None) as unit:
            if not still_mine(unit, run):
                return False
            seen, statuses = statuses, unit.nodes.statuses(run.run_id)
            if seen == statuses:
                _take_over(unit, job, why, delta, statuses)
                break
    fault("after_plan_stored")
    return True


def _take_over(unit: UnitOfWork, job: Job, why: Replanning, delta: Delta, statuses: Mapping[str, str]) -> None:
    run = job.run
    told = {"replan": {"reason": why.reason, "nodeId": why.node_id, **delta.as_json()}}
    plan = with_metadata(delta.plan, **told)
    unit.plans.add(run, plan, intake=_given(job))
    unit.nodes.follow(run, delta)
    closed = unit.hitl.close(run.run_id, delta.retired)
    updated = [*frames.plan_updated(run.run_id, delta, why, statuses), *map(frames.request_closed, closed)]
    unit.events.append(run.run_id, *updated, changes={**_in_force(plan.version), "situation": dict(job.known)})
    _open_branches(unit, run.run_id, plan)


def _open_branches(unit: UnitOfWork, run_id: str, plan: PlanGraph) -> None:
    """Ask for the branches of a node that has returned directions while a plan was being made."""
    place = plan.metadata.get("expansion")
    output = unit.nodes.outputs(run_id, [place["nodeId"]]).get(place["nodeId"]) if place else None
    why = directions_in(plan, place["nodeId"], output) if place and output else None
    if why is not None:
        unit.planning.ask_again(run_id, why)


def _in_force(version: int) -> dict[str, Any]:
    """Return the columns of a run whose plan has just been stored."""
    return {
        **_NO_PLANNING,
        "status": "running",
        "plan_version": version,
        "wake_at": clock + seconds(get_settings().lease_seconds),
        "waiting_for": "its first nodes" if version == 1 else "the nodes of its new plan",
    }


_NO_PLANNING: Mapping[str, Any] = {
    "replan": None,
    "planner": None,
    "planning_lease_until": None,
    "dispatched_at": None,
    "dispatch_count": 0,
}


def _given(job: Job) -> dict[str, Any]:
    return {
        "objective": job.envelope.objective,
        "specialInstructions": list(job.envelope.special_instructions),
        "values": job.intake.values,
    }


def refuse(job: Job, diagnostics: Sequence[Diagnostic]) -> bool:
    """Tell that there is no plan; go on with the one in force where that will do, else end the run."""
    run, told = job.run, [diagnostic.as_json() for diagnostic in diagnostics]
    rejected = {"runId": run.run_id, "attempt": run.planning_attempt, "phase": job.phase, "diagnostics": told}
    goes_on = job.why is not None and job.why.optional
    with open_unit(None) as unit:
        if not still_mine(unit, run):
            return False
        if job.why is not None:
            rejected["reason"] = job.why.reason
        going_on = {**_NO_PLANNING, "status": "running", "wake_at": clock, "waiting_for": "the nodes of its plan"}
        unit.events.append(run.run_id, Draft("plan_rejected", rejected), changes=going_on if goes_on else {})
        if goes_on:
            unit.nodes.forget_dispatch(run.run_id)
            if job.previous is not None and job.why is not None and job.why.reason != Reason.UPSTREAM_OUTPUT:
                _open_branches(unit, run.run_id, job.previous)
        else:
            message = "No plan can produce what the contract asks for: " + told[0]["message"]
            nodes = unit.nodes.states(run.run_id).values()
            end_run(unit, run, nodes, "failed", reason="no_plan", message=message, error={"diagnostics": told})
    return goes_on


def _nothing_new(version: int) -> Diagnostic:
    told = f"The plan made anew does nothing that version {version} does not do."
    return Diagnostic("plan_not_new", told, suggestion="Register what is missing, or change the envelope.")
