"""The schemas of clients' documents under the names that the OpenAPI document gives them."""

from __future__ import annotations

from apispec import APISpec
from marshmallow import Schema

from app.schemas.capability import CapabilityRecordSchema, CapabilityRegistrationSchema
from app.schemas.conditions import ConditionAnswerSchema, ConditionQuestionSchema
from app.schemas.envelope import TaskEnvelopeSchema
from app.schemas.facet import FacetSchema
from app.schemas.frame import register_frames
from app.schemas.plan import PlanGraphSchema
from app.schemas.policy import LatencyRuleSchema, QualityRuleSchema, RetryRuleSchema

COMPONENTS: dict[str, type[Schema]] = {
    "TaskEnvelope": TaskEnvelopeSchema,
    "CapabilityRegistration": CapabilityRegistrationSchema,
    "CapabilityRecord": CapabilityRecordSchema,
    "Facet": FacetSchema,
    "PlanGraph": PlanGraphSchema,
    "ConditionQuestion": ConditionQuestionSchema,
    "ConditionAnswer": ConditionAnswerSchema,
    "QualityRule": QualityRuleSchema,
    "RetryRule": RetryRuleSchema,
    "LatencyRule": LatencyRuleSchema,
}


def register_schemas(spec: APISpec) -> None:
    """Add envelope, registration, record, facet, plan and every frame, with all that they are made of."""
    for name, schema in COMPONENTS.items():
        spec.components.schema(name, {"description": (schema.__doc__ or "").strip()}, schema=schema)
    register_frames(spec)
