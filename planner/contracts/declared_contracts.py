"""What a registration takes and makes: facets compiled to schemas, or schemas that say which facets they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from planner.contracts.compiler import CompiledContract, FacetConflictError, Provenance, compile_contract
from planner.contracts.facet_names import FacetRef, check_names
from planner.contracts.facets import Direction, FacetCatalogue
from planner.contracts.output_contract import OutputContract, check_output_contract
from policies.errors import Problem, pointer
from policies.shape import ObjectReader


@dataclass(frozen=True, slots=True)
class DeclaredContract:
    """One direction of a registration: what is stored, the schema, and the facets behind it."""

    stored: dict[str, Any] | None = None
    schema: dict[str, Any] = field(default_factory=dict)
    provenance: tuple[Provenance, ...] = ()

    @property
    def facets(self) -> tuple[str, ...]:
        return tuple(entry.facet for entry in self.provenance)


def read_names(
    reader: ObjectReader, key: str, catalogue: FacetCatalogue, direction: Direction = "input"
) -> tuple[str, ...]:
    refs = [FacetRef(name, at) for name, at in reader.items(key)]
    return check_names(refs, catalogue, direction, reader.problems)


def read_supported(reader: ObjectReader, catalogue: FacetCatalogue) -> tuple[str, ...]:
    """Read the further facets a capability can deal with, in whatever direction each of them goes."""
    found: list[str] = []
    for name, at in reader.items("supportedFacets"):
        facet = catalogue.try_get(name) if isinstance(name, str) else None
        direction: Direction = "output" if facet and facet.direction == "output" else "input"
        if name in found:
            reader.problems.append(Problem(at, f"`{name}` stands in this list twice: name it once", "duplicate"))
        else:
            found += check_names([FacetRef(name, at)], catalogue, direction, reader.problems)
    return tuple(found)


def read_input_contract(reader: ObjectReader, catalogue: FacetCatalogue, optional: tuple[str, ...]) -> DeclaredContract:
    if not reader.has("inputContract"):
        return (
            _compile(reader, "optionalInputFacets", catalogue, (), "input", optional)
            if optional
            else DeclaredContract()
        )
    found = _read_contract(reader, "inputContract", catalogue, "input", optional)
    names = reader.raw.get("optionalInputFacets")
    if found.stored and reader.raw["inputContract"].get("mode") != "facets" and isinstance(names, list):
        for index, name in enumerate(names):
            if name in optional and name not in found.facets:
                at = pointer("optionalInputFacets", index)
                message = "must also stand in inputContract.hints.facets, which tells where the schema holds it"
                reader.problems.append(Problem(at, message))
    return found


def read_output_contract(reader: ObjectReader, catalogue: FacetCatalogue) -> DeclaredContract:
    if not reader.require("outputContract", "what the capability returns"):
        return DeclaredContract()
    return _read_contract(reader, "outputContract", catalogue, "output", ())


def _read_contract(
    reader: ObjectReader, key: str, catalogue: FacetCatalogue, direction: Direction, optional: tuple[str, ...]
) -> DeclaredContract:
    contract, problems = check_output_contract(reader.raw[key], reader.place(key), catalogue, direction=direction)
    reader.problems.extend(problems)
    if contract is None:
        return DeclaredContract()
    if contract.mode == "facets":
        return _compile(reader, key, catalogue, contract.facets, direction, optional)
    if contract.mode == "freeform":
        return DeclaredContract(contract.as_json())
    return _adopt(reader, reader.place(key), contract, catalogue, direction)


def _compile(
    reader: ObjectReader,
    key: str,
    catalogue: FacetCatalogue,
    names: tuple[str, ...],
    direction: Direction,
    optional: tuple[str, ...],
) -> DeclaredContract:
    try:
        compiled: CompiledContract = compile_contract(catalogue, names, direction, optional=optional)
    except FacetConflictError as error:
        reader.report(key, error.message, "facet_conflict")
        return DeclaredContract()
    stored = OutputContract("json_schema", compiled.schema, hints=_hints(compiled.provenance))
    return DeclaredContract(stored.as_json(), compiled.schema, compiled.provenance)


def _adopt(
    reader: ObjectReader, at: str, contract: OutputContract, catalogue: FacetCatalogue, direction: Direction
) -> DeclaredContract:
    """Take a schema as it stands; `hints.facets`, names or provenance, tell which facets it holds."""
    schema = contract.schema or {}
    hinted = contract.hints.get("facets", [])
    if not isinstance(hinted, list):
        reader.problems.append(Problem(at + "/hints/facets", "must be an array of facet names or provenance", "type"))
        return DeclaredContract()
    refs = [
        FacetRef(entry.get("facet"), f"{at}/hints/facets/{index}/facet")
        if isinstance(entry, dict)
        else FacetRef(entry, f"{at}/hints/facets/{index}")
        for index, entry in enumerate(hinted)
    ]
    names = check_names(refs, catalogue, direction, reader.problems)
    facets = catalogue.resolve(names, direction)
    for facet, ref in zip(facets, (ref for ref in refs if ref.name in names), strict=False):
        if facet.property_key not in schema.get("properties", {}) and schema.get("additionalProperties") is False:
            message = f"the schema leaves no room for `{facet.property_key}`, where this facet stands"
            reader.problems.append(Problem(ref.at, message))
    provenance = tuple(Provenance(f.name, f.title, direction, pointer(f.property_key)) for f in facets)
    hints = {**contract.hints, **_hints(provenance)} if provenance else contract.hints
    stored = OutputContract(
        "json_schema", schema, example=contract.example, hints=hints, constraints=contract.constraints
    )
    return DeclaredContract(stored.as_json(), schema, provenance)


def _hints(provenance: tuple[Provenance, ...]) -> dict[str, Any]:
    return {"facets": [entry.as_json() for entry in provenance]}
