"""Tell a plan: as a tree of reasons, as a Mermaid drawing, and as a bill."""

from __future__ import annotations

import re
from typing import Any

from planner.assembly.scoring import price, tokens
from planner.contracts.capabilities import RegistrySnapshot
from planner.plan.graph import Node, PlanGraph

_SHAPES = {"branch": ("{{", "}}"), "routing": ("{{", "}}"), "transformation": ("[/", "/]"), "validation": ("([", "])")}


def explanation(plan: PlanGraph) -> dict[str, Any]:
    """Return the plan as a tree: {summary, nodes: [{id, …, why, children}]}; a node hangs under its first parent."""
    return {
        "summary": _summary(plan),
        "notes": list(plan.metadata.get("notes", ())),
        "nodes": [_branch_of_tree(plan, root) for root in plan.roots()],
    }


def mermaid(plan: PlanGraph) -> str:
    """Return the plan as a Mermaid flow chart."""
    names = {node_id: f"n{index}" for index, node_id in enumerate(plan.order)}
    lines = ["flowchart TD"]
    for node_id in plan.order:
        node = plan.node(node_id)
        opening, closing = _SHAPES.get(node.kind, ("[", "]"))
        lines.append(f'  {names[node_id]}{opening}"{_quoted(node_id)}<br/>{_quoted(node.label)}"{closing}')
    lines += [f"  {names[edge.source]} --> {names[edge.target]}" for edge in plan.edges]
    return "\n".join(lines)


def plan_cost(plan: PlanGraph, registry: RegistrySnapshot) -> dict[str, Any]:
    """Return {total, parts, further, estimate}: what the search minimised, by node, and what was added around it.

    `total` sums over `parts`, the nodes that produce the targets, each copy in a branch for itself; `further` prices
    the reviewers. `estimate` gives the tokens of all nodes as their capabilities estimate them, and their price.
    """
    nodes = [node for node in map(plan.node, plan.order) if node.capability_id is not None]
    entries = [{"nodeId": n.id, "capabilityId": n.capability_id, "cost": n.metadata["cost"]} for n in nodes]
    added = {"reviews", "added"}
    parts = [entry for entry, node in zip(entries, nodes, strict=True) if not added & node.metadata.keys()]
    known = [c for node in nodes if (c := registry.get(node.capability_id or ""))]
    return {
        "total": sum(part["cost"] for part in parts),
        "parts": parts,
        "further": [entry for entry in entries if entry not in parts],
        "estimate": {"tokens": sum(map(tokens, known)), "price": round(sum(map(price, known)), 6)},
    }


def _summary(plan: PlanGraph) -> str:
    kinds = [plan.node(node_id).kind for node_id in plan.order]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    search = plan.metadata.get("search", {})
    sure = "proved least" if search.get("exact") else "the best that was found"
    return f"Version {plan.version}: {counted or 'no nodes'}; cost {search.get('cost', 0)} ({sure})."


def _branch_of_tree(plan: PlanGraph, node_id: str) -> dict[str, Any]:
    node = plan.node(node_id)
    children = [child for child in plan.children(node_id) if plan.parents(child)[0] == node_id]
    return {
        "id": node_id,
        "kind": node.kind,
        "label": node.label,
        "capabilityId": node.capability_id,
        "branch": node.branch,
        "why": list(node.rationale),
        "score": dict(node.score),
        "takes": _taken(node),
        "makes": list(node.output_facets),
        "alternatives": list(node.alternatives),
        "waitsFor": list(plan.parents(node_id)),
        "children": [_branch_of_tree(plan, child) for child in children],
    }


def _taken(node: Node) -> list[str]:
    return [*node.input_facets, *(f"{facet} (optional)" for facet in node.optional_input_facets)]


def _quoted(text: str) -> str:
    return re.sub(r'["\\<>]', "'", text)
