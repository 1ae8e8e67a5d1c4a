"""Assemble a plan: read the request, choose the capabilities, lay them out, make the nodes, prove the whole."""

from __future__ import annotations

from typing import Any

from planner.assembly.branches import Branches, plan_branches
from planner.assembly.choice import Choice, choose
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError, satisfaction
from planner.assembly.layout import OUTPUT, Step, lay_out
from planner.assembly.nodes import Draft, make_nodes
from planner.assembly.request import PlanRequest, read_request
from planner.assembly.sight import Sight
from planner.assembly.validation import CHECKS, Case, validate_plan
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.plan.graph import PlanGraph


def assemble_plan(
    envelope: TaskEnvelope, registry: RegistrySnapshot, catalogue: FacetCatalogue, *, version: int = 1
) -> PlanGraph:
    """Return the plan for an envelope; the same envelope and registry always give the same plan.

    Raises PlanRejectedError with a diagnostic for everything that stands in the way.
    """
    request = read_request(envelope, catalogue)
    return plan_of(request, choose(request, registry), registry, version=version)


def plan_of(request: PlanRequest, choice: Choice, registry: RegistrySnapshot, *, version: int = 1) -> PlanGraph:
    """Return the plan that lays out a choice, whoever made it. Raises PlanRejectedError when it breaks a rule."""
    branches, notes = plan_branches(request, choice)
    plan, findings = _proved(request, choice, branches, registry, (*request.notes, *notes), version, review=True)
    if _optional_review_is_at_fault(request, findings):
        told = (*request.notes, *notes, "the deliverables are not reviewed: the plan would break a rule with reviewers")
        plan, findings = _proved(request, choice, branches, registry, told, version, review=False)
    if any(finding.severity == "error" for finding in findings):
        raise PlanRejectedError(findings)
    return plan


def _proved(
    request: PlanRequest,
    choice: Choice,
    branches: Branches | None,
    registry: RegistrySnapshot,
    notes: tuple[str, ...],
    version: int,
    *,
    review: bool,
) -> tuple[PlanGraph, tuple[Diagnostic, ...]]:
    """Return the plan with or without reviewers, and what the checks say about it."""
    steps = lay_out(request, choice, branches, review=review)
    nodes, edges = make_nodes(Draft(request, choice, branches, Sight(steps), registry))
    metadata = {
        **_metadata(request, choice, branches, registry, steps),
        "planVersionTag": f"v{version}.0",
        "notes": list(notes),
    }
    plan = PlanGraph(version=version, nodes=nodes, edges=edges, metadata=metadata)
    findings = validate_plan(Case(plan, request, registry, choice.targets))
    scored = {
        **metadata,
        "plannerDiagnostics": [finding.as_json() for finding in findings],
        "satisfactionScore": satisfaction(findings, checks=len(CHECKS)),
    }
    return PlanGraph(version=version, nodes=nodes, edges=edges, metadata=scored), findings


def _optional_review_is_at_fault(request: PlanRequest, findings: tuple[Diagnostic, ...]) -> bool:
    """Whether leaving out the reviewers that nobody asked for may make the plan sound."""
    codes = {finding.code for finding in findings if finding.severity == "error"}
    return bool(codes & {"max_depth_exceeded", "input_ambiguous"}) and not request.requires("validation")


def _metadata(
    request: PlanRequest,
    choice: Choice,
    branches: Branches | None,
    registry: RegistrySnapshot,
    steps: tuple[Step, ...],
) -> dict[str, Any]:
    output = next((step.name for step in steps if step.name == OUTPUT), None)
    return {
        "variantCount": len(branches.labels) if branches else 1,
        "capabilitySnapshotSize": len(registry.active()),
        "derivedCapabilityCount": 0,
        "derivedCapabilities": [],
        "registryDigest": registry.digest,
        "catalogueDigest": request.catalogue.digest,
        "plannerRuntime": "deterministic",
        **request.summary,
        "search": {
            "cost": choice.solution.cost,
            "exact": choice.solution.exact,
            "states": choice.solution.states,
            "chosen": [option.name for option in choice.solution.chosen],
        },
        "crcs": choice.reach.as_json(len(choice.usable)),
        "output": {
            "mode": request.contract.mode,
            "nodeId": output,
            "facets": list(dict.fromkeys(target.facet for target in choice.targets)),
        },
    }
