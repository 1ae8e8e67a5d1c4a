"""For tests of planning: the built-in catalogue and registry, envelopes in one line, capabilities of any shape."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from planner.assembly.assemble import assemble_plan
from planner.contracts.capabilities import Capability, RegistrySnapshot, builtin_registrations, check_registration
from planner.contracts.facets import Facet, FacetCatalogue, load_catalogue
from planner.envelope import TaskEnvelope, check_envelope
from planner.plan.graph import PlanGraph

ITEM = {
    "type": "object",
    "required": ["headline", "body", "callToAction"],
    "properties": {
        "headline": {"type": "string", "minLength": 5},
        "body": {"type": "string", "minLength": 20},
        "callToAction": {"type": "string", "minLength": 2},
    },
}
COMPANY = {"type": "company_profile", "payload": {"companyName": "Northwind Robotics", "coreValue": "Safety first"}}


def variants(low: int | None = 2, high: int | None = 2, item: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of a list of drafts."""
    bounds = {key: value for key, value in {"minItems": low, "maxItems": high}.items() if value is not None}
    return {"type": "array", **bounds, "items": item or ITEM}


def json_contract(schema: dict[str, Any]) -> dict[str, Any]:
    return {"mode": "json_schema", "schema": schema}


def object_contract(**properties: dict[str, Any]) -> dict[str, Any]:
    """Return the contract of an object that has all of these properties and no others."""
    schema = {"type": "object", "required": list(properties), "additionalProperties": False, "properties": properties}
    return json_contract(schema)


def facet_contract(*names: str) -> dict[str, Any]:
    return {"mode": "facets", "facets": list(names)}


def linkedin(contract: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a raw envelope that asks for two LinkedIn posts; `changes` replace its members, inputs are laid over."""
    inputs = {"channel": "linkedin", "variantCount": 2, "audience": "engineers", "contextBundles": [COMPANY]}
    given = {key: value for key, value in (inputs | changes.pop("inputs", {})).items() if value is not None}
    return {
        "objective": "Invite engineers to join Northwind Robotics",
        "inputs": given,
        "specialInstructions": ["Variant A is about the team.", "Variant B is about growth."],
        "outputContract": contract or object_contract(copyVariants=variants()),
    } | changes


@cache
def catalogue() -> FacetCatalogue:
    return load_catalogue()


@cache
def registry() -> RegistrySnapshot:
    """Return the built-in registry."""
    return RegistrySnapshot(tuple(check_registration(body, catalogue()) for body in builtin_registrations()))


def with_capabilities(*capabilities: Capability, without: Iterable[str] = ()) -> RegistrySnapshot:
    """Return the built-in registry with these added, or put in place of those of the same id, and some left out."""
    named = {c.capability_id: c for c in (*registry().capabilities, *capabilities)}
    return RegistrySnapshot(tuple(c for name, c in named.items() if name not in set(without)))


def like(original: str, /, **changes: Any) -> Capability:
    """Return a changed copy of a built-in capability."""
    found = registry().get(original)
    assert found is not None
    return replace(found, **changes)


def envelope(raw: dict[str, Any], facets: FacetCatalogue | None = None) -> TaskEnvelope:
    return check_envelope(raw, facets or catalogue())


def plan_for(raw: dict[str, Any], snapshot: RegistrySnapshot | None = None) -> PlanGraph:
    """Return the plan for a raw envelope under the built-in registry, or another."""
    return assemble_plan(envelope(raw), registry() if snapshot is None else snapshot, catalogue())


def text_facets(names: Iterable[str], lists: Iterable[str] = ()) -> FacetCatalogue:
    """Return a catalogue of facets that are texts, and of others that are lists of texts."""
    text: dict[str, Any] = {"type": "string"}
    texts: dict[str, Any] = {"type": "array", "items": text}
    schemas = [*((name, text) for name in names), *((name, texts) for name in lists)]
    return FacetCatalogue(
        Facet(name, name, name, name, schema, "v1", "bidirectional", property_key=name) for name, schema in schemas
    )


def capability(name: str, needs: Iterable[str], makes: Iterable[str], **more: Any) -> Capability:
    """Return a minimal active AI capability over text facets."""
    members: dict[str, Any] = {"version": "1.0.0", "display_name": name, "summary": name, "kind": "execution"} | more
    return Capability(name, input_facets=tuple(needs), output_facets=tuple(makes), **members)
