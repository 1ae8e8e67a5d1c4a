"""The fixed plans of the first version, as the way back: a brief, a writer and a reviewer for LinkedIn or a blog.

Nothing is searched for here. What the fixed capabilities cannot make of an envelope is refused, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from planner.assembly.assemble import assemble_plan
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.drafts import with_metadata
from planner.assembly.reachability import ROW_CAP
from planner.assembly.request import Situation
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.plan.graph import PlanGraph

_BRIEF, _REVIEW = "StrategyManagerAgent.briefing", "QualityAssuranceAgent.contentReview"
STATIC_PLANS: Mapping[str, tuple[str, ...]] = {
    "linkedin": (_BRIEF, "ContentGeneratorAgent.linkedinVariants", _REVIEW),
    "blog": (_BRIEF, "ContentGeneratorAgent.blogPost", _REVIEW),
}
"""The capabilities of each fixed plan, the only ones that it may hold."""


def static_plan(
    envelope: TaskEnvelope,
    registry: RegistrySnapshot,
    catalogue: FacetCatalogue,
    *,
    version: int = 1,
    situation: Situation | None = None,
    most_rows: int = ROW_CAP,
) -> PlanGraph:
    """Return the first fixed plan that fits the envelope; raise PlanRejectedError when none does."""
    reasons: dict[str, tuple[Diagnostic, ...]] = {}
    for name, capability_ids in STATIC_PLANS.items():
        try:
            known = _only(registry, capability_ids)
            plan = assemble_plan(envelope, known, catalogue, version=version, situation=situation, most_rows=most_rows)
        except PlanRejectedError as error:
            reasons[name] = error.diagnostics
            continue
        if {_BRIEF, capability_ids[1]} <= set(_capability_ids(plan)):
            return with_metadata(plan, plannerRuntime="static", staticPlan=name, registryDigest=registry.digest)
        reasons[name] = ()
    raise PlanRejectedError([_not_fixed(), *_causes(reasons, registry)])


def _only(registry: RegistrySnapshot, capability_ids: Iterable[str]) -> RegistrySnapshot:
    return RegistrySnapshot(tuple(c for name in capability_ids if (c := registry.get(name))))


def _capability_ids(plan: PlanGraph) -> Iterable[str]:
    return (node.capability_id for node in plan.nodes if node.capability_id)


def _not_fixed() -> Diagnostic:
    known = " and ".join(f"{name} ({' → '.join(ids)})" for name, ids in STATIC_PLANS.items())
    return Diagnostic(
        "static_plan_unknown",
        f"FLEX_PLANNER_MODE is static: only the fixed plans {known} are made, and neither fits this envelope.",
        suggestion="Set FLEX_PLANNER_MODE to deterministic or hybrid to plan other work.",
    )


def _causes(reasons: Mapping[str, tuple[Diagnostic, ...]], registry: RegistrySnapshot) -> Iterable[Diagnostic]:
    """Yield what keeps the fixed plans from fitting, leaving out what follows from their being fixed."""
    for finding in (finding for found in reasons.values() for finding in found):
        elsewhere = finding.facet is not None and registry.producers(finding.facet)
        if finding.code != "no_producer" or not elsewhere:
            yield finding
