"""Policies: what the plan should look like, and what happens when."""

from __future__ import annotations

from marshmallow import fields, validate

from app.schemas.base import Closed, amount, choice, flag, free, many, one, text, texts, whole
from app.schemas.condition import ConditionSchema
from policies.actions import ACTIONS
from policies.legacy import MAX_VARIANTS
from policies.normalize import OBJECTIVES
from policies.plain import LATENCY_ACTIONS, QUALITY_ACTIONS
from policies.selectors import AGENT_TYPES, NODE_KINDS, RELATIONS
from policies.triggers import TRIGGERS


class TopologySchema(Closed):
    """The shape of the plan."""

    variant_count = whole(1, MAX_VARIANTS, "How many variants of the result are made, each in a branch of its own.")
    max_depth = whole(1)
    required_kinds = texts(choices=NODE_KINDS)
    forbidden_kinds = texts(choices=NODE_KINDS)


class SelectionSchema(Closed):
    """Capability ids by how much they are wanted."""

    require = texts()
    forbid = texts()
    prefer = texts()
    avoid = texts()


class OptimisationSchema(Closed):
    """What to favour when several plans fit."""

    objective = choice(OBJECTIVES)
    max_tokens = whole(1)


class PlannerPolicySchema(Closed):
    """What the plan should look like."""

    topology = one(TopologySchema)
    selection = one(SelectionSchema)
    optimisation = one(OptimisationSchema)
    directives = free("Hints to the planner; `requiresHitlApproval` asks for a person's approval.")


class SelectorSchema(Closed):
    """Which nodes are meant: all given parts must match, no part matches every node."""

    node_id = text()
    kind = choice(NODE_KINDS)
    capability_id = text()
    tag = text("A catalogue tag of the node's capability.")
    facet = text("A facet that the node reads or writes.")
    agent_type = choice(AGENT_TYPES)
    relation = choice(RELATIONS, "The other parts describe a neighbour: the node before, or after, the one meant.")


class TriggerSchema(Closed):
    """When a policy fires; which members count is said by `kind`."""

    kind = choice(tuple(TRIGGERS), required=True)
    selector = one(SelectorSchema)
    condition = one(ConditionSchema)
    ms = whole(1, description="Milliseconds; for `onTimeout`.")
    metric = text("For `onMetricBelow` and `onMetricAbove`.")
    threshold = amount(description="For `onMetricBelow` and `onMetricAbove`.")
    max_retries = whole(0, description="For `onPreConditionFailed` and `onPostConditionFailed`.")
    max_tokens = whole(1, description="For `onBudget`.")
    max_cost = amount(above=0, description="For `onBudget`.")
    max_seconds = amount(above=0, description="For `onBudget`.")


class ActionSchema(Closed):
    """What a policy does; which members count is said by `type`."""

    type = choice(tuple(ACTIONS), required=True)
    rationale = text()
    next = text("The node to go back to; for `goto`.")
    max_attempts = whole(1, description="For `goto` and `rewrite`.")
    message = text("For `fail`.")
    reason = text("For `pause`.")
    event = text("For `emit`.")
    payload = free("For `emit`.")
    instructions = text("For `rewrite`.")
    capability_id = text("For `fallback`.")
    approve_action = fields.Nested("ActionSchema", metadata={"description": "For `hitl`: on approval."})
    reject_action = fields.Nested("ActionSchema", metadata={"description": "For `hitl`: on rejection."})


class RuntimePolicySchema(Closed):
    """When this happens (to these nodes, on this condition), do that."""

    id = text(required=True)
    enabled = flag("True unless said otherwise.")
    trigger = one(TriggerSchema, required=True)
    action = one(ActionSchema, required=True)
    except_ = many(SelectorSchema, "Nodes that the policy spares.")


class QualityRuleSchema(Closed):
    """A bar that reviewed results must reach."""

    threshold = fields.Float(required=True, validate=validate.Range(0, 1))
    metric = text()
    facet = text()
    max_rewrites = whole(1)
    on_fail = choice(QUALITY_ACTIONS)


class RetryRuleSchema(Closed):
    """How often to try a node, and single capabilities by their id."""

    max_attempts = whole(1, 10, required=True)
    capabilities = fields.Dict(keys=fields.String(), values=whole(1, 10))


class LatencyRuleSchema(Closed):
    """How long a node may take, in milliseconds."""

    max_ms = whole(1, required=True)
    on_exceed = choice(LATENCY_ACTIONS)


class ChannelRuleSchema(Closed):
    """What texts for one channel must keep to; lengths in characters."""

    min_length = whole(0)
    max_length = whole(1)
    max_hashtags = whole(0)
    language = text()
    tone = text()


def _plain(schema: str, number: dict[str, object]) -> fields.Raw:
    """Return a field that takes a rule, or the bare number of its main member."""
    return fields.Raw(metadata={"oneOf": [number, {"$ref": f"#/components/schemas/{schema}"}]})


def _legacy(shape: dict[str, object] | None = None) -> fields.Raw:
    return fields.Raw(metadata={**(shape or {}), "deprecated": True, "description": "An old key; it is converted."})


class PoliciesSchema(Closed):
    """Planner policy, runtime policies, plain forms, and old flat keys, which are converted with a note in the plan."""

    planner = one(PlannerPolicySchema)
    runtime = many(RuntimePolicySchema)
    quality = _plain("QualityRule", {"type": "number", "minimum": 0, "maximum": 1})
    retries = _plain("RetryRule", {"type": "integer", "minimum": 1, "maximum": 10})
    latency = _plain("LatencyRule", {"type": "integer", "minimum": 1})
    channels = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(ChannelRuleSchema),
        metadata={"description": "Rules by channel, such as `linkedin`."},
    )
    variant_count = _legacy({"type": "integer", "minimum": 1, "maximum": MAX_VARIANTS})
    brand_voice = _legacy({"type": "string"})
    persona = _legacy({"type": "string"})
    requires_hitl_approval = _legacy({"type": "boolean"})
    hitl_required_for = _legacy({"type": "array", "items": {"type": "string"}})
    qa = _legacy({"type": "object"})
    planner_directives = _legacy({"type": "object"})
    replan_after = _legacy()
    trigger_replan_after = _legacy()
    policy_triggers = _legacy()
    replan = _legacy({"type": "object"})
