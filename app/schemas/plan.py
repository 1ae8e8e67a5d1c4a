"""Plans: nodes, edges, and why each of them is there."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Closed, amount, choice, flag, free, many, one, text, texts, whole
from policies.selectors import NODE_KINDS

EXECUTORS = ("ai", "human", "virtual")
LAST_RESORTS = ("retry", "hitl", "abort")


class NodeIdentitySchema(Closed):
    """What makes a node the same node in the next version of the plan."""

    role = fields.String(required=True)
    input_facets = texts(required=True)
    output_facets = texts(required=True)
    path = texts("Branch labels from the root.", required=True)
    ordinal = whole(0, required=True)
    generation = whole(0, required=True)


class NodeFacetsSchema(Closed):
    """What a node reads and writes, by facet name."""

    input = texts(required=True)
    optional_input = texts(required=True)
    output = texts(required=True)


class NodeContractsSchema(Closed):
    """The compiled JSON Schemas of what a node reads and writes."""

    input = free(required=True)
    output = free(required=True)


class NodeContractSchema(Closed):
    """How hard to try, and the last resort after every alternative."""

    max_attempts = whole(1, required=True)
    fallback = choice(LAST_RESORTS, required=True)


class NodeExecutorSchema(Closed):
    """Who does the node: an agent, a person, or the run loop itself (`virtual`)."""

    type = choice(EXECUTORS, required=True)
    capability_id = text(required=True, nullable=True)


class PlanNodeSchema(Closed):
    """One step of a plan."""

    id = text(required=True)
    identity = one(NodeIdentitySchema, required=True)
    kind = choice(NODE_KINDS, required=True)
    label = text(required=True)
    capability_id = text(required=True, nullable=True)
    capability_version = text(required=True, nullable=True)
    facets = one(NodeFacetsSchema, required=True)
    contracts = one(NodeContractsSchema, required=True)
    provenance = free("Which facet gave which part of the schemas.", required=True)
    contract = one(NodeContractSchema, required=True)
    alternatives = texts("Capabilities that stand in, best first.", required=True)
    derived = flag(required=True)
    derived_from = text(required=True, nullable=True)
    rationale = texts(required=True)
    instructions = texts(required=True)
    score = free(required=True)
    branch = text(required=True, nullable=True)
    transform = free(required=True, nullable=True)
    routing = free(required=True, nullable=True)
    timeout_seconds = amount(above=0, required=True)
    executor = one(NodeExecutorSchema, required=True)
    pre_condition_guards = fields.List(free(), required=True)
    post_condition_guards = fields.List(free(), required=True)
    metadata = free(required=True)


class PlanEdgeSchema(Closed):
    """`to` may start once `from` has settled."""

    from_ = text(required=True)
    to = text(required=True)
    reason = text(required=True)


class PlanGraphSchema(Closed):
    """One version of a plan; versions never change once they are stored."""

    format = whole(1, required=True)
    version = whole(1, required=True)
    nodes = many(PlanNodeSchema, required=True)
    edges = many(PlanEdgeSchema, required=True)
    metadata = free(required=True)
