"""Everything that the nodes of a plan are made from, and small things that all of them need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.assembly.branches import Branches
from planner.assembly.choice import Choice
from planner.assembly.layout import Step
from planner.assembly.request import PlanRequest
from planner.assembly.sight import Sight
from planner.assembly.targets import Target
from planner.contracts.capabilities import RegistrySnapshot


@dataclass(frozen=True, slots=True)
class Draft:
    """A request, the choice made for it, and its layout."""

    request: PlanRequest
    choice: Choice
    branches: Branches | None
    sight: Sight
    registry: RegistrySnapshot

    def label(self, step: Step) -> str | None:
        """Return the label of the step's branch."""
        return None if self.branches is None or step.branch is None else self.branches.labels[step.branch]

    def asked_of(self, step: Step) -> list[Target]:
        """Return the targets whose value in the result comes from this step."""
        return [t for t in self.choice.targets if t.produced and step in self.sight.origins(t.facet)]


def facet_schema(facets: Iterable[str], request: PlanRequest) -> dict[str, Any]:
    """Return the schema of an object that has these facets under their names."""
    names = list(facets)
    return {
        "type": "object",
        "properties": {name: request.catalogue.get(name).schema for name in names},
        "required": names,
        "additionalProperties": True,
    }


def provenance_of(facets: Iterable[str], request: PlanRequest, direction: str) -> list[dict[str, str]]:
    return [
        {"facet": name, "title": request.catalogue.get(name).title, "direction": direction, "pointer": f"/{name}"}
        for name in facets
    ]
