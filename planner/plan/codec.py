"""Turn a plan into the JSON that is stored and shown, and back, with a format number of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.plan.graph import Edge, Node, NodeContract, PlanGraph, PlanInvalidError
from planner.plan.identity import Identity, digest

FORMAT = 1


def plan_to_json(plan: PlanGraph) -> dict[str, Any]:
    """Return the stored form: {format, version, nodes, edges, metadata}."""
    return {
        "format": FORMAT,
        "version": plan.version,
        "nodes": [node_to_json(node) for node in plan.nodes],
        "edges": [{"from": e.source, "to": e.target, "reason": e.reason} for e in plan.edges],
        "metadata": dict(plan.metadata),
    }


def plan_from_json(doc: Mapping[str, Any]) -> PlanGraph:
    """Return the plan of a stored form. Raises PlanInvalidError for a format that this version cannot read."""
    if doc.get("format") != FORMAT:
        raise PlanInvalidError(f"a stored plan has format {doc.get('format')!r}; this version reads {FORMAT}")
    return PlanGraph(
        version=doc["version"],
        nodes=tuple(_node_from_json(node) for node in doc["nodes"]),
        edges=tuple(Edge(e["from"], e["to"], e["reason"]) for e in doc["edges"]),
        metadata=doc["metadata"],
    )


def plan_hash(plan: PlanGraph) -> str:
    """Return a digest of what the plan does: equal plans run alike.

    Version, metadata, scores and the order in which nodes and edges are listed do not count.
    """
    nodes = [
        (n.identity.as_json(), n.capability_version, n.output_schema, list(n.instructions), n.transform, n.routing)
        for n in sorted(plan.nodes, key=lambda node: node.id)
    ]
    return digest([nodes, sorted([e.source, e.target, e.reason] for e in plan.edges)])


def node_to_json(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "identity": node.identity.as_json(),
        "kind": node.kind,
        "label": node.label,
        "capabilityId": node.capability_id,
        "capabilityVersion": node.capability_version,
        "facets": {
            "input": list(node.input_facets),
            "optionalInput": list(node.optional_input_facets),
            "output": list(node.output_facets),
        },
        "contracts": {"input": dict(node.input_schema), "output": dict(node.output_schema)},
        "provenance": dict(node.provenance),
        "contract": {"maxAttempts": node.contract.max_attempts, "fallback": node.contract.fallback},
        "alternatives": list(node.alternatives),
        "derived": node.derived,
        "derivedFrom": node.derived_from,
        "rationale": list(node.rationale),
        "instructions": list(node.instructions),
        "score": dict(node.score),
        "branch": node.branch,
        "transform": None if node.transform is None else dict(node.transform),
        "routing": None if node.routing is None else dict(node.routing),
        "timeoutSeconds": node.timeout_seconds,
        "executor": {"type": node.executor_type, "capabilityId": node.capability_id},
        "preConditionGuards": [dict(guard) for guard in node.pre_guards],
        "postConditionGuards": [dict(guard) for guard in node.post_guards],
        "metadata": dict(node.metadata),
    }


def _node_from_json(doc: Mapping[str, Any]) -> Node:
    facets = doc["facets"]
    return Node(
        identity=Identity.from_json(doc["identity"]),
        kind=doc["kind"],
        label=doc["label"],
        capability_id=doc["capabilityId"],
        capability_version=doc["capabilityVersion"],
        input_facets=tuple(facets["input"]),
        optional_input_facets=tuple(facets["optionalInput"]),
        output_facets=tuple(facets["output"]),
        input_schema=doc["contracts"]["input"],
        output_schema=doc["contracts"]["output"],
        provenance=doc["provenance"],
        contract=NodeContract(doc["contract"]["maxAttempts"], doc["contract"]["fallback"]),
        alternatives=tuple(doc["alternatives"]),
        derived=doc["derived"],
        derived_from=doc["derivedFrom"],
        rationale=tuple(doc["rationale"]),
        instructions=tuple(doc["instructions"]),
        score=doc["score"],
        branch=doc["branch"],
        transform=doc["transform"],
        routing=doc["routing"],
        timeout_seconds=doc["timeoutSeconds"],
        executor_type=doc["executor"]["type"],
        pre_guards=tuple(doc["preConditionGuards"]),
        post_guards=tuple(doc["postConditionGuards"]),
        metadata=doc["metadata"],
    )
