"""What frames about a run, its policies and its people carry; every payload may hold more than is named here."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Open, anything, choice, free, moment, one, text, whole
from app.schemas.outcome import ErrorSchema, UsageSchema

ENDS = ("completed", "failed", "cancelled")


class StartPayload(Open):
    """The run exists."""

    run_id = text(required=True)
    thread_id = text(nullable=True)
    correlation_id = text()


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
    usage = one(UsageSchema)


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
