"""Frames: the envelope that all of them share, and one schema per type with the payload that it carries."""

from __future__ import annotations

from functools import cache
from typing import Any, get_args

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import fields, validate

from app.schemas import payload_node, payload_plan, payload_run
from app.schemas.base import Closed, Open, free, moment, one, text, whole
from models.events.frames import FrameType

DRAFT = "https://json-schema.org/draft/2020-12/schema"

PAYLOADS: dict[str, type[Open]] = {
    "start": payload_run.StartPayload,
    "plan_requested": payload_plan.PlanRequestedPayload,
    "plan_rejected": payload_plan.PlanRejectedPayload,
    "plan_generated": payload_plan.PlanGeneratedPayload,
    "plan_branch": payload_plan.PlanBranchPayload,
    "plan_fallback": payload_plan.PlanFallbackPayload,
    "plan_updated": payload_plan.PlanUpdatedPayload,
    "node_start": payload_node.NodeStartPayload,
    "node_complete": payload_node.NodeCompletePayload,
    "node_error": payload_node.NodeErrorPayload,
    "node_retry": payload_node.NodeRetryPayload,
    "node_skipped": payload_node.NodeSkippedPayload,
    "rewrite_started": payload_node.RewriteStartedPayload,
    "validation_error": payload_node.ValidationErrorPayload,
    "policy_triggered": payload_run.PolicyTriggeredPayload,
    "policy_update": payload_run.PolicyUpdatePayload,
    "goal_condition_failed": payload_run.GoalConditionFailedPayload,
    "feedback_resolution": payload_run.FeedbackResolutionPayload,
    "hitl_request": payload_run.HitlRequestPayload,
    "hitl_update": payload_run.HitlUpdatePayload,
    "hitl_resolved": payload_run.HitlResolvedPayload,
    "run_paused": payload_run.RunPausedPayload,
    "run_resumed": payload_run.RunResumedPayload,
    "log": payload_run.LogPayload,
    "complete": payload_run.CompletePayload,
}
# Their payload may be absent; a `log` that closes a stream has no id either, since it is not stored.
BARE = frozenset({"log", "node_skipped"})
ABOUT_A_NODE = frozenset({"node_start", "node_complete", "node_error", "node_retry", "node_skipped"})


class FrameBase(Closed):
    """What every frame says: which run, when, under which plan."""

    timestamp = moment(required=True)
    run_id = text(required=True)
    correlation_id = text(required=True)
    plan_version = whole(0, required=True)
    message = fields.String()
    facet_provenance = free()


def component_name(frame_type: str) -> str:
    """Return the name of a frame's schema in the OpenAPI document: `node_start` is `NodeStartFrame`."""
    return "".join(word.capitalize() for word in frame_type.split("_")) + "Frame"


def _frame_schema(frame_type: str) -> type[Closed]:
    carried = PAYLOADS[frame_type]
    members: dict[str, Any] = {
        "type": fields.String(required=True, validate=validate.Equal(frame_type)),
        "id": fields.String(required=frame_type != "log", validate=validate.Regexp(r"^[1-9]\d*$")),
        "node_id": text(required=frame_type in ABOUT_A_NODE),
        "payload": one(carried, required=frame_type not in BARE),
        "__doc__": carried.__doc__,
    }
    return type(f"{component_name(frame_type)}Schema", (FrameBase,), members)


FRAMES: dict[str, type[Closed]] = {frame_type: _frame_schema(frame_type) for frame_type in get_args(FrameType)}


def register_frames(spec: APISpec) -> None:
    """Add the schema of every frame, and `Frame`, which is any of them."""
    for frame_type, schema in FRAMES.items():
        about = {"description": (schema.__doc__ or "").strip()}
        spec.components.schema(component_name(frame_type), about, schema=schema)
    mapping = {frame_type: f"#/components/schemas/{component_name(frame_type)}" for frame_type in FRAMES}
    any_frame = {
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": mapping},
    }
    spec.components.schema("Frame", any_frame)


@cache
def frame_json_schemas() -> dict[str, dict[str, Any]]:
    """Return a JSON Schema per type of frame, each complete in itself, to hold frames against."""
    spec = APISpec("frames", "1", "3.1.0", plugins=[MarshmallowPlugin()])
    register_frames(spec)
    schemas = spec.to_dict()["components"]["schemas"]
    return {
        frame_type: {
            "$schema": DRAFT,
            "$ref": f"#/components/schemas/{component_name(frame_type)}",
            "components": {"schemas": schemas},
        }
        for frame_type in FRAMES
    }
