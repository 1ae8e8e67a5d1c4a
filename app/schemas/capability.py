"""Capabilities: what is registered, and the record that the registry keeps of it."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Closed, Open, amount, choice, flag, free, many, moment, one, text, texts, whole
from app.schemas.condition import FacetConditionSchema
from app.schemas.contract import OutputContractSchema
from planner.contracts.capabilities import AGENT_TYPES, KINDS
from planner.contracts.registration import ON_DECLINE, PRIORITIES


class InputTraitsSchema(Closed):
    """What a capability is good at, and what it is not."""

    languages = texts()
    formats = texts()
    strengths = texts()
    limitations = texts()


class CostSchema(Closed):
    """What one call is expected to cost."""

    tier = text()
    estimated_tokens = whole(0)
    price_per_1k_tokens = amount(0, data_key="pricePer1kTokens")
    currency = text()


class HeartbeatSchema(Closed):
    """How often the capability says that it is alive; silent for longer than the time-out, it becomes inactive."""

    interval_seconds = whole(1, required=True)
    timeout_seconds = whole(1, description="Three intervals unless said otherwise.")


class AssignmentDefaultsSchema(Open):
    """For people: who does the work, until when, and what a refusal means."""

    role = text(required=True)
    assigned_to = text()
    notify_channels = texts()
    max_notifications = whole(1)
    timeout_seconds = whole(1)
    on_decline = choice(ON_DECLINE)
    priority = choice(PRIORITIES)
    instructions = text()


class EndpointSchema(Closed):
    """Where a remote agent is called; with a secret, calls are signed (Standard Webhooks)."""

    url = fields.String(required=True, metadata={"format": "uri"})
    secret = text()


class CapabilityRegistrationSchema(Closed):
    """What an agent or a person can do: what it takes, what it gives, how it is reached."""

    capability_id = text(required=True)
    version = text(required=True)
    display_name = text(required=True)
    summary = text(required=True)
    kind = choice(KINDS, required=True)
    agent_type = choice(AGENT_TYPES, "`ai` unless said otherwise.")
    input_contract = one(OutputContractSchema)
    optional_input_facets = texts("Input facets that help and need not be there.")
    output_contract = one(OutputContractSchema, required=True)
    supported_facets = texts("Further facets that the capability can deal with.")
    input_traits = one(InputTraitsSchema)
    cost = one(CostSchema)
    preferred_models = texts()
    heartbeat = one(HeartbeatSchema)
    instruction_templates = fields.Dict(
        keys=fields.String(), values=text(), metadata={"description": "Texts by use; `app` must be there."}
    )
    system_prompt = text("Must name every declared facet; composed when absent.")
    assignment_defaults = one(AssignmentDefaultsSchema)
    metadata = free()
    post_conditions = many(FacetConditionSchema)
    endpoint = one(EndpointSchema)
    tools_allowlist = texts()


class CapabilityRecordSchema(CapabilityRegistrationSchema):
    """A registration as the registry keeps it; an endpoint's secret is never shown."""

    input_facets = texts(required=True)
    output_facets = texts(required=True)
    status = choice(("active", "inactive"), required=True)
    builtin = flag()
    registered_at = moment()
    last_seen_at = moment()
