"""One planning in hand: taken under a lease, with all that the planner is told of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog

from models.catalogue import catalogue
from models.events.frames import Draft
from models.repositories.runs import Run
from models.settings import get_settings
from models.unit_of_work import UnitOfWork, open_unit
from planner.assembly.request import Situation
from planner.contracts.capabilities import RegistrySnapshot
from planner.envelope import TaskEnvelope, envelope_from_json
from planner.intake import Intake, facets_from
from planner.plan.graph import PlanGraph
from planner.progress.replanning import Replanning, situation_after
from tasks.base import WORKER
from tasks.situation import situation_of

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
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


def take_job(run_id: str, epoch: int) -> Job | None:
    """Take the lease on planning a run and tell that a plan is asked for; None when it is not to be had."""
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
        if not still_mine(unit, run):
            return None
        job = Job(run, registry, envelope, intake, known, situation_of(unit, run, known), why)
        if why is not None:
            previous, statuses = unit.plans.stored(run_id, run.plan_version).plan, unit.nodes.statuses(run_id)
            finished = _finished(previous, statuses, why)
            situation = situation_of(unit, run, known, finished)
            job = replace(
                job, registry=_with_done(registry, finished), situation=situation, previous=previous, statuses=statuses
            )
        unit.events.append(run_id, requested(job))
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


def requested(job: Job, attempt: int = 1) -> Draft:
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


def still_mine(unit: UnitOfWork, run: Run) -> bool:
    """Whether the lease is still held; the run is locked by asking."""
    now = unit.runs.lock(run.run_id)
    mine = now.status == "planning" and now.planner == WORKER and now.planning_attempt == run.planning_attempt
    if not mine:
        logger.info("late_plan_refused", run_id=run.run_id, status=now.status)
    return mine
