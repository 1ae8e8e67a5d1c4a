"""The graph that everything is measured on: one node, three branches of two, a join; a critical path of four."""

from __future__ import annotations

from planner.plan.graph import Edge, Node, PlanGraph
from planner.plan.identity import Identity

CAPABILITY = "bench.node"
FACET = "post_copy"
SCHEMA = {
    "type": "object",
    "properties": {FACET: {"type": "string", "minLength": 1}},
    "required": [FACET],
    "additionalProperties": True,
}
TAKEN = {
    "type": "object",
    "properties": {FACET: {"type": ["string", "array"]}},
    "required": [FACET],
}
"""A join takes a list, with what each branch made."""
BRANCHES = ("a", "b", "c")


def eight_nodes() -> PlanGraph:
    """Return the plan; every node makes one facet, and all but the first take it from those before them.

    Each is held against a schema of one property.
    """
    nodes = [_node("start"), *(_node(name, label) for label in BRANCHES for name in ("first", "second")), _node("join")]
    edges = [
        edge
        for label in BRANCHES
        for edge in (
            Edge("start", f"first~{label}"),
            Edge(f"first~{label}", f"second~{label}"),
            Edge(f"second~{label}", "join"),
        )
    ]
    return PlanGraph(1, tuple(nodes), tuple(edges), {"output": {"mode": "facets", "facets": [FACET]}})


def _node(name: str, label: str | None = None) -> Node:
    return Node(
        identity=Identity(name, path=(label,) if label else ()),
        kind="execution",
        label=name,
        capability_id=CAPABILITY,
        input_facets=(FACET,) if name != "start" else (),
        input_schema=TAKEN if name != "start" else {},
        output_facets=(FACET,),
        output_schema=SCHEMA,
        provenance={"output": [{"facet": FACET, "title": "Post Copy", "direction": "output", "pointer": f"/{FACET}"}]},
        branch=label,
    )
