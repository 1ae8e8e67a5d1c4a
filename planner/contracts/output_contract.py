"""What a caller wants back: a value of a JSON Schema, the values of facets, or free text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from planner.contracts.compiler import FacetConflictError, compile_contract, contradiction
from planner.contracts.facet_names import FacetRef, check_names
from planner.contracts.facets import Direction, FacetCatalogue
from planner.contracts.json_schema import lint, schema_hash
from policies.errors import Problem
from policies.shape import ObjectReader

MODES = ("json_schema", "facets", "freeform")
LEVELS = ("hard", "soft", "informational")


@dataclass(frozen=True, slots=True)
class OutputContract:
    """A checked contract: `schema` in mode json_schema, `facets` in mode facets, `instructions` in freeform."""

    mode: str
    schema: dict[str, Any] | None = None
    facets: tuple[str, ...] = ()
    instructions: str | None = None
    expected_format: str | None = None
    example: Any = None
    hints: dict[str, Any] = field(default_factory=dict)
    constraints: tuple[dict[str, Any], ...] = ()

    @property
    def schema_hash(self) -> str | None:
        """The hash that is equal for equal schemas; None in the modes without one."""
        return None if self.schema is None else schema_hash(self.schema)

    def as_json(self) -> dict[str, Any]:
        """Return a body that is read back as this contract."""
        body: dict[str, Any] = {"mode": self.mode}
        optional = {
            "schema": self.schema,
            "facets": list(self.facets) or None,
            "instructions": self.instructions,
            "expectedFormat": self.expected_format,
            "example": self.example,
            "hints": self.hints or None,
            "constraints": [dict(one) for one in self.constraints] or None,
        }
        return body | {key: value for key, value in optional.items() if value is not None}


def check_output_contract(
    raw: Any, at: str, catalogue: FacetCatalogue, *, direction: Direction = "output"
) -> tuple[OutputContract | None, list[Problem]]:
    """Return the contract that stands at the pointer `at`, or everything that is wrong with it."""
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, at, problems)
    if reader is None:
        return None, problems
    mode = _read_mode(reader)
    contract = None if mode is None else _READERS[mode](reader, catalogue, direction)
    if mode is not None:
        reader.close()
    return (None, problems) if problems else (contract, problems)


def _read_mode(reader: ObjectReader) -> str | None:
    if "mode" not in reader.raw and "schema" in reader.raw:
        return "json_schema"
    return reader.choice("mode", MODES, required=True)


def _read_json_schema(reader: ObjectReader, _catalogue: FacetCatalogue, _direction: Direction) -> OutputContract:
    reader.has("mode")
    schema = reader.child("schema", required=True)
    if schema is not None:
        reader.problems.extend(problem.under(schema.at) for problem in _faults(schema.raw))
    return OutputContract(
        mode="json_schema",
        schema=schema.raw if schema else None,
        example=reader.raw.get("example") if reader.has("example") else None,
        hints=reader.free("hints") or {},
        constraints=_read_constraints(reader),
    )


def _faults(schema: dict[str, Any]) -> list[Problem]:
    problems = lint(schema)
    if not problems and (error := contradiction(schema)):
        message = f"no value can satisfy this schema: {error.reason} (at {error.pointer or '/'} of the value)"
        problems = [Problem("", message, "contract_unsatisfiable")]
    return problems


def _read_facets(reader: ObjectReader, catalogue: FacetCatalogue, direction: Direction) -> OutputContract:
    reader.require("facets", "the names of the facets wanted")
    refs = [FacetRef(name, at) for name, at in reader.items("facets", at_least=1)]
    names = check_names(refs, catalogue, direction, reader.problems)
    if len(names) == len(refs):
        try:
            compile_contract(catalogue, names, direction)
        except FacetConflictError as error:
            reader.report("facets", error.message, "contract_unsatisfiable")
    return OutputContract(
        mode="facets", facets=names, hints=reader.free("hints") or {}, constraints=_read_constraints(reader)
    )


def _read_freeform(reader: ObjectReader, _catalogue: FacetCatalogue, _direction: Direction) -> OutputContract:
    return OutputContract(
        mode="freeform",
        instructions=reader.text("instructions", required=True),
        expected_format=reader.text("expectedFormat"),
        example=reader.text("example"),
        constraints=_read_constraints(reader),
    )


def _read_constraints(reader: ObjectReader) -> tuple[dict[str, Any], ...]:
    found = [ObjectReader.of(raw, at, reader.problems) for raw, at in reader.items("constraints")]
    seen: set[str] = set()
    for one in found:
        if one is None:
            continue
        name = one.text("constraintId", required=True)
        if name in seen:
            one.report("constraintId", f"`{name}` stands here twice: give each constraint its own id", "duplicate")
        seen.add(name or "")
        one.choice("level", LEVELS, required=True)
        one.text("rationale")
        one.text("dsl")
        expression = one.raw.get("expr") if one.has("expr") else None
        if not isinstance(expression, str | dict | None):
            one.report("expr", "must be a string or a JSON-Logic object", "type")
        if "expr" not in one.raw and "dsl" not in one.raw:
            one.problems.append(Problem(one.at, "needs `expr` or `dsl`: what must hold", "required"))
        one.close()
    return tuple(one.raw for one in found if one is not None)


_READERS = {"json_schema": _read_json_schema, "facets": _read_facets, "freeform": _read_freeform}
