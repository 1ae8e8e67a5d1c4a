"""What an envelope asks of a plan, read once: what is given, what is wished for, and what may not be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.assembly.scoring import Wish
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.contracts.facets import FacetCatalogue
from planner.contracts.output_contract import OutputContract
from planner.envelope import TaskEnvelope
from planner.intake import Intake, default_facets, facets_from
from policies.policy import PlannerPolicy, Policies

READ_DIRECTIVES = frozenset({"persona", "brandVoice", "preferDraft"})
"""Directives that somebody acts on: intake reads the first two, `drafts` the last."""
BUILT_KINDS = frozenset({"structuring", "branch", "execution", "transformation", "validation"})
"""The node kinds that this version puts into plans."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """An envelope as the planner sees it. `given` maps facet names to values; `variants` is None when nobody says."""

    contract: OutputContract
    given: Mapping[str, Any]
    wish: Wish
    policy: PlannerPolicy
    variants: int | None
    instructions: tuple[str, ...]
    expected: tuple[str, ...]
    catalogue: FacetCatalogue
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """What the plan's metadata tells of the envelope."""

    def forbids(self, kind: str) -> bool:
        return kind in (self.policy.forbidden_kinds or ())

    def requires(self, kind: str) -> bool:
        return kind in (self.policy.required_kinds or ())


def read_request(envelope: TaskEnvelope, catalogue: FacetCatalogue) -> PlanRequest:
    """Return what the envelope asks of a plan."""
    intake = facets_from(envelope, catalogue)
    policy = envelope.policies.planner
    contract = envelope.output_contract
    idle = _not_acted_on(envelope.policies)
    expected = default_facets(contract.expected_format, intake.channel, contract.instructions, envelope.objective)
    return PlanRequest(
        contract=contract,
        given=intake.values,
        wish=Wish(
            channel=intake.channel,
            language=intake.language,
            prefer=frozenset(policy.prefer or ()),
            avoid=frozenset(policy.avoid or ()),
            objective=policy.objective,
        ),
        policy=policy,
        variants=intake.variant_count or policy.variant_count,
        instructions=envelope.special_instructions,
        expected=_named(expected),
        catalogue=catalogue,
        notes=tuple(dict.fromkeys((*envelope.notes, *envelope.policies.notes, *intake.notes, *idle))),
        summary=_summary(envelope, intake),
    )


def refusal_of(capability: Capability, request: PlanRequest) -> str | None:
    """Return why a capability may not be chosen (a key of `refusal.REFUSALS`), None if it may."""
    if capability.status != "active":
        return "inactive"
    if capability.agent_type == "human":
        return "human"
    if capability.kind not in BUILT_KINDS:
        return "routing"
    if capability.capability_id in (request.policy.forbid or ()):
        return "forbidden"
    return "forbidden_kind" if request.forbids(capability.kind) else None


def usable(registry: RegistrySnapshot, request: PlanRequest) -> tuple[Capability, ...]:
    """Return the capabilities that may be chosen, by id, whatever the order in which they were registered."""
    chosen = [c for c in registry.capabilities if refusal_of(c, request) is None]
    return tuple(sorted(chosen, key=lambda c: c.capability_id))


def _summary(envelope: TaskEnvelope, intake: Intake) -> dict[str, Any]:
    policies = envelope.policies
    told = {
        "plannerContext": {
            "channel": intake.channel,
            "language": intake.language,
            "specialInstructions": list(envelope.special_instructions),
            "plannerDirectives": dict(policies.planner.directives),
        },
        "policySummary": {"hasPlanner": bool(policies.planner.as_json()), "runtimeCount": len(policies.runtime)},
        "legacyPolicyNotes": list(policies.notes),
        "legacyPolicyFields": list(policies.legacy_fields),
    }
    return {key: value for key, value in told.items() if value}


def _named(expected: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if expected is None:
        return ()
    return (expected,) if isinstance(expected, str) else tuple(expected)


def _not_acted_on(policies: Policies) -> list[str]:
    """Say which planner policies this version reads but does not act on."""
    policy = policies.planner
    notes = [
        f"policies.planner.topology.requiredKinds: no plan holds {kind!r} nodes yet, so it is not asked for"
        for kind in policy.required_kinds or ()
        if kind not in BUILT_KINDS
    ]
    if policy.objective not in {None, "token_efficiency"}:
        notes.append(f"policies.planner.optimisation.objective {policy.objective!r} does not change the choice yet")
    if policy.max_tokens is not None:
        notes.append("policies.planner.optimisation.maxTokens does not limit the choice yet")
    if "channels" in policies.plain:
        notes.append("policies.channels does not change what is asked of the nodes yet")
    idle = sorted(set(policy.directives) - READ_DIRECTIVES)
    return [*notes, *(f"policies.planner.directives.{name} is kept and not acted on" for name in idle)]
