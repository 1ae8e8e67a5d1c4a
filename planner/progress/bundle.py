"""What a node sees: the envelope's inputs and what its ancestors produced, nearest first, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner.contracts.capabilities import Capability
from planner.plan.graph import Node, PlanGraph


@dataclass(frozen=True, slots=True)
class AgentBundle:
    """Everything an agent gets for one attempt; `inputs` by facet name, `output_schema` by property key."""

    run_id: str
    node_id: str
    attempt: int
    repair: int
    plan_version: int
    capability_id: str
    capability: Capability
    objective: str
    instructions: tuple[str, ...]
    inputs: Mapping[str, Any]
    output_facets: tuple[str, ...]
    output_schema: Mapping[str, Any]
    timeout_seconds: float
    findings: tuple[Mapping[str, Any], ...] = ()
    last_output: Any = None
    clarifications: tuple[Mapping[str, Any], ...] = ()
    special_instructions: tuple[str, ...] = ()
    branch: str | None = None
    correlation_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt that should have one effect: a crash repeats it, a repair does not."""
        return f"{self.run_id}:{self.node_id}:{self.plan_version}:{self.repair}"


def visible_values(
    plan: PlanGraph, node_id: str, given: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return facet → value as `node_id` sees them.

    The nearest ancestor that produced a facet wins over further ones and over what the envelope gave. Where several
    branches meet at the node, each with a value of its own for the facet, the value is the list of
    `{"branch": label, "value": …}` in the order of the branches.
    """
    values = dict(given)
    seen: set[str] = set()
    for facet, found in _produced(plan, node_id, outputs):
        if facet in seen:
            continue
        seen.add(facet)
        values[facet] = found
    return values


def inputs_for(node: Node, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of `values` that the node declares as its inputs, optional ones included when present."""
    return {facet: values[facet] for facet in (*node.input_facets, *node.optional_input_facets) if facet in values}


def source_ids(plan: PlanGraph, node_id: str) -> tuple[str, ...]:
    """Return the ancestors that make something of what the node takes: no others' outputs need be read for it."""
    node = plan.node(node_id)
    taken = {*node.input_facets, *node.optional_input_facets}
    return tuple(a for a in plan.ancestors(node_id) if not taken.isdisjoint(plan.node(a).output_facets))


def inputs_of(
    plan: PlanGraph, node_id: str, given: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what the node takes as it sees it; of `outputs` only those of its sources matter."""
    sources = {source: outputs[source] for source in source_ids(plan, node_id) if source in outputs}
    return inputs_for(plan.node(node_id), visible_values(plan, node_id, given, sources))


def in_branch_order(plan: PlanGraph, node_ids: Iterable[str]) -> list[str]:
    """Return nodes by the labels of their branches (a … z, aa …), those without one last and in the plan's order.

    The plan's own order would put the branch that got a further node behind its shorter siblings.
    """

    def place(node_id: str) -> tuple[bool, int, str, int]:
        label = plan.node(node_id).branch
        return label is None, len(label or ""), label or "", plan.order.index(node_id)

    return sorted(node_ids, key=place)


def _produced(plan: PlanGraph, node_id: str, outputs: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[str, Any]]:
    ancestors = plan.ancestors(node_id)
    facets = dict.fromkeys(f for a in ancestors for f in plan.node(a).output_facets)
    for facet in facets:
        producers = [a for a in ancestors if facet in outputs.get(a, {})]
        nearest = _not_hidden(plan, producers)
        if len(nearest) == 1:
            yield facet, outputs[nearest[0]][facet]
        elif nearest:
            ordered = in_branch_order(plan, nearest)
            yield facet, [{"branch": plan.node(p).branch, "value": outputs[p][facet]} for p in ordered]


def _not_hidden(plan: PlanGraph, producers: Sequence[str]) -> list[str]:
    """Drop a producer when another producer lies between it and the node: the later value replaces the earlier."""
    hidden = {earlier for p in producers for earlier in plan.ancestors(p)}
    return [p for p in producers if p not in hidden]
