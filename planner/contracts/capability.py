"""A capability: what an agent or a person promises to make of what, as the registry keeps it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from planner.contracts.compiler import CompiledContract, Provenance
from planner.contracts.facets import Direction
from policies import strict_json

KINDS = ("structuring", "execution", "validation", "transformation", "routing")
AGENT_TYPES = ("ai", "human")
REDACTED = "[redacted]"
# Written into the metadata of a record by the registry, never taken from a registration.
DERIVED_METADATA = ("facets", "facetProvenance", "postConditionGuards")
_REGISTERED = {
    "capability_id": "capabilityId",
    "version": "version",
    "display_name": "displayName",
    "summary": "summary",
    "kind": "kind",
    "agent_type": "agentType",
    "optional_input_facets": "optionalInputFacets",
    "input_contract": "inputContract",
    "output_contract": "outputContract",
    "input_traits": "inputTraits",
    "cost": "cost",
    "preferred_models": "preferredModels",
    "heartbeat": "heartbeat",
    "instruction_templates": "instructionTemplates",
    "system_prompt": "systemPrompt",
    "assignment_defaults": "assignmentDefaults",
    "metadata": "metadata",
    "post_conditions": "postConditions",
    "supported_facets": "supportedFacets",
    "endpoint": "endpoint",
    "tools_allowlist": "toolsAllowlist",
}
_RECORDED = {
    "input_facets": "inputFacets",
    "output_facets": "outputFacets",
    "status": "status",
    "builtin": "builtin",
}
_MOMENTS = {"registered_at": "registeredAt", "last_seen_at": "lastSeenAt"}
# The keys that every record has and no registration; a record has the moments too once it is stored.
RECORD_ONLY = frozenset(_RECORDED.values())
RECORD_MOMENTS = frozenset(_MOMENTS.values())


@dataclass(frozen=True, slots=True)
class Capability:
    """One registration, checked and compiled; facets by name, schemas by property key.

    `input_facets` are the ones that must be there, `optional_input_facets` those that help. Contracts are stored as
    `{"mode": "json_schema", "schema", "hints": {"facets": [provenance]}}` wherever facets were declared.
    """

    capability_id: str
    version: str
    display_name: str
    summary: str
    kind: str
    agent_type: str = "ai"
    input_facets: tuple[str, ...] = ()
    optional_input_facets: tuple[str, ...] = ()
    output_facets: tuple[str, ...] = ()
    input_contract: dict[str, Any] | None = None
    output_contract: dict[str, Any] | None = None
    input_schema: dict[str, Any] = field(default_factory=dict)
    output_schema: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, list[dict[str, str]]] = field(default_factory=lambda: {"input": [], "output": []})
    input_traits: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    preferred_models: tuple[str, ...] = ()
    heartbeat: dict[str, Any] | None = None
    instruction_templates: dict[str, str] | None = None
    system_prompt: str = ""
    assignment_defaults: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    post_conditions: tuple[dict[str, Any], ...] = ()
    supported_facets: tuple[str, ...] = ()
    endpoint: dict[str, Any] | None = None
    tools_allowlist: tuple[str, ...] = ()
    status: str = "active"
    registered_at: datetime | None = None
    last_seen_at: datetime | None = None
    builtin: bool = False

    def contract(self, direction: Direction) -> CompiledContract:
        """Return the compiled contract, which knows the way between facet names and property keys."""
        provenance = tuple(Provenance(**entry) for entry in self.provenance.get(direction, ()))
        schema = self.input_schema if direction == "input" else self.output_schema
        return CompiledContract(schema, provenance, tuple(entry.facet for entry in provenance))

    def registration(self) -> dict[str, Any]:
        """Return a body that registers again as the same capability; it holds the endpoint's secret."""
        body = {key: _plain(getattr(self, name)) for name, key in _REGISTERED.items()}
        return {key: value for key, value in body.items() if value not in (None, [], {})}

    def as_json(self) -> dict[str, Any]:
        """Return the record that clients see: the registration, what the registry knows, no secret."""
        body = self.registration()
        if self.endpoint and "secret" in self.endpoint:
            body["endpoint"] = {**self.endpoint, "secret": REDACTED}
        body["metadata"] = {**self.metadata, **self._derived_metadata()}
        body |= {key: _plain(getattr(self, name)) for name, key in _RECORDED.items()}
        moments = {key: getattr(self, name) for name, key in _MOMENTS.items()}
        return body | {key: moment.isoformat() for key, moment in moments.items() if moment is not None}

    @classmethod
    def from_json(cls, record: dict[str, Any], *, endpoint_secret: str | None = None) -> Capability:
        """Return the capability of a stored record, which was checked when it came in; the secret is kept elsewhere."""
        known = {f.name for f in fields(cls)}
        names = {**_REGISTERED, **_RECORDED}
        values = {name: _frozen(record[key]) for name, key in names.items() if key in record and name in known}
        values |= {n: datetime.fromisoformat(record[k]) for n, k in _MOMENTS.items() if record.get(k)}
        metadata = record.get("metadata", {})
        values["metadata"] = {key: value for key, value in metadata.items() if key not in DERIVED_METADATA}
        values["provenance"] = metadata.get("facetProvenance", {"input": [], "output": []})
        for direction in ("input", "output"):
            values[f"{direction}_schema"] = (record.get(f"{direction}Contract") or {}).get("schema") or {}
        endpoint = record.get("endpoint")
        if endpoint is not None:
            shown = {key: value for key, value in endpoint.items() if key != "secret"}
            values["endpoint"] = shown | ({"secret": endpoint_secret} if endpoint_secret else {})
        return cls(**values)

    def _derived_metadata(self) -> dict[str, Any]:
        inputs = [*self.input_facets, *self.optional_input_facets]
        derived: dict[str, Any] = {
            "facets": {"input": inputs, "output": list(self.output_facets)},
            "facetProvenance": self.provenance,
        }
        if self.post_conditions:
            paths: dict[str, list[str]] = {}
            for condition in self.post_conditions:
                paths.setdefault(condition["facet"], []).append(condition["path"])
            derived["postConditionGuards"] = [{"facet": facet, "paths": found} for facet, found in paths.items()]
        return derived


@dataclass(frozen=True)
class RegistrySnapshot:
    """The registry at one moment: what a plan is made from."""

    capabilities: tuple[Capability, ...] = ()

    def active(self) -> tuple[Capability, ...]:
        return tuple(capability for capability in self.capabilities if capability.status == "active")

    def get(self, capability_id: str) -> Capability | None:
        return self._by_id.get(capability_id)

    def producers(self, facet: str) -> tuple[Capability, ...]:
        """Return the active capabilities that promise the facet, in the order of the registry."""
        return tuple(capability for capability in self.active() if facet in capability.output_facets)

    @cached_property
    def digest(self) -> str:
        """The same for registries that plan alike, whenever their members were last seen."""
        moments = frozenset(_MOMENTS.values())
        timeless = [
            [{k: v for k, v in c.as_json().items() if k not in moments}, c.input_schema, c.output_schema]
            for c in sorted(self.capabilities, key=lambda c: c.capability_id)
        ]
        return strict_json.fingerprint(timeless)

    @cached_property
    def _by_id(self) -> dict[str, Capability]:
        return {capability.capability_id: capability for capability in self.capabilities}


def expired(capability: Capability, now: datetime) -> bool:
    """Tell whether a capability missed its heartbeat: silent for longer than its time-out, or three intervals."""
    beat = capability.heartbeat
    seen = capability.last_seen_at or capability.registered_at
    if not beat or seen is None:
        return False
    return now - seen > timedelta(seconds=beat.get("timeoutSeconds") or 3 * beat["intervalSeconds"])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
