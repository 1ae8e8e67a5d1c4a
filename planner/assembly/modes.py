"""The planner's modes as far as no model is asked: fixed plans, or the search."""

from __future__ import annotations

from typing import Literal

from planner.assembly.assemble import assemble_plan
from planner.assembly.reachability import ROW_CAP
from planner.assembly.request import Situation
from planner.assembly.static import static_plan
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.plan.graph import PlanGraph

PlannerMode = Literal["static", "deterministic", "hybrid"]


def plan_in_mode(
    mode: PlannerMode,
    envelope: TaskEnvelope,
    registry: RegistrySnapshot,
    catalogue: FacetCatalogue,
    *,
    version: int = 1,
    fallbacks: bool = False,
    situation: Situation | None = None,
    most_rows: int = ROW_CAP,
) -> PlanGraph:
    """Return the plan that the mode gives before a model has a say; fixed plans never ask a person.

    `most_rows` is that of `assemble_plan`.

    Raises PlanRejectedError.
    """
    if mode == "static":
        return static_plan(envelope, registry, catalogue, version=version, situation=situation, most_rows=most_rows)
    return assemble_plan(
        envelope,
        registry,
        catalogue,
        version=version,
        fallbacks=fallbacks,
        situation=situation,
        most_rows=most_rows,
    )
