"""What a plan makes sure of among the constraints of its contract, what a check at run time decides, what is broken.

A hard constraint that a schema can say strengthens the contract, so the nodes that make the result promise it and the
proof of the plan covers it. Of every other one the plan can only say who would notice: a validation node behind the
work. The result is one diagnostic for each constraint that is not made sure of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from planner.assembly.case import Case
from planner.assembly.diagnostics import Diagnostic, Severity
from planner.assembly.proof import result_schema
from planner.contracts.constraints import Constraint, read_constraints
from planner.contracts.containment import contained
from planner.contracts.logic_schema import exclusion

_SEVERITY: Mapping[str, Severity] = {"hard": "error", "soft": "warning", "informational": "info"}


def constraints_met(case: Case) -> Iterator[Diagnostic]:
    """Yield a diagnostic for each constraint that the plan does not make sure of."""
    constraints = read_constraints(case.request.contract.constraints)
    if not constraints:
        return
    made = result_schema(case)
    judged = any(node.kind == "validation" for node in case.plan.nodes)
    for constraint in constraints:
        if finding := _judge(constraint, made, judged=judged):
            yield finding


def _judge(constraint: Constraint, made: dict[str, Any], *, judged: bool) -> Diagnostic | None:
    """Return what is to be said of one constraint, None when every result satisfies it."""
    if broken := _broken(constraint, made):
        return broken
    if constraint.schema is not None and contained(made, constraint.schema).is_proved:
        return None
    return _left_open(constraint, judged=judged)


def _broken(constraint: Constraint, made: dict[str, Any]) -> Diagnostic | None:
    if constraint.fault is not None:
        return _told(constraint, "schema_incompatible", f"it cannot be read: {constraint.fault}")
    if "properties" in made and (lacking := sorted(constraint.names - made["properties"].keys())):
        return _told(constraint, "missing_producer", f"nothing in the plan makes {', '.join(lacking)}")
    clash = None if constraint.schema is None else exclusion(made, constraint.schema)
    return _told(constraint, "schema_incompatible", f"no result can satisfy it: {clash.reason}") if clash else None


def _left_open(constraint: Constraint, *, judged: bool) -> Diagnostic:
    if constraint.level == "informational":
        return _told(constraint, "advisory", "nothing makes sure of it", status="unknown")
    if judged:
        return _told(constraint, "advisory", "it is decided when the plan has run", severity="info", status="unknown")
    if constraint.level == "hard":
        return _told(constraint, "missing_enforcer", "no node makes sure of it and none would notice")
    return _told(constraint, "unsatisfied_soft", "nothing makes sure of it and no node would notice")


_REMEDIES = {
    "missing_producer": "Register a capability that makes it, or drop the constraint.",
    "missing_enforcer": "Register a validation capability for the result, or say the constraint in the schema.",
    "schema_incompatible": "Change the constraint or the schema.",
    "unsatisfied_soft": "Register a validation capability for the result.",
}


def _told(
    constraint: Constraint,
    cause: str,
    why: str,
    *,
    severity: Severity | None = None,
    status: Literal["unsatisfied", "unknown"] = "unsatisfied",
) -> Diagnostic:
    return Diagnostic(
        f"constraint_{cause}",
        f"The {constraint.level} constraint {constraint.constraint_id}: {why}.",
        severity=severity or _SEVERITY.get(constraint.level, "info"),
        pointer=constraint.place,
        suggestion=_REMEDIES.get(cause),
        constraint_id=constraint.constraint_id,
        constraint=constraint.logic,
        cause=cause,
        status=status,
    )
