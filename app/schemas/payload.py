"""What frames carry, one payload per type of frame; every payload may hold more than is named here."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Open, amount, anything, choice, flag, free, many, moment, one, text, texts, whole

PHASES = ("initial", "replan")
SCOPES = ("capability_input", "capability_output", "final_output")
ENDS = ("completed", "failed", "cancelled")
BRANCH_REASONS = ("variant_count", "directive", "upstream_output", "operator")
FALLBACK_REASONS = ("below_minimum_score", "no_candidate", "empty_registry")


class UsageSchema(Open):
    """What calls to models used up."""

    prompt_tokens = whole(0)
    completion_tokens = whole(0)
    cost = amount(0)


class ErrorSchema(Open):
    """What went wrong: a code for programs, a message that says what to do, and each fault where there are several."""

    code = text(required=True)
    message = text(required=True)
    errors = fields.List(free())


class FindingSchema(Open):
    """One place at which a value breaks its schema."""

    message = text(required=True)
    pointer = fields.String()
    instance_path = fields.String()
    keyword = fields.String()
    schema_path = fields.String()
    facet = fields.String()


class StartPayload(Open):
    """The run exists."""

    run_id = text(required=True)
    thread_id = text(nullable=True)
    correlation_id = text()


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


class NodeStartPayload(Open):
    """An attempt at a node begins."""

    capability_id = text(nullable=True)
    label = text()
    kind = text()
    started_at = moment()
    executor_type = text()
    attempt = whole(0)
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
    virtual = flag()
    routing_result = free()
    post_condition_results = fields.List(free())


class NodeErrorPayload(Open):
    """A node has failed for good, or an answer about it was refused."""

    capability_id = text(nullable=True)
    label = text()
    attempt = whole(0)
    executor_type = text()
    error = one(ErrorSchema, required=True)


class NodeRetryPayload(Open):
    """An attempt has failed and another follows."""

    attempt = whole(0, required=True)
    max_attempts = whole(1)
    reason = text(required=True)
    errors = fields.List(free())
    capability_id = text(nullable=True)


class NodeSkippedPayload(Open):
    """A node will not run."""

    capability_id = text(nullable=True)
    label = text()
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
    attempt = whole(0)


class PolicyTriggeredPayload(Open):
    """A policy has fired."""

    policy_id = text()
    run_id = text()
    action = text()
    action_details = free()
    node_id = text(nullable=True)
    capability_id = text(nullable=True)
    source = text()
    request_id = text(nullable=True)
    trigger = free()
    attempt = whole(0)
    max_retries = whole(0)


class PolicyUpdatePayload(Open):
    """A policy tells something, or says what it does next."""

    policy_id = text()
    action = text()
    event = text()
    payload = free()
    next = text()
    attempts = whole(0)
    max_attempts = whole(1)
    reason = text()


class GoalConditionFailedPayload(Open):
    """The result does not meet the goals; the plan is tried again while the limit allows."""

    run_id = text()
    trigger = free()
    failed_goal_conditions = fields.List(free(), required=True)
    attempt = whole(0)
    limit = whole(0, nullable=True)


class FeedbackResolutionPayload(Open):
    """What became of a reviewer's remarks."""

    capability_id = text()
    changes = fields.List(free(), required=True)


class HitlRequestRecordSchema(Open):
    """A question to a person."""

    id = text(required=True)
    origin_agent = text(nullable=True)
    payload = free()
    status = text()
    created_at = moment()
    pending_node_id = text(nullable=True)
    operator_prompt = fields.String(allow_none=True)
    contract_summary = free(nullable=True)
    responses = fields.List(free())
    resolved_at = moment()


class HitlRequestPayload(Open):
    """A person is asked."""

    request = one(HitlRequestRecordSchema, required=True)


class HitlUpdatePayload(Open):
    """A clarification goes another round."""

    request_id = text(required=True)
    round = whole(1, required=True)
    question = text()
    answer = text()


class HitlResolvedPayload(Open):
    """A person has answered."""

    request = one(HitlRequestRecordSchema, required=True)


class RunPausedPayload(Open):
    """The run stands still until somebody lets it go on."""

    reason = text(required=True)
    policy_id = text()
    operator = anything()


class RunResumedPayload(Open):
    """The run goes on."""

    plan_version = whole(0, required=True)
    policy_id = text()
    request_id = text()
    operator = anything()


class LogPayload(Open):
    """A remark, such as `stream_paused`."""


class CompletePayload(Open):
    """The run has ended; the last frame of every run."""

    status = choice(ENDS, required=True)
    output = anything()
    reason = text()
    error = one(ErrorSchema)
    goal_condition_results = fields.List(free(), data_key="goal_condition_results")
    post_condition_results = fields.List(free(), data_key="post_condition_results")
    usage = one(UsageSchema)
