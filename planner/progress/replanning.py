"""Why a plan is made anew, as a value that is stored with the run until the new version is there.

An upstream node that returned several directions, a routing of which no way fits, a person who chose a candidate that
the planner would not, and an operator: each is a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.plan.graph import PlanGraph


class Reason:
    """Reasons by name."""

    UPSTREAM_OUTPUT = "upstream_output"
    ROUTING_NO_MATCH = "routing_no_match"
    CANDIDATE_CHOSEN = "candidate_chosen"
    OPERATOR = "operator"


_PLAN_IN_FORCE_STILL_WORKS = frozenset({Reason.UPSTREAM_OUTPUT, Reason.OPERATOR})


@dataclass(frozen=True, slots=True)
class Replanning:
    """What asked for a new version; `node_id` is where, `redo` names nodes whose work is to be done again."""

    reason: str
    node_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    redo: tuple[str, ...] = ()

    @property
    def optional(self) -> bool:
        """Whether the run can go on with the version in force when no new one can be had."""
        return self.reason in _PLAN_IN_FORCE_STILL_WORKS

    def as_json(self) -> dict[str, Any]:
        body = {"reason": self.reason, "nodeId": self.node_id, "details": dict(self.details), "redo": list(self.redo)}
        return {name: value for name, value in body.items() if value}

    @classmethod
    def from_json(cls, doc: Mapping[str, Any]) -> Replanning:
        return cls(doc["reason"], doc.get("nodeId"), doc.get("details", {}), tuple(doc.get("redo", ())))


def directions_in(plan: PlanGraph, node_id: str, output: Mapping[str, Any]) -> Replanning | None:
    """Return the reason to branch when the node has returned several directions in the facet that may open branches."""
    place = plan.metadata.get("expansion")
    if not place or place["nodeId"] != node_id:
        return None
    found = output.get(place["facet"])
    if not isinstance(found, list) or len(found) <= 1:
        return None
    return Replanning(Reason.UPSTREAM_OUTPUT, node_id, {"facet": place["facet"], "directions": len(found)})


def situation_after(situation: Mapping[str, Any], why: Replanning) -> dict[str, Any]:
    """Return what planning knows beyond the envelope once a version made for this reason is in force.

    It is {accepted: [capability id], directions: {nodeId, facet}, unrouted: true}, each where it applies.
    """
    match why.reason:
        case Reason.UPSTREAM_OUTPUT:
            return {**situation, "directions": {"nodeId": why.node_id, "facet": why.details["facet"]}}
        case Reason.ROUTING_NO_MATCH:
            return {**situation, "unrouted": True}
        case Reason.CANDIDATE_CHOSEN:
            accepted = {*situation.get("accepted", ()), why.details["capabilityId"]}
            return {**situation, "accepted": sorted(accepted)}
    return dict(situation)
