"""What differs between two versions of a plan, as data: nodes added, removed and changed, and how contracts moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from planner.contracts.conjunction import UnsatisfiableError, conjoin
from planner.contracts.containment import contained
from planner.contracts.json_schema import SchemaInvalidError
from planner.plan.codec import node_to_json
from planner.plan.graph import Node, PlanGraph

ContractChange = Literal["same", "strengthened", "weakened", "incompatible", "changed"]
_COMPARED = (
    *("kind", "label", "capabilityId", "capabilityVersion", "facets", "contract", "alternatives", "instructions"),
    *("branch", "transform", "routing", "timeoutSeconds", "executor", "preConditionGuards", "postConditionGuards"),
)
"""What a node does. Its score, its reasons and its metadata only tell of it."""


@dataclass(frozen=True, slots=True)
class NodeChange:
    """A node of both versions that does something else now; `contracts` says for each side how its contract moved."""

    node_id: str
    members: tuple[str, ...]
    contracts: Mapping[str, ContractChange]

    def as_json(self) -> dict[str, Any]:
        return {"nodeId": self.node_id, "members": list(self.members), "contracts": dict(self.contracts)}


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """The way from one version to another; nodes are named by id, edges are pairs of ids."""

    previous_version: int
    version: int
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[NodeChange, ...] = ()
    edges_added: tuple[tuple[str, str], ...] = ()
    edges_removed: tuple[tuple[str, str], ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.added or self.removed or self.changed or self.edges_added or self.edges_removed)

    def as_json(self) -> dict[str, Any]:
        return {
            "previousVersion": self.previous_version,
            "version": self.version,
            "added": list(self.added),
            "removed": list(self.removed),
            "changed": [change.as_json() for change in self.changed],
            "edgesAdded": [{"from": source, "to": target} for source, target in self.edges_added],
            "edgesRemoved": [{"from": source, "to": target} for source, target in self.edges_removed],
        }


def diff_plans(previous: PlanGraph, following: PlanGraph) -> PlanDiff:
    """Return what differs, whatever the order in which either version lists its nodes."""
    before, after = ({node.id: node for node in plan.nodes} for plan in (previous, following))
    edges_before, edges_after = ({(e.source, e.target) for e in plan.edges} for plan in (previous, following))
    both = [(before[node_id], after[node_id]) for node_id in sorted(before.keys() & after.keys())]
    return PlanDiff(
        previous.version,
        following.version,
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(change for old, new in both if (change := _change(old, new))),
        edges_added=tuple(sorted(edges_after - edges_before)),
        edges_removed=tuple(sorted(edges_before - edges_after)),
    )


def contract_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> ContractChange:
    """Return how a contract moved.

    Strengthened: whatever satisfies the new one satisfies the old one. Weakened: the other way round. Incompatible:
    nothing satisfies both. Changed: none of these is certain.
    """
    if old == new:
        return "same"
    narrower, wider = _proved(new, old), _proved(old, new)
    if narrower or wider:
        return "same" if narrower and wider else ("strengthened" if narrower else "weakened")
    try:
        conjoin(dict(old), dict(new))
    except UnsatisfiableError:
        return "incompatible"
    return "changed"


def _proved(part: Mapping[str, Any], whole: Mapping[str, Any]) -> bool:
    try:
        return contained(dict(part), dict(whole)).is_proved
    except SchemaInvalidError:
        # A schema that the prover cannot read proves nothing.
        return False


def _change(old: Node, new: Node) -> NodeChange | None:
    told_old, told_new = node_to_json(old), node_to_json(new)
    members = tuple(name for name in _COMPARED if told_old[name] != told_new[name])
    sides = (("input", old.input_schema, new.input_schema), ("output", old.output_schema, new.output_schema))
    moved = {side: how for side, was, now in sides if (how := contract_change(was, now)) != "same"}
    return NodeChange(new.id, members, moved) if members or moved else None
