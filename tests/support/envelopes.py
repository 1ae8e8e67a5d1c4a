"""Envelopes and registrations that tests start from, each made anew so that a test may change its own."""

from __future__ import annotations

from typing import Any

NEVER_ASK = {"planner": {"topology": {"forbiddenKinds": ["fallback"]}}}
"""Policies under which what nobody makes is refused instead of asked for."""

VARIANT = {
    "type": "object",
    "required": ["headline", "body", "callToAction"],
    "properties": {
        "headline": {"type": "string", "minLength": 5},
        "body": {"type": "string", "minLength": 20},
        "callToAction": {"type": "string", "minLength": 2},
    },
}


def variants_contract(name: str = "copyVariants", count: int = 2) -> dict[str, Any]:
    """Return a contract for exactly `count` variants under a property of the caller's naming."""
    array = {"type": "array", "minItems": count, "maxItems": count, "items": VARIANT}
    schema = {"type": "object", "required": [name], "additionalProperties": False, "properties": {name: array}}
    return {"mode": "json_schema", "schema": schema}


def linkedin_envelope(**members: Any) -> dict[str, Any]:
    """Return an envelope for two LinkedIn posts, with top-level members replaced or added."""
    return {
        "objective": "Write two LinkedIn posts that bring welders to Harbour Boats",
        "inputs": {
            "channel": "linkedin",
            "goal": "attract_new_employees",
            "variantCount": 2,
            "audience": "welders",
            "contextBundles": [
                {
                    "type": "company_profile",
                    "payload": {"companyName": "Harbour Boats", "coreValue": "Built to be mended"},
                }
            ],
        },
        "specialInstructions": ["Variant A is about the yard.", "Variant B is about learning."],
        "outputContract": variants_contract(),
        **members,
    }


def freeform_envelope(**members: Any) -> dict[str, Any]:
    """Return the smallest envelope for a text, with members replaced or added."""
    contract = {"mode": "freeform", "instructions": "A short article", "expectedFormat": "blog post"}
    return {"objective": "Explain why wooden boats last", "outputContract": contract, **members}


def runtime_policy(**members: Any) -> dict[str, Any]:
    return {"id": "redo", "trigger": {"kind": "onNodeComplete"}, "action": {"type": "replan"}, **members}


def writer_registration(**members: Any) -> dict[str, Any]:
    """Return a registration of an agent that writes variants, with members replaced or added."""
    return {
        "capabilityId": "yard.writer",
        "version": "1.0.0",
        "displayName": "Yard writer",
        "summary": "Writes short posts about boats",
        "kind": "execution",
        "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
        "outputContract": {"mode": "facets", "facets": ["copyVariants"]},
        **members,
    }
