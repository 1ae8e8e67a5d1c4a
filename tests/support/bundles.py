"""Bundles as the core would build them, from the built-in registrations, for tests of agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from models.settings import Settings, load_settings
from planner.contracts.capabilities import Capability, builtin_registrations, check_registration
from planner.contracts.facets import load_catalogue
from planner.progress.bundle import AgentBundle

WRITER = "ContentGeneratorAgent.linkedinVariants"
OBJECTIVE = "Write two LinkedIn posts that invite engineers to join Northwind Robotics"
INPUTS: dict[str, Any] = {
    "objectiveBrief": {"objective": OBJECTIVE, "notes": "goal: attract_new_employees"},
    "audienceProfile": {"persona": "robotics engineers"},
    "assetBundle": [
        {
            "type": "company_profile",
            "payload": {
                "companyName": "Northwind Robotics",
                "coreValue": "Safety before speed",
                "recentEvent": "Opened a test hall in Delft",
            },
        }
    ],
}
SPECIAL_INSTRUCTIONS = ("Variant A is about the team.", "Variant B is about growth.")


@cache
def builtin(capability_id: str = WRITER) -> Capability:
    catalogue = load_catalogue()
    bodies = {body["capabilityId"]: body for body in builtin_registrations()}
    return check_registration(bodies[capability_id], catalogue)


def bundle_for(capability: Capability | str = WRITER, **changes: Any) -> AgentBundle:
    """Return a bundle of the sample envelope's story; `changes` are fields of the bundle."""
    known = builtin(capability) if isinstance(capability, str) else capability
    bundle = AgentBundle(
        run_id="run_1",
        node_id="linkedinVariants~a",
        attempt=1,
        repair=0,
        plan_version=1,
        capability_id=known.capability_id,
        capability=known,
        objective=OBJECTIVE,
        instructions=("Write for the channel.",),
        inputs=INPUTS,
        output_facets=known.output_facets,
        output_schema=known.output_schema,
        timeout_seconds=10,
        special_instructions=SPECIAL_INSTRUCTIONS,
        branch="a",
        correlation_id="corr-1",
    )
    return replace(bundle, **changes)


def asking(schema: Mapping[str, Any], **changes: Any) -> AgentBundle:
    """Return a bundle whose output must satisfy `schema`."""
    return bundle_for(output_schema=schema, **changes)


def settings_for(**environ: str) -> Settings:
    return load_settings(environ)
