"""The PlanGraph: an immutable value that says which nodes run, on what, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal

from planner.errors import PlannerError
from planner.plan.identity import Identity

NodeKind = Literal["structuring", "branch", "routing", "execution", "transformation", "validation", "fallback"]
NODE_KINDS: tuple[NodeKind, ...] = (
    "structuring",
    "branch",
    "routing",
    "execution",
    "transformation",
    "validation",
    "fallback",
)
ExecutorType = Literal["ai", "human", "virtual"]
OnFailure = Literal["retry", "hitl", "abort"]


class PlanInvalidError(PlannerError):
    """The plan's graph is not one that could be run."""

    code = "plan_invalid"


@dataclass(frozen=True, slots=True)
class NodeContract:
    """How hard to try: attempts per capability, and what happens when they are used up.

    `fallback` names the last resort after every alternative capability: `hitl` asks a person, `abort` fails the node
    at once; `retry` is the peer's spelling of "retries, then a person" and means the same as `hitl`.
    """

    max_attempts: int = 2
    fallback: OnFailure = "hitl"

    @property
    def asks_person(self) -> bool:
        return self.fallback != "abort"


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a plan. Facets are names; schemas are JSON Schema documents keyed by property key."""

    identity: Identity
    kind: NodeKind
    label: str
    capability_id: str | None = None
    capability_version: str | None = None
    input_facets: tuple[str, ...] = ()
    optional_input_facets: tuple[str, ...] = ()
    output_facets: tuple[str, ...] = ()
    input_schema: Mapping[str, Any] = field(default_factory=dict)
    output_schema: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    contract: NodeContract = NodeContract()
    alternatives: tuple[str, ...] = ()
    derived: bool = False
    derived_from: str | None = None
    rationale: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    score: Mapping[str, Any] = field(default_factory=dict)
    branch: str | None = None
    transform: Mapping[str, Any] | None = None
    routing: Mapping[str, Any] | None = None
    timeout_seconds: float = 300.0
    executor_type: ExecutorType = "ai"
    pre_guards: tuple[Mapping[str, Any], ...] = ()
    post_guards: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Asked for at every turn of the loop, and spelled out of several parts.
        object.__setattr__(self, "id", self.identity.node_id)

    @property
    def virtual(self) -> bool:
        """Whether the node is computed by the run loop itself and never leaves it."""
        return self.executor_type == "virtual"


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` may start once `source` has settled."""

    source: str
    target: str
    reason: str = "sequence"


@dataclass(frozen=True)
class PlanGraph:
    """A version of a plan. Raises PlanInvalidError on doubled ids, dangling edges or a cycle."""

    version: int
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self._by_id) != len(self.nodes):
            ids = [node.id for node in self.nodes]
            raise PlanInvalidError(f"node ids are used twice: {sorted({i for i in ids if ids.count(i) > 1})}")
        for edge in self.edges:
            if missing := {edge.source, edge.target} - self._by_id.keys():
                raise PlanInvalidError(f"an edge names {sorted(missing)}, which the plan does not hold")
        try:
            _ = self.order
        except CycleError as cycle:
            raise PlanInvalidError(f"the plan has a cycle: {' -> '.join(cycle.args[1])}") from cycle

    @cached_property
    def _by_id(self) -> dict[str, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def _parents(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {node.id: [] for node in self.nodes}
        for edge in self.edges:
            if edge.source not in found[edge.target]:
                found[edge.target].append(edge.source)
        return {node_id: tuple(parents) for node_id, parents in found.items()}

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {node.id: [] for node in self.nodes}
        for target, parents in self._parents.items():
            for source in parents:
                found[source].append(target)
        return {node_id: tuple(children) for node_id, children in found.items()}

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Every node id, parents first; among equals in declaration order."""
        sorter = TopologicalSorter(self._parents)
        sorter.prepare()
        position = {node.id: index for index, node in enumerate(self.nodes)}
        ordered: list[str] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=position.__getitem__)
            ordered.extend(ready)
            sorter.done(*ready)
        return tuple(ordered)

    def node(self, node_id: str) -> Node:
        return self._by_id[node_id]

    def find(self, node_id: str) -> Node | None:
        return self._by_id.get(node_id)

    def parents(self, node_id: str) -> tuple[str, ...]:
        return self._parents[node_id]

    def children(self, node_id: str) -> tuple[str, ...]:
        return self._children[node_id]

    def ancestors(self, node_id: str) -> tuple[str, ...]:
        """Every node that `node_id` depends on, nearest first (breadth first; equals in edge order)."""
        return self._reach(node_id, self._parents)

    def descendants(self, node_id: str) -> tuple[str, ...]:
        return self._reach(node_id, self._children)

    def roots(self) -> tuple[str, ...]:
        return tuple(node_id for node_id in self.order if not self._parents[node_id])

    def leaves(self) -> tuple[str, ...]:
        return tuple(node_id for node_id in self.order if not self._children[node_id])

    @staticmethod
    def _reach(start: str, step: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
        seen: dict[str, None] = {}
        front = list(step[start])
        while front:
            following: list[str] = []
            for node_id in front:
                if node_id not in seen:
                    seen[node_id] = None
                    following.extend(step[node_id])
            front = following
        return tuple(seen)
