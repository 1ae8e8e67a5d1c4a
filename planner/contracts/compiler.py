"""From facets to one JSON Schema: which facet gave which part, and no two facets that exclude each other."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.contracts.conjunction import UnsatisfiableError, conjoin, contradiction
from planner.contracts.facets import Direction, Facet, FacetCatalogue
from planner.contracts.json_schema import SchemaProblem, validator_for
from planner.errors import PlannerError
from policies.errors import Problem, pointer

__all__ = [
    "CompiledContract",
    "ContractProblem",
    "FacetConflictError",
    "Provenance",
    "UnsatisfiableError",
    "compile_contract",
    "conjoin",
    "contradiction",
]


class FacetConflictError(PlannerError):
    """Two facets write to one key and no value can satisfy both."""

    code = "facet_conflict"

    def __init__(self, earlier: Facet, later: Facet, cause: UnsatisfiableError) -> None:
        self.facets = (earlier.name, later.name)
        self.pointer = pointer(later.property_key) + cause.pointer
        super().__init__(
            f"the facets “{earlier.name}” and “{later.name}” exclude each other at {self.pointer}: {cause.reason}; "
            "leave one of them out"
        )


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which facet gave the part of a contract at `pointer`."""

    facet: str
    title: str
    direction: str
    pointer: str

    def as_json(self) -> dict[str, str]:
        return {"facet": self.facet, "title": self.title, "direction": self.direction, "pointer": self.pointer}

    @property
    def property_key(self) -> str:
        return self.pointer[1:].replace("~1", "/").replace("~0", "~")


@dataclass(frozen=True, slots=True)
class ContractProblem:
    """What is wrong with a value, and the facet whose part it is (empty when it is nobody's)."""

    facet: str
    title: str
    pointer: str
    keyword: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {
            "facet": self.facet,
            "title": self.title,
            "pointer": self.pointer,
            "keyword": self.keyword,
            "message": self.message,
        }

    def as_problem(self, at: str = "") -> Problem:
        return Problem(at + self.pointer, self.message, self.keyword)


@dataclass(frozen=True, slots=True)
class CompiledContract:
    """One object schema over several facets, and the way between facet names and property keys."""

    schema: dict[str, Any]
    provenance: tuple[Provenance, ...]
    facets: tuple[str, ...]

    def problems(self, instance: Any) -> list[ContractProblem]:
        """Return what is wrong with an object keyed by property keys."""
        return [self._blame(problem) for problem in validator_for(self.schema).problems(instance)]

    def to_facets(self, instance: Mapping[str, Any]) -> dict[str, Any]:
        """Return {facet name: value} of an object keyed by property keys; keys of no facet are left out."""
        return {p.facet: instance[p.property_key] for p in self.provenance if p.property_key in instance}

    def from_facets(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the object keyed by property keys that holds the values of {facet name: value}."""
        return {p.property_key: values[p.facet] for p in self.provenance if p.facet in values}

    def _blame(self, problem: SchemaProblem) -> ContractProblem:
        first = "/" + problem.pointer[1:].split("/", 1)[0]
        owner = next((p for p in self.provenance if p.pointer == first), None)
        return ContractProblem(
            facet=owner.facet if owner else "",
            title=owner.title if owner else "",
            pointer=problem.pointer,
            keyword=problem.keyword,
            message=problem.message,
        )


def compile_contract(
    catalogue: FacetCatalogue, names: Iterable[str], direction: Direction, *, optional: Iterable[str] = ()
) -> CompiledContract:
    """Return the contract of the facets named; those in `optional`, also when only there, are never required.

    Raises FacetNotFoundError, FacetDirectionError, or FacetConflictError where facets on one key exclude each other.
    """
    spared = set(optional := tuple(optional))
    facets = catalogue.resolve(dict.fromkeys((*names, *optional)), direction)
    properties: dict[str, Any] = {}
    required: list[str] = []
    owners: dict[str, Facet] = {}
    for facet in facets:
        key = facet.property_key
        schema = copy.deepcopy(facet.schema)
        if key in properties:
            try:
                schema = conjoin(properties[key], schema)
            except UnsatisfiableError as error:
                raise FacetConflictError(owners[key], facet, error) from error
        properties[key] = schema
        owners.setdefault(key, facet)
        if facet.required_by_default and facet.name not in spared and key not in required:
            required.append(key)
    return CompiledContract(
        schema={"type": "object", "properties": properties, "required": required, "additionalProperties": True},
        provenance=tuple(Provenance(f.name, f.title, direction, pointer(f.property_key)) for f in facets),
        facets=tuple(f.name for f in facets),
    )
