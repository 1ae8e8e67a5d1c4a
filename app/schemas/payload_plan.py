"""What frames about plans carry; every payload may hold more than is named here."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Open, amount, choice, free, many, one, text, texts, whole

PHASES = ("initial", "replan")
BRANCH_REASONS = ("variant_count", "directive", "upstream_output", "operator")
FALLBACK_REASONS = ("below_minimum_score", "no_candidate", "empty_registry")


class PlanRequestedPayload(Open):
    """A plan is being made; `attempt` counts over the whole run."""

    run_id = text()
    attempt = whole(1)
    phase = choice(PHASES, required=True)
    variant_count = whole(1, nullable=True)
    planner_context = free()
    policies = free()
    policy_metadata = free()
    capabilities = fields.List(free())
    crcs = free()
    replan = free()


class PlanRejectedPayload(Open):
    """No plan can be made, or the draft was refused; the diagnostics say why."""

    run_id = text()
    attempt = whole(1)
    phase = choice(PHASES)
    reason = text()
    diagnostics = fields.List(free(), required=True)


class PlannedNodeSchema(Open):
    """A node as frames tell of it."""

    id = text(required=True)
    kind = text(required=True)
    label = text()
    capability_id = text(nullable=True)


class PlannedEdgeSchema(Open):
    """`to` follows `from`."""

    from_ = text(required=True)
    to = text(required=True)
    reason = fields.String()


class PlannedGraphSchema(Open):
    """A plan as frames tell of it."""

    run_id = text()
    version = whole(1, required=True)
    nodes = many(PlannedNodeSchema, required=True)
    edges = many(PlannedEdgeSchema, required=True)
    metadata = free()


class PlanGeneratedPayload(Open):
    """The plan is stored and proved to fit."""

    plan = one(PlannedGraphSchema, required=True)
    crcs = free()
    replan = free(nullable=True)


class BranchSchema(Open):
    """One branch and its nodes."""

    label = text(required=True)
    node_ids = texts(required=True)


class PlanBranchPayload(Open):
    """The plan forks behind a node."""

    parent_node_id = text(required=True, nullable=True)
    reason = choice(BRANCH_REASONS, required=True)
    branches = many(BranchSchema, required=True)


class CandidateSchema(Open):
    """A capability and its score."""

    capability_id = text(required=True)
    score = amount(required=True)


class PlanFallbackPayload(Open):
    """No capability was good enough for a part of the plan."""

    node_id = text(nullable=True)
    reason = choice(FALLBACK_REASONS, required=True)
    facets = texts(required=True)
    best = one(CandidateSchema, required=True, nullable=True)
    minimum_score = amount(required=True)


class PlanUpdatedPayload(Open):
    """A new version of the plan takes over."""

    run_id = text()
    previous_version = whole(0, required=True)
    version = whole(1, required=True)
    trigger = free(required=True)
    replan = free(nullable=True)
    nodes = many(PlannedNodeSchema)
    edges = many(PlannedEdgeSchema)
    metadata = free()
    crcs = free()
