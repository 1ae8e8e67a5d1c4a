"""Make a plan's nodes of steps: identities and edges, and the nodes that capabilities do."""

from __future__ import annotations

from collections.abc import Mapping

from planner.assembly.draft import Draft
from planner.assembly.layout import BRANCH, ROUTING, Step
from planner.assembly.promises import promise_of
from planner.assembly.reasons import alternatives_to, instructions_for, rationale_of, score_of
from planner.assembly.sight import makes
from planner.assembly.virtual import branch_node, fallback_node, routing_node, transformation_node
from planner.contracts.capabilities import Capability
from planner.contracts.compiler import compile_contract
from planner.plan.graph import Edge, Node, NodeContract
from planner.plan.identity import Identity

DEFAULT_TIMEOUT_SECONDS = 300.0
EXECUTION_ATTEMPTS = 3
OTHER_ATTEMPTS = 2


def make_nodes(draft: Draft) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """Return the nodes of the draft's steps, in their order, and the edges between them."""
    identities = _identities(draft)
    ids = {name: identity.node_id for name, identity in identities.items()}
    nodes = tuple(_node(step, identities[step.name], draft, ids) for step in draft.sight.steps)
    edges = tuple(
        Edge(ids[parent], ids[step.name], _edge_reason(parent, step, draft))
        for step in draft.sight.steps
        for parent in step.after
    )
    return nodes, edges


def _edge_reason(parent: str, step: Step, draft: Draft) -> str:
    if parent == BRANCH:
        return "branch"
    routing = draft.request.routing
    if parent != ROUTING or routing is None:
        return "sequence"
    route = next((r for r in routing.routes if r.to == step.name), None)
    return "routing_else" if route is None else route.label or "routing"


def _identities(draft: Draft) -> dict[str, Identity]:
    found: dict[str, Identity] = {}
    for step in draft.sight.steps:
        label = draft.label(step)
        taken = step.capability.input_facets if step.capability else step.facets
        identity = Identity(_role(step, draft), taken, makes(step), () if label is None else (label,))
        found[step.name] = identity.among(known.node_id for known in found.values())
    return found


def _role(step: Step, draft: Draft) -> str:
    """Return the capability id, or the name of what a node without one does."""
    if step.fits:
        return "fit"
    if step.capability is None:
        return step.name
    name = step.capability.capability_id
    return "fallback" if name in draft.choice.asks else draft.choice.derived.get(name, name)


def _node(step: Step, identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    if step.capability is not None:
        ask = draft.choice.asks.get(step.capability.capability_id)
        if ask is not None:
            return fallback_node(step.capability, ask, identity, draft)
        return _capability_node(step, step.capability, identity, draft)
    if step.name == BRANCH:
        return branch_node(identity, draft, ids)
    if step.name == ROUTING:
        return routing_node(identity, draft, ids)
    return transformation_node(step, identity, draft, ids)


def _capability_node(step: Step, capability: Capability, identity: Identity, draft: Draft) -> Node:
    visible = draft.sight.visible(step, draft.request.given)
    optional = tuple(f for f in capability.optional_input_facets if f in visible)
    taken = compile_contract(draft.request.catalogue, capability.input_facets, "input", optional=optional)
    made = compile_contract(draft.request.catalogue, capability.output_facets, "output")
    label = draft.label(step)
    asked = draft.asked_of(step)
    original = draft.choice.derived.get(capability.capability_id)
    schema, sources = promise_of(step, draft)
    score = score_of(capability, draft)
    return Node(
        identity=identity,
        kind=step.kind,
        label=capability.display_name + (f" ({label})" if label else ""),
        capability_id=original or capability.capability_id,
        capability_version=capability.version,
        input_facets=capability.input_facets,
        optional_input_facets=optional,
        output_facets=capability.output_facets,
        input_schema=taken.schema,
        output_schema=schema,
        provenance={
            "input": [p.as_json() for p in taken.provenance],
            "output": [p.as_json() for p in made.provenance],
        },
        contract=NodeContract(EXECUTION_ATTEMPTS if step.kind == "execution" else OTHER_ATTEMPTS, "hitl"),
        alternatives=alternatives_to(capability, visible, draft),
        derived=original is not None,
        derived_from=original,
        rationale=rationale_of(step, capability, asked, draft, score),
        instructions=instructions_for(step, asked, draft),
        score=score,
        branch=label,
        timeout_seconds=float(capability.metadata.get("timeoutSeconds", DEFAULT_TIMEOUT_SECONDS)),
        executor_type="ai",
        metadata={
            "stage": step.kind,
            "cost": draft.choice.price(capability),
            **({"reviews": list(step.reviews)} if step.reviews else {}),
            **({"askedBy": sources} if sources else {}),
            **({"added": "fit", "changes": list(step.facets)} if step.fit else {}),
        },
    )
