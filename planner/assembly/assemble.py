"""Assemble a plan: read the request, choose the capabilities, lay them out, make the nodes, prove the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from planner.assembly.branches import Branches, expansion_of, plan_branches
from planner.assembly.choice import Choice, choose
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError, merge, satisfaction, status_of
from planner.assembly.draft import Draft
from planner.assembly.layout import OUTPUT, Step, lay_out
from planner.assembly.nodes import make_nodes
from planner.assembly.proof import UNPROVED
from planner.assembly.reachability import ROW_CAP
from planner.assembly.request import PlanRequest, Situation, read_request
from planner.assembly.sight import Sight
from planner.assembly.validation import CHECKS, Case, validate_plan
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.plan.graph import Node, PlanGraph


def assemble_plan(
    envelope: TaskEnvelope,
    registry: RegistrySnapshot,
    catalogue: FacetCatalogue,
    *,
    version: int = 1,
    fallbacks: bool = False,
    situation: Situation | None = None,
    most_rows: int = ROW_CAP,
) -> PlanGraph:
    """Return the plan for an envelope; the same envelope, registry and situation always give the same plan.

    With `fallbacks`, what only a person can settle becomes a fallback node. The plan's metadata tell of at most
    `most_rows` rows of the reachable set, and of every pin. Raises PlanRejectedError with a diagnostic
    for everything that stands in the way.
    """
    request = read_request(envelope, catalogue, situation)
    choice = choose(request, registry, fallbacks=fallbacks, most_rows=most_rows)
    return plan_of(request, choice, registry, version=version)


def plan_of(request: PlanRequest, choice: Choice, registry: RegistrySnapshot, *, version: int = 1) -> PlanGraph:
    """Return the plan that lays out a choice, whoever made it. Raises PlanRejectedError when it breaks a rule."""
    branches, notes = plan_branches(request, choice)
    told = (*request.notes, *notes)
    plan, findings = _proved(request, choice, branches, registry, told, version, review=True)
    if _optional_review_is_at_fault(request, findings):
        told = (*told, "the deliverables are not reviewed: the plan would break a rule with reviewers")
        plan, findings = _proved(request, choice, branches, registry, told, version, review=False)
    if branches is not None and any(finding.code == "contract_not_met" for finding in findings):
        whole, other = _proved(request, choice, None, registry, (*told, _IN_ONE_GO), version, review=True)
        if not any(finding.severity == "error" for finding in other):
            return whole
    if any(finding.severity == "error" for finding in findings):
        raise PlanRejectedError(findings)
    return plan


_IN_ONE_GO = "the list is made in one go: what branches make side by side would not surely satisfy the contract"


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
        **_about_nodes(nodes, expansion_of(request, choice)),
        "planVersionTag": f"v{version}.0",
        "notes": list(notes),
    }
    plan = PlanGraph(version=version, nodes=nodes, edges=edges, metadata=metadata)
    case = Case(plan, request, registry, choice.targets, reviewed=review)
    findings = merge((*validate_plan(case), *choice.warnings))
    nodes = tuple(_with_checks(node, findings) for node in nodes)
    scored = {
        **metadata,
        "plannerDiagnostics": [finding.as_json() for finding in findings],
        "status": status_of(findings),
        "satisfactionScore": satisfaction(
            findings, checks=len(CHECKS), constraints=[c["level"] for c in request.contract.constraints]
        ),
    }
    return PlanGraph(version=version, nodes=nodes, edges=edges, metadata=scored), findings


def _with_checks(node: Node, findings: tuple[Diagnostic, ...]) -> Node:
    """Note on a node what could not be proved of it and is therefore checked when it runs (see `open_checks`)."""
    told = [
        {
            "side": "input" if f.code == f"{UNPROVED}input" else "output",
            "facet": f.facet,
            "schema": f.details["schema"],
            "reason": f.message,
        }
        for f in findings
        if f.code.startswith(UNPROVED) and f.node_stage == node.id and f.facet is not None
    ]
    return replace(node, metadata={**node.metadata, "checks": told}) if told else node


def _optional_review_is_at_fault(request: PlanRequest, findings: tuple[Diagnostic, ...]) -> bool:
    """Whether leaving out the reviewers that nobody asked for may make the plan sound."""
    codes = {finding.code for finding in findings if finding.severity == "error"}
    return bool(codes & {"max_depth_exceeded", "input_ambiguous"}) and not request.requires("validation")


def _about_nodes(nodes: tuple[Node, ...], expanding: str | None) -> dict[str, Any]:
    """Return what the metadata tell of nodes: derived ones, questions to people, and where branches may open."""
    derived = [n for n in nodes if n.derived_from is not None]
    opener = next((n.id for n in nodes if expanding is not None and expanding in n.output_facets), None)
    return {
        "derivedCapabilityCount": len(derived),
        "derivedCapabilities": [
            {"nodeId": n.id, "fromCapabilityId": n.derived_from, "facets": list(n.output_facets)} for n in derived
        ],
        "fallbacks": [n.id for n in nodes if n.kind == "fallback"],
        **({"expansion": {"nodeId": opener, "facet": expanding, "reason": "upstream_output"}} if opener else {}),
    }


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
        "registryDigest": registry.digest,
        "catalogueDigest": request.catalogue.digest,
        "plannerRuntime": "deterministic",
        **request.summary,
        "minimumScore": request.wish.minimum,
        "search": {
            "cost": choice.cost + (branches.further_cost(choice) if branches else 0),
            "exact": choice.exact,
            "states": choice.states,
            "chosen": [c.capability_id for c in choice.capabilities],
        },
        "crcs": choice.reach.as_json(),
        "output": {
            "mode": request.contract.mode,
            "nodeId": output,
            "facets": list(dict.fromkeys(target.facet for target in choice.targets)),
        },
    }
