"""Plan a run: take the lease on it, find the plan without holding anything, and store version 1."""

from __future__ import annotations

import structlog

from models.catalogue import catalogue
from models.events.frames import Draft
from models.faults import fault
from models.repositories.runs import Run, seconds
from models.settings import get_settings
from models.tables import flex_runs
from models.tables.base import clock
from models.unit_of_work import UnitOfWork, open_unit
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.drafts import Drafting
from planner.assembly.modes import plan_in_mode
from planner.contracts.capabilities import RegistrySnapshot
from planner.envelope import TaskEnvelope, envelope_from_json
from planner.intake import Intake, facets_from
from planner.plan.graph import PlanGraph
from tasks import frames
from tasks.agents.base import CancelToken
from tasks.base import WORKER
from tasks.drafting import Desk, plan_with_model
from tasks.heartbeat import heartbeat

logger = structlog.get_logger(__name__)


def plan_and_store(run_id: str, epoch: int) -> bool:
    """Give a run its first plan; return whether this call did.

    A run that cannot be planned ends as `failed` with reason `no_plan` and the diagnostics; nothing is left half done,
    because the version, its nodes and the frames that tell of them are one transaction.
    """
    claimed = _claim(run_id, epoch)
    if claimed is None:
        return False
    run, registry, envelope, intake = claimed
    fault("after_planning_claim")
    with heartbeat.holding(run_id, "", run.planning_attempt) as token:
        try:
            found = _search(envelope, registry)
        except PlanRejectedError as error:
            _reject(run, error.diagnostics)
            return False
        except Exception:
            # The same envelope would break the planner again: say so now instead of trying until it counts as poison.
            logger.exception("flex_planner_failure", run_id=run_id)
            broken = Diagnostic("planner_failed", "The planner broke on this envelope; see the worker's log.", "error")
            _reject(run, (broken,))
            return False
        plan = found if isinstance(found, PlanGraph) else plan_with_model(_desk(claimed, token), found)
    return _store(run, plan, envelope, intake)


_Claimed = tuple[Run, RegistrySnapshot, TaskEnvelope, Intake]


def _claim(run_id: str, epoch: int) -> _Claimed | None:
    with open_unit(None) as unit:
        run = unit.runs.claim_planning(run_id, epoch, WORKER, get_settings().lease_seconds)
    if run is None:
        return None
    envelope = envelope_from_json(dict(run.envelope), catalogue())
    intake = facets_from(envelope, catalogue())
    with open_unit(run.tenant_id) as unit:
        registry = unit.capabilities.snapshot(fresh=True)
        # A run that has ended meanwhile has had its last frame.
        if not _still_mine(unit, run):
            return None
        unit.events.append(run_id, _requested(run, envelope, intake, registry))
    return run, registry, envelope, intake


def _search(envelope: TaskEnvelope, registry: RegistrySnapshot) -> PlanGraph | Drafting:
    """Return the plan, or the talk about it that a model is still to be drawn into."""
    settings = get_settings()
    if settings.planner_mode == "hybrid" and settings.openai_api_key:
        drafting = Drafting.of(envelope, registry, catalogue(), most_rows=settings.crcs_max_rows)
        return drafting if drafting.open else drafting.plan
    return plan_in_mode(settings.planner_mode, envelope, registry, catalogue())


def _desk(claimed: _Claimed, cancel: CancelToken) -> Desk:
    run, registry, envelope, intake = claimed
    return Desk(
        run=run,
        requested=lambda attempt: _requested(run, envelope, intake, registry, attempt),
        still_mine=lambda unit: _still_mine(unit, run),
        cancel=cancel,
    )


def _requested(run: Run, envelope: TaskEnvelope, intake: Intake, registry: RegistrySnapshot, attempt: int = 1) -> Draft:
    """Return the announcement of an attempt: this planning's first, or a further draft that a model is asked for."""
    policies = envelope.raw.get("policies") or {}
    planner = envelope.policies.planner.as_json()
    payload = {
        "runId": run.run_id,
        "attempt": run.planning_attempt + attempt - 1,
        "phase": "initial",
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
            for c in registry.active()
        ],
    }
    return Draft("plan_requested", payload)


def _store(run: Run, plan: PlanGraph, envelope: TaskEnvelope, intake: Intake) -> bool:
    with open_unit(None) as unit:
        if not _still_mine(unit, run):
            return False
        given = {
            "objective": envelope.objective,
            "specialInstructions": list(envelope.special_instructions),
            "values": intake.values,
        }
        unit.plans.add(run, plan, intake=given)
        unit.nodes.install(run, plan)
        unit.events.append(
            run.run_id,
            *frames.plan_generated(run.run_id, plan),
            changes={
                "status": "running",
                "plan_version": plan.version,
                "planner": None,
                "planning_lease_until": None,
                "dispatched_at": None,
                "dispatch_count": 0,
                "wake_at": clock + seconds(get_settings().lease_seconds),
                "waiting_for": "its first nodes",
            },
        )
    fault("after_plan_stored")
    return True


def _reject(run: Run, diagnostics: tuple[Diagnostic, ...]) -> None:
    told = [diagnostic.as_json() for diagnostic in diagnostics]
    error = {
        "code": "no_plan",
        "message": "No plan can produce what the contract asks for: " + told[0]["message"],
        "remedy": frames.remedy("no_plan"),
        "diagnostics": told,
    }
    rejected = {"runId": run.run_id, "attempt": run.planning_attempt, "phase": "initial", "diagnostics": told}
    with open_unit(None) as unit:
        if not _still_mine(unit, run):
            return
        unit.events.append(
            run.run_id,
            Draft("plan_rejected", rejected),
            frames.complete("failed", reason="no_plan", error=error, usage=run.usage),
            changes={
                "status": "failed",
                "reason": "no_plan",
                "waiting_for": None,
                "wake_at": None,
                "planner": None,
                "planning_lease_until": None,
                "finished_at": clock,
                "epoch": flex_runs.c.epoch + 1,
            },
        )


def _still_mine(unit: UnitOfWork, run: Run) -> bool:
    now = unit.runs.lock(run.run_id)
    mine = now.status == "planning" and now.planner == WORKER and now.planning_attempt == run.planning_attempt
    if not mine:
        logger.info("late_plan_refused", run_id=run.run_id, status=now.status)
    return mine
