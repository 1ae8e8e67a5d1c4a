"""Constraints of an output contract: conditions on the result, hard, soft or informational, as planning reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.contracts.conjunction import UnsatisfiableError, conjoin
from planner.contracts.logic_schema import schema_of_logic
from planner.contracts.output_contract import OutputContract
from policies.conditions import ConditionError, reconcile


@dataclass(frozen=True, slots=True)
class Constraint:
    """A constraint as planning sees it; `schema` is None where no schema says the same."""

    constraint_id: str
    level: str
    place: str
    logic: Any = None
    schema: dict[str, Any] | None = None
    names: frozenset[str] = frozenset()
    fault: str | None = None


def read_constraints(constraints: Sequence[Mapping[str, Any]]) -> tuple[Constraint, ...]:
    """Return a contract's constraints as planning sees them, in their order."""
    return tuple(_read(raw, f"/outputContract/constraints/{index}") for index, raw in enumerate(constraints))


def strengthened(contract: OutputContract) -> dict[str, Any] | None:
    """Return the contract's schema with what its hard constraints add, as far as that is possible."""
    schema = contract.schema
    for constraint in read_constraints(contract.constraints):
        if schema is not None and constraint.level == "hard" and constraint.schema is not None:
            try:
                schema = conjoin(schema, constraint.schema)
            except UnsatisfiableError:
                continue
    return schema


def _read(raw: Mapping[str, Any], place: str) -> Constraint:
    name, level = str(raw.get("constraintId", place)), str(raw.get("level", "informational"))
    expression = raw.get("expr")
    text = raw.get("dsl") or (expression if isinstance(expression, str) else None)
    logic = expression if isinstance(expression, dict) else None
    try:
        # Names stay free: one that the result does not have is told of as what nobody makes.
        condition = reconcile(text, logic, bare_schema={})
    except ConditionError as error:
        return Constraint(name, level, place, fault=error.diagnostics[0].message)
    known = condition.json_logic
    try:
        schema = schema_of_logic(known)
    except UnsatisfiableError as error:
        return Constraint(name, level, place, logic=known, fault=f"it contradicts itself: {error.reason}")
    return Constraint(name, level, place, known, schema, frozenset(v.split(".")[0] for v in _variables(known)))


def _variables(logic: Any) -> Iterator[str]:
    if isinstance(logic, list):
        for part in logic:
            yield from _variables(part)
    elif isinstance(logic, dict):
        name = logic.get("var")
        if isinstance(name, str) and name:
            yield name
        for part in logic.values():
            yield from _variables(part)
