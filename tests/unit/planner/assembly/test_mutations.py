"""Sound plans harmed in every way we know: at least 99 in 100 harmful mutants are refused.

What counts as harmful is decided without the checks: an edge whose loss no other path makes up for, a capability that
does not take or make what the node says, a promise without which a value breaks the next node or the contract, a node
that somebody relied on.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from planner.assembly.choice import choose
from planner.assembly.request import read_request
from planner.assembly.validation import Case, validate_plan
from planner.contracts.capabilities import Capability
from planner.envelope import envelope_from_json
from planner.plan.graph import Node, PlanGraph
from tests.support.goldens import Golden, goldens
from tests.support.planning import catalogue

Mutant = tuple[str, PlanGraph]
NAMES = sorted(goldens())


def case_of(golden: Golden, plan: PlanGraph) -> Case:
    request = read_request(envelope_from_json(golden.raw, catalogue()), catalogue(), golden.situation)
    choice = choose(request, golden.registry, fallbacks=golden.fallbacks)
    return Case(plan, request, golden.registry, choice.targets, reviewed=True)


def with_node(plan: PlanGraph, node: Node, **changes: Any) -> PlanGraph:
    return replace(plan, nodes=tuple(replace(n, **changes) if n.id == node.id else n for n in plan.nodes))


def without_node(plan: PlanGraph, node: Node) -> PlanGraph:
    """Return the plan with its edges going past the node that is gone."""
    past = [
        replace(ahead, source=behind.source)
        for behind in plan.edges
        for ahead in plan.edges
        if behind.target == node.id and ahead.source == node.id
    ]
    kept = [edge for edge in plan.edges if node.id not in {edge.source, edge.target}]
    nodes = tuple(n for n in plan.nodes if n.id != node.id)
    return replace(plan, nodes=nodes, edges=tuple(dict.fromkeys((*kept, *past))))


def dropped_edges(plan: PlanGraph) -> Iterator[Mutant]:
    """Yield the plan without each edge; every edge is the only path between its ends, so each loss does harm."""
    for edge in plan.edges:
        left = replace(plan, edges=tuple(e for e in plan.edges if e != edge))
        needs = set(plan.node(edge.target).input_facets) | set(plan.node(edge.target).optional_input_facets)
        lost = set(plan.ancestors(edge.target)) - set(left.ancestors(edge.target))
        relied_on = any(needs & set(plan.node(node_id).output_facets) for node_id in lost)
        unreached = plan.metadata["output"]["nodeId"] is not None
        if relied_on or unreached or plan.node(edge.source).kind == "routing":
            yield f"edge {edge.source} -> {edge.target}", left


def swapped_capabilities(plan: PlanGraph, registry: tuple[Capability, ...]) -> Iterator[Mutant]:
    """Yield the plan with each capability replaced by one that makes none of what the node makes."""
    for node in plan.nodes:
        for other in registry:
            if node.capability_id is None or other.capability_id == node.capability_id:
                continue
            if not set(node.output_facets) <= {*other.output_facets, *other.supported_facets}:
                yield f"{node.id} by {other.capability_id}", with_node(plan, node, capability_id=other.capability_id)


def weakened_promises(plan: PlanGraph, wanted: set[str]) -> Iterator[Mutant]:
    """Yield the plan with each promise that somebody relies on taken back: the type, a bound, a required member."""
    for node in plan.nodes:
        for key, schema in node.output_schema.get("properties", {}).items():
            if not node.output_facets or key not in wanted or not isinstance(schema, dict):
                continue
            for keyword in ("type", "minItems", "maxItems", "items", "required"):
                if keyword in schema:
                    weaker = copy.deepcopy(dict(node.output_schema))
                    del weaker["properties"][key][keyword]
                    yield f"{node.id} without {key}.{keyword}", with_node(plan, node, output_schema=weaker)


def removed_enforcers(plan: PlanGraph) -> Iterator[Mutant]:
    """Yield the plan without each node that reviews, fits, joins, composes, decides or asks."""
    for node in plan.nodes:
        if node.kind in {"validation", "transformation", "fallback", "routing"}:
            yield f"no {node.id}", without_node(plan, node)


def relied_on(plan: PlanGraph, case: Case) -> set[str]:
    """Return the keys that a later node reads, or that the contract describes closely enough to be broken."""
    keys = {f: catalogue().get(f).property_key for n in plan.nodes for f in n.input_facets if not n.virtual}
    contract = case.request.contract.schema
    placed = {t.facet: catalogue().get(t.facet).property_key for t in case.targets if contract is not None}
    return {*keys.values(), *placed.values()}


def survivors(name: str) -> tuple[int, list[str]]:
    """Return how many harmful mutants a golden plan has, and which of them pass every check."""
    golden = goldens()[name]
    plan = golden.plan()
    case = case_of(golden, plan)
    assert [f for f in validate_plan(case) if f.severity == "error"] == []
    mutants = [
        *dropped_edges(plan),
        *swapped_capabilities(plan, golden.registry.capabilities),
        *weakened_promises(plan, relied_on(plan, case)),
        *removed_enforcers(plan),
    ]
    passed = [
        told
        for told, mutant in mutants
        if not any(f.severity == "error" for f in validate_plan(replace(case, plan=mutant)))
    ]
    return len(mutants), passed


@pytest.mark.parametrize("name", NAMES)
def test_harmful_mutants_are_refused(name: str) -> None:
    # When
    count, passed = survivors(name)
    # Then
    assert count > 0
    assert len(passed) <= count // 100, passed
