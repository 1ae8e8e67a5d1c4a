"""A plan and what it is held against, and how the checks look at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.assembly.diagnostics import Diagnostic
from planner.assembly.request import PlanRequest
from planner.assembly.targets import Target
from planner.contracts.capabilities import RegistrySnapshot
from planner.plan.graph import Node, PlanGraph


@dataclass(frozen=True, slots=True)
class Case:
    """A plan and what it is held against; `reviewed` says whether deliverables have to be reviewed where they can."""

    plan: PlanGraph
    request: PlanRequest
    registry: RegistrySnapshot
    targets: tuple[Target, ...]
    reviewed: bool = False


def latest(plan: PlanGraph, facet: str, among: Iterable[str]) -> list[str]:
    """Return the nodes among these whose value of the facet no later one replaces."""
    makers = [node_id for node_id in among if facet in plan.node(node_id).output_facets]
    hidden = {earlier for maker in makers for earlier in plan.ancestors(maker)}
    return [maker for maker in makers if maker not in hidden]


def part(case: Case, schema: Mapping[str, Any], facet: str) -> Any:
    """Return what an object schema says of a facet, under its property key or its name."""
    properties = schema.get("properties", {})
    return properties.get(case.request.catalogue.get(facet).property_key, properties.get(facet, {}))


def at_node(
    node: Node, code: str, message: str, facet: str | None = None, details: Mapping[str, Any] | None = None
) -> Diagnostic:
    return Diagnostic(
        code,
        f"{node.id}: {message}.",
        node_stage=node.id,
        capability_id=node.capability_id,
        facet=facet,
        details=details or {},
    )
