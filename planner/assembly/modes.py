"""The planner's modes as far as no model is asked: fixed plans, or the search."""

from __future__ import annotations

from typing import Literal

from planner.assembly.assemble import assemble_plan
from planner.assembly.static import static_plan
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.plan.graph import PlanGraph

PlannerMode = Literal["static", "deterministic", "hybrid"]


def plan_in_mode(
    mode: PlannerMode, envelope: TaskEnvelope, registry: RegistrySnapshot, catalogue: FacetCatalogue
) -> PlanGraph:
    """Return the plan that the mode gives before a model has a say. Raises PlanRejectedError."""
    plan = static_plan if mode == "static" else assemble_plan
    return plan(envelope, registry, catalogue)
