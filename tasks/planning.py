"""Plan a run: take the lease on it, find the plan without holding anything, and store the next version.

First plan and replan are one task. A version after the first one keeps finished work; it takes over in one transaction
with the frames that tell of it, under an epoch that whoever asked for it has raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog

from models.catalogue import catalogue
from models.events.frames import Draft
from models.faults import fault
from models.repositories.runs import Run, seconds
from models.settings import get_settings
from models.tables.base import clock
from models.unit_of_work import UnitOfWork, open_unit
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.draft_prompt import describe_plan
from planner.assembly.drafts import Drafting, with_metadata
from planner.assembly.modes import plan_in_mode
from planner.assembly.request import Situation
from planner.contracts.capabilities import RegistrySnapshot
from planner.envelope import TaskEnvelope, envelope_from_json
from planner.intake import Intake, facets_from
from planner.plan.delta import Delta, is_new, next_version
from planner.plan.graph import PlanGraph
from planner.progress.replanning import Reason, Replanning, directions_in, situation_after
from tasks import frames
from tasks.agents.base import CancelToken
from tasks.base import WORKER
from tasks.drafting import Desk, plan_with_model
from tasks.ending import end_run
from tasks.heartbeat import heartbeat
from tasks.situation import situation_of

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """A planning in hand. `why` and `previous` are there when the plan is made anew, with the nodes' `statuses`."""

    run: Run
    registry: RegistrySnapshot
    envelope: TaskEnvelope
    intake: Intake
    known: Mapping[str, Any]
    situation: Situation
    why: Replanning | None = None
    previous: PlanGraph | None = None
    statuses: Mapping[str, str] | None = None

    @property
    def version(self) -> int:
        return self.run.plan_version + 1

    @property
    def phase(self) -> Literal["initial", "replan"]:
        return "initial" if self.previous is None else "replan"


def plan_and_store(run_id: str, epoch: int) -> bool:
    """Give a run its next plan; return whether this call moved it on.

    A run that cannot be planned ends as `failed` with reason `no_plan` and the diagnostics, unless it can go on with
    the plan that it has. Nothing is left half done: a version, its nodes and its frames are one transaction.
    """
    job = _claim(run_id, epoch)
    if job is None:
        return False
    fault("after_planning_claim")
    with heartbeat.holding(run_id, "", job.run.planning_attempt) as token:
        try:
            found = _search(job)
        except PlanRejectedError as error:
            return _refuse(job, error.diagnostics)
        except Exception:
            # The same envelope would break the planner again: say so now instead of trying until it counts as poison.
            logger.exception("flex_planner_failure", run_id=run_id)
            broken = Diagnostic("planner_failed", "The planner broke on this envelope; see the worker's log.", "error")
            return _refuse(job, (broken,))
        plan = found if isinstance(found, PlanGraph) else plan_with_model(_desk(job, token), found)
    return _store_first(job, plan) if job.previous is None else _store_next(job, job.previous, plan)


def _claim(run_id: str, epoch: int) -> _Job | None:
    with open_unit(None) as unit:
        run = unit.planning.claim(run_id, epoch, WORKER, get_settings().lease_seconds)
    if run is None:
        return None
    envelope = envelope_from_json(dict(run.envelope), catalogue())
    intake = facets_from(envelope, catalogue())
    why = Replanning.from_json(run.replan) if run.replan else None
    known = situation_after(run.situation, why) if why else run.situation
    with open_unit(run.tenant_id) as unit:
        registry = unit.capabilities.snapshot(fresh=True)
        # A run that has ended meanwhile has had its last frame.
        if not _still_mine(unit, run):
            return None
        job = _Job(run, registry, envelope, intake, known, situation_of(unit, run, known), why)
        if why is not None:
            previous, statuses = unit.plans.stored(run_id, run.plan_version).plan, unit.nodes.statuses(run_id)
            finished = _finished(previous, statuses, why)
            situation = situation_of(unit, run, known, finished)
            job = replace(
                job, registry=_with_done(registry, finished), situation=situation, previous=previous, statuses=statuses
            )
        unit.events.append(run_id, _requested(job))
    return job


def _finished(plan: PlanGraph, statuses: Mapping[str, str], why: Replanning) -> dict[str, bool]:
    """Return the capabilities that have done work which the new version would keep, and whether that is all of it."""
    found: dict[str, list[bool]] = {}
    for node in plan.nodes:
        if node.capability_id is not None:
            done = statuses.get(node.id) == "completed" and node.id not in why.redo
            found.setdefault(node.capability_id, []).append(done)
    return {name: all(done) for name, done in found.items() if any(done)}


def _with_done(registry: RegistrySnapshot, finished: Mapping[str, bool]) -> RegistrySnapshot:
    """Return the registry with those active that are gone and have done all their work: nobody has to do it again."""
    gone = {c.capability_id for c in registry.capabilities if c.status != "active" and finished.get(c.capability_id)}
    if not gone:
        return registry
    return RegistrySnapshot(
        tuple(replace(c, status="active") if c.capability_id in gone else c for c in registry.capabilities)
    )


def _search(job: _Job) -> PlanGraph | Drafting:
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


def _desk(job: _Job, cancel: CancelToken) -> Desk:
    return Desk(
        run=job.run,
        requested=lambda attempt: _requested(job, attempt),
        still_mine=lambda unit: _still_mine(unit, job.run),
        cancel=cancel,
    )


def _requested(job: _Job, attempt: int = 1) -> Draft:
    """Return the announcement of an attempt: this planning's first, or a further draft that a model is asked for."""
    run, envelope, intake = job.run, job.envelope, job.intake
    policies = envelope.raw.get("policies") or {}
    planner = envelope.policies.planner.as_json()
    payload = {
        "runId": run.run_id,
        "attempt": run.planning_attempt + attempt - 1,
        "phase": job.phase,
        "variantCount": intake.variant_count,
        "plannerContext": {
            "channel": intake.channel,
            "language": intake.language,
            "specialInstructions": list(envelope.special_instructions),
            "facets": sorted(intake.values),
        },
        "policies": policies,
        "policyMetadata": {
            "planner": {
                "hasTopology": "topology" in planner,
                "hasSelection": "selection" in planner,
                "optimisation": planner.get("optimisation"),
            },
            "runtime": {
                "count": len(envelope.policies.runtime),
                "actions": [policy.action.type for policy in envelope.policies.runtime],
            },
            "legacyNotes": list(envelope.policies.notes),
            "legacyFields": list(envelope.policies.legacy_fields),
            "notes": list(intake.notes),
        },
        "capabilities": [
            {"capabilityId": c.capability_id, "displayName": c.display_name, "status": c.status}
            for c in job.registry.active()
        ],
    }
    return Draft("plan_requested", payload if job.why is None else {**payload, "replan": job.why.as_json()})


def _store_first(job: _Job, plan: PlanGraph) -> bool:
    run = job.run
    with open_unit(None) as unit:
        if not _still_mine(unit, run):
            return False
        unit.plans.add(run, plan, intake=_given(job))
        unit.nodes.install(run, plan)
        unit.events.append(run.run_id, *frames.plan_generated(run.run_id, plan), changes=_in_force(plan.version))
    fault("after_plan_stored")
    return True


def _store_next(job: _Job, previous: PlanGraph, proposed: PlanGraph) -> bool:
    """Let the proposal take over from the version in force, as version n+1 that keeps finished work.

    What differs is worked out without the run's lock; when a node has moved meanwhile, it is worked out anew.
    """
    run, why, statuses = job.run, job.why or Replanning("operator"), job.statuses or {}
    while True:
        delta = next_version(previous, proposed, statuses, redo=why.redo)
        if not is_new(previous, delta.plan):
            return _refuse(job, (_nothing_new(previous.version),))
        with open_unit(None) as unit:
            if not _still_mine(unit, run):
                return False
            seen, statuses = statuses, unit.nodes.statuses(run.run_id)
            if seen == statuses:
                _take_over(unit, job, why, delta, statuses)
                break
    fault("after_plan_stored")
    return True


def _take_over(unit: UnitOfWork, job: _Job, why: Replanning, delta: Delta, statuses: Mapping[str, str]) -> None:
    run = job.run
    told = {"replan": {"reason": why.reason, "nodeId": why.node_id, **delta.as_json()}}
    plan = with_metadata(delta.plan, **told)
    unit.plans.add(run, plan, intake=_given(job))
    unit.nodes.follow(run, delta)
    closed = unit.hitl.close_all(run.run_id, delta.retired)
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


def _given(job: _Job) -> dict[str, Any]:
    return {
        "objective": job.envelope.objective,
        "specialInstructions": list(job.envelope.special_instructions),
        "values": job.intake.values,
    }


def _refuse(job: _Job, diagnostics: Sequence[Diagnostic]) -> bool:
    """Tell that there is no plan; go on with the one in force where that will do, else end the run."""
    run, told = job.run, [diagnostic.as_json() for diagnostic in diagnostics]
    rejected = {"runId": run.run_id, "attempt": run.planning_attempt, "phase": job.phase, "diagnostics": told}
    goes_on = job.why is not None and job.why.optional
    with open_unit(None) as unit:
        if not _still_mine(unit, run):
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


def _still_mine(unit: UnitOfWork, run: Run) -> bool:
    now = unit.runs.lock(run.run_id)
    mine = now.status == "planning" and now.planner == WORKER and now.planning_attempt == run.planning_attempt
    if not mine:
        logger.info("late_plan_refused", run_id=run.run_id, status=now.status)
    return mine
