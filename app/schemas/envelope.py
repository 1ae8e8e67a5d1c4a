"""The task envelope: what a caller wants, from what, and in which shape."""

from __future__ import annotations

from marshmallow import fields, validate

from app.schemas.base import Closed, Open, amount, flag, one, text, texts, whole
from app.schemas.condition import FacetConditionSchema
from app.schemas.contract import OutputContractSchema
from app.schemas.policy import PoliciesSchema
from policies.legacy import MAX_VARIANTS


class InputsSchema(Open):
    """Ordinary inputs, and facet values by name. Every member reaches the agents; these are mapped to facets."""

    goal = fields.Raw(metadata={"description": "What the work is for; a text or several."})
    channel = fields.Raw(metadata={"description": "Where the result is published, such as `linkedin`."})
    audience = fields.Raw(metadata={"description": "Who it is for; a text, several, or an audienceProfile."})
    language = fields.Raw()
    tone_of_voice = fields.Raw(metadata={"description": "A tone of the facet's list, or any wording."})
    variant_count = whole(1, MAX_VARIANTS)
    context_bundles = fields.Raw(metadata={"description": "Reference material: [{type, payload, label?}]."})


class BudgetSchema(Open):
    """What a run may use up at most."""

    max_tokens = whole(1)
    max_cost = amount(above=0)
    max_seconds = amount(above=0)


class ConstraintsSchema(Open):
    """Limits of the run; further members are kept and not read."""

    resume_run_id = text()
    thread_id = text()
    resume_thread_id = text()
    requires_hitl_approval = flag()
    review_plan = flag("Stop after the plan is made, for a person to look at it.")
    budget = one(BudgetSchema)


class MetadataSchema(Open):
    """Labels that travel with the run; further members are kept."""

    client_id = text()
    brand_id = text()
    campaign_id = text()
    correlation_id = fields.String(validate=validate.Length(1, 200))
    run_label = text()
    thread_id = text()


class TaskEnvelopeSchema(Closed):
    """What a caller wants: an objective, inputs, policies, goals and the shape of the result."""

    objective = text(required=True)
    inputs = one(InputsSchema)
    constraints = one(ConstraintsSchema)
    policies = one(PoliciesSchema)
    special_instructions = texts()
    metadata = one(MetadataSchema)
    goal_condition = fields.List(
        fields.Nested(FacetConditionSchema), data_key="goal_condition", validate=validate.Length(min=1)
    )
    output_contract = one(OutputContractSchema, required=True)
