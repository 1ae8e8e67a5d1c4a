"""What frames about nodes carry; every payload may hold more than is named here."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Open, amount, anything, choice, flag, free, many, moment, one, text, whole
from app.schemas.outcome import ErrorSchema, FindingSchema, UsageSchema

SCOPES = ("capability_input", "capability_output", "final_output")


class NodeStartPayload(Open):
    """An attempt at a node begins."""

    capability_id = text(nullable=True)
    label = text()
    kind = text()
    started_at = moment()
    executor_type = text()
    attempt = whole(0)
    branch = text()
    virtual = flag()
    contracts = free()
    facets = free()
    assignment = free()
    routing = free()
    post_condition_guards = fields.List(free())


class NodeCompletePayload(Open):
    """A node has its result."""

    capability_id = text(nullable=True)
    label = text()
    kind = text()
    completed_at = moment()
    executor_type = text()
    attempt = whole(0)
    duration_ms = amount(0)
    usage = one(UsageSchema)
    output = anything()
    provenance = free()
    branch = text()
    virtual = flag()
    routing_result = free()
    post_condition_results = fields.List(free())


class NodeErrorPayload(Open):
    """A node has failed for good, or an answer about it was refused."""

    capability_id = text(nullable=True)
    label = text()
    kind = text()
    attempt = whole(0)
    executor_type = text()
    duration_ms = amount(0)
    virtual = flag()
    facets = free()
    code = text()
    message = text()
    remedy = text()
    usage = one(UsageSchema)
    error = one(ErrorSchema, required=True)


class NodeRetryPayload(Open):
    """An attempt has failed and another follows."""

    attempt = whole(0, required=True)
    max_attempts = whole(1)
    reason = text(required=True)
    duration_ms = amount(0)
    message = text()
    errors = fields.List(free())
    usage = one(UsageSchema)
    capability_id = text(nullable=True)
    facets = free()


class NodeSkippedPayload(Open):
    """A node will not run."""

    capability_id = text(nullable=True)
    label = text()
    kind = text()
    facets = free()
    reason = text()


class RewriteStartedPayload(Open):
    """A policy has a node's work done again."""

    policy_id = text(required=True)
    of_node_id = text(required=True)
    attempt = whole(1, required=True)
    max_attempts = whole(1)
    findings = fields.List(free())


class ValidationErrorPayload(Open):
    """A value breaks its contract."""

    scope = choice(SCOPES, required=True)
    errors = many(FindingSchema, required=True)
    capability_id = text(nullable=True)
    attempt = whole(0)
    facets = free()
