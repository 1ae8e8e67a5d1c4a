"""Check at run time what the plan's proof left open, and what the contract's constraints say of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from planner.contracts.constraints import Constraint, read_constraints
from planner.contracts.json_schema import validator_for
from planner.plan.graph import Node
from policies.conditions import bare_payload, evaluate

HARD, SOFT = 1.0, 0.5
"""What a constraint weighs in the observed satisfaction; an informational one weighs nothing."""


def open_checks(node: Node, side: Literal["input", "output"], values: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return what is wrong with {facet: value} where the plan could not prove that nothing would be.

    Each finding is {facet, pointer, instancePath, keyword, message}; pointers begin with the facet.
    """
    return tuple(
        {**problem.as_json(), "pointer": f"/{check['facet']}{problem.pointer}", "facet": check["facet"]}
        for check in node.metadata.get("checks", ())
        if check["side"] == side and check["facet"] in values
        for problem in validator_for(check["schema"]).problems(values[check["facet"]])
    )


@dataclass(frozen=True, slots=True)
class Observed:
    """A constraint as the result shows it; `satisfied` is None when it cannot be decided."""

    constraint_id: str
    level: str
    place: str
    satisfied: bool | None
    values: Mapping[str, Any]
    reason: str | None = None

    @property
    def pointer(self) -> str:
        """Where the value stands that the constraint looks at first, the whole result if it names none."""
        return next(("/" + path.split(".", 1)[0] for path in self.values), "")

    @property
    def broken(self) -> bool:
        """Whether the result may not be delivered: a hard constraint that does not hold."""
        return self.level == "hard" and self.satisfied is not True

    def as_finding(self) -> dict[str, Any]:
        why = f" ({self.reason})" if self.reason else ""
        message = f"does not satisfy the hard constraint {self.constraint_id}{why}"
        return {"pointer": self.pointer, "instancePath": self.pointer, "keyword": "constraint", "message": message}

    def as_json(self) -> dict[str, Any]:
        body = {"constraintId": self.constraint_id, "level": self.level, "satisfied": self.satisfied}
        return {**body, "observed": dict(self.values), **({"reason": self.reason} if self.reason else {})}


def observe(constraints: Sequence[Mapping[str, Any]], output: Any) -> tuple[Observed, ...]:
    """Return for each constraint of a contract whether the result satisfies it."""
    payload = bare_payload(output)
    return tuple(_observed(constraint, payload) for constraint in read_constraints(constraints))


def _observed(constraint: Constraint, payload: Mapping[str, Any]) -> Observed:
    about = (constraint.constraint_id, constraint.level, constraint.place)
    if constraint.fault is not None:
        return Observed(*about, None, {}, constraint.fault)
    verdict = evaluate(constraint.logic, payload)
    decided = verdict.value if isinstance(verdict.value, bool) else None
    return Observed(*about, decided, verdict.observed, verdict.reason)


def observed_satisfaction(found: Sequence[Observed]) -> float:
    """Return the weighed share of constraints that hold, 0 to 1; 1 where there are none."""
    weights = {"hard": HARD, "soft": SOFT}
    total = sum(weights.get(one.level, 0.0) for one in found)
    held = sum(weights.get(one.level, 0.0) for one in found if one.satisfied)
    return round(held / total, 4) if total else 1.0
