"""Check lists of facet names against the catalogue, each fault at the pointer of its name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.contracts.facets import Direction, FacetCatalogue
from policies.errors import Problem
from policies.shape import name_kind, suggest


@dataclass(frozen=True, slots=True)
class FacetRef:
    """What stands where a facet name is expected, and its pointer."""

    name: Any
    at: str


def check_names(
    refs: Iterable[FacetRef], catalogue: FacetCatalogue, direction: Direction, problems: list[Problem]
) -> tuple[str, ...]:
    """Return the names that are known, fit the direction and stand there once; report the others."""
    good: list[str] = []
    for ref in refs:
        problem = _check_name(ref, catalogue, direction, good)
        if problem is None:
            good.append(ref.name)
        else:
            problems.append(problem)
    return tuple(good)


def _check_name(ref: FacetRef, catalogue: FacetCatalogue, direction: Direction, earlier: list[str]) -> Problem | None:
    if not isinstance(ref.name, str):
        return Problem(ref.at, f"must be the name of a facet, not {name_kind(ref.name)}", "type")
    facet = catalogue.try_get(ref.name)
    if facet is None:
        hint = suggest(ref.name, catalogue.names())
        message = f"no facet is called `{ref.name}`.{hint} GET /api/v1/flex/facets lists them"
        return Problem(ref.at, message, "unknown_facet")
    if not facet.fits(direction):
        message = f"`{facet.name}` is an {facet.direction} facet: it cannot stand among {direction}s"
        return Problem(ref.at, message, "facet_direction")
    if facet.name in earlier:
        return Problem(ref.at, f"`{facet.name}` stands in this list twice: name it once", "duplicate")
    return None
