"""What an envelope asks of a plan, read once: what is given, what is wished for, and what may not be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from planner.assembly.routes import Routing, read_routing
from planner.assembly.scoring import MINIMUM_SCORE, Measured, Wish, words_in
from planner.contracts.capabilities import Capability
from planner.contracts.constraints import strengthened
from planner.contracts.facets import FacetCatalogue
from planner.contracts.output_contract import OutputContract
from planner.envelope import TaskEnvelope
from planner.intake import Intake, default_facets, facets_from
from policies.facet_conditions import FacetCondition
from policies.legacy import MAX_VARIANTS
from policies.policy import PlannerPolicy, Policies
from policies.shape import is_number

READ_DIRECTIVES = frozenset(
    {"persona", "brandVoice", "minimumScore", "branches", "routing", "preferredCapabilities", "preferDraft"}
)
"""Directives that intake or planning reads."""
BUILT_KINDS = frozenset({"structuring", "branch", "routing", "execution", "transformation", "validation", "fallback"})
"""The node kinds that plans may hold."""
REQUIRABLE_KINDS = BUILT_KINDS - {"fallback"}
"""The node kinds that an envelope may insist on; a question to a person comes when it must."""
STANDING_REFUSALS: Mapping[str, Callable[[Capability], bool]] = {
    "inactive": lambda c: c.status != "active",
    "human": lambda c: c.agent_type == "human",
    "routing": lambda c: c.kind == "routing",
}
"""What keeps a capability out of every plan, whoever asks."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a run knows beyond its envelope when it asks for a plan.

    `measured` says how capabilities have done so far; `accepted` are candidates below the minimum score that a person
    chose anyway; `finished` are the capabilities whose work a new version would keep, which therefore costs nothing;
    `directions` are what an upstream node of the plan in force returned, one branch for each; `unrouted`
    says that no way of the routing that the directives ask for fits, so that the planner chooses by itself.
    """

    measured: Mapping[str, Measured] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()
    finished: frozenset[str] = frozenset()
    directions: Directions | None = None
    unrouted: bool = False


@dataclass(frozen=True, slots=True)
class Directions:
    """Several directions that the node `node_id` returned in `facet`; `values[i]` is what branch i follows."""

    facet: str
    node_id: str
    values: tuple[Any, ...]


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
    goals: tuple[FacetCondition, ...] = ()
    situation: Situation = field(default_factory=Situation)
    channels: Mapping[str, Any] = field(default_factory=dict)
    """The rules of `policies.channels`, by channel."""
    routing: Routing | None = None
    directed: tuple[str, ...] = ()
    """What each branch is told that the directives ask for."""
    named: tuple[str, ...] = ()
    """Capabilities that enabled runtime policies speak of."""
    notes: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    """What the plan's metadata tells of the envelope."""

    @property
    def pins(self) -> tuple[str, ...]:
        """The capabilities that every plan of the request holds: required ones, and the ways of a routing."""
        ways = self.routing.ways if self.routing else ()
        return tuple(dict.fromkeys((*(self.policy.require or ()), *ways)))

    def forbids(self, kind: str) -> bool:
        return kind in (self.policy.forbidden_kinds or ())

    def requires(self, kind: str) -> bool:
        return kind in (self.policy.required_kinds or ())


def read_request(envelope: TaskEnvelope, catalogue: FacetCatalogue, situation: Situation | None = None) -> PlanRequest:
    """Return what the envelope asks of a plan."""
    known = situation or Situation()
    intake = facets_from(envelope, catalogue)
    policy = envelope.policies.planner
    contract = replace(envelope.output_contract, schema=strengthened(envelope.output_contract))
    idle = [*_not_acted_on(envelope.policies), *([_UNROUTED] if known.unrouted else ())]
    expected = default_facets(contract.expected_format, intake.channel, contract.instructions, envelope.objective)
    return PlanRequest(
        contract=contract,
        given=intake.values,
        wish=_wish(envelope, intake, known),
        policy=policy,
        variants=_variants(intake, policy, known),
        instructions=envelope.special_instructions,
        expected=_named(expected),
        catalogue=catalogue,
        goals=envelope.goal_conditions,
        situation=known,
        channels=envelope.policies.plain.get("channels", {}),
        routing=None if known.unrouted else read_routing(policy, catalogue),
        directed=_directed(policy),
        named=_spoken_of(envelope.policies),
        notes=tuple(dict.fromkeys((*envelope.notes, *envelope.policies.notes, *intake.notes, *idle))),
        summary=_summary(envelope, intake),
    )


_UNROUTED = "policies.planner.directives.routing: no route fitted when the plan ran, so the planner chose the way"


def refusal_of(capability: Capability, request: PlanRequest) -> str | None:
    """Return why a capability may not be chosen (a key of `refusal.REFUSALS`), None if it may."""
    for reason, holds in STANDING_REFUSALS.items():
        if holds(capability):
            return reason
    if capability.capability_id in (request.policy.forbid or ()):
        return "forbidden"
    return "forbidden_kind" if request.forbids(capability.kind) else None


def _wish(envelope: TaskEnvelope, intake: Intake, known: Situation) -> Wish:
    policy = envelope.policies.planner
    knobs = intake.values.get("planKnobs")
    goals = envelope.inputs.get("goal")
    told = " ".join((envelope.objective, *envelope.special_instructions, goals if isinstance(goals, str) else ""))
    preferred = policy.directives.get("preferredCapabilities")
    return Wish(
        channel=intake.channel,
        language=intake.language,
        content=knobs.get("formatType") if isinstance(knobs, dict) else None,
        words=words_in(told.replace("_", " ")),
        prefer=frozenset((*(policy.prefer or ()), *(_texts(preferred)))),
        avoid=frozenset(policy.avoid or ()),
        objective=policy.objective,
        minimum=_minimum(policy),
        measured=known.measured,
    )


def _minimum(policy: PlannerPolicy) -> float:
    """Return the score below which a person is asked; under `token_efficiency` nobody is."""
    if policy.objective == "token_efficiency":
        return 0.0
    asked = policy.directives.get("minimumScore")
    return float(asked) if is_number(asked) and 0 <= asked <= 1 else MINIMUM_SCORE


def _variants(intake: Intake, policy: PlannerPolicy, known: Situation) -> int | None:
    """Return how many branches are asked for: by what an upstream node returned, by a directive, or by a number."""
    if known.directions is not None:
        return min(len(known.directions.values), MAX_VARIANTS)
    return len(_directed(policy)) or intake.variant_count or policy.variant_count


def _directed(policy: PlannerPolicy) -> tuple[str, ...]:
    """Return what `directives.branches` tells each branch: a list of texts, or of objects with instructions."""
    found = policy.directives.get("branches")
    texts = (
        [entry.get("instructions") if isinstance(entry, dict) else entry for entry in found or ()]
        if isinstance(found, list)
        else []
    )
    return tuple(text for text in texts if isinstance(text, str) and text.strip())[:MAX_VARIANTS]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _spoken_of(policies: Policies) -> tuple[str, ...]:
    """Return the capabilities that enabled runtime policies name; a policy that is turned off names nobody."""
    selectors = (getattr(p.trigger, "selector", None) for p in policies.runtime if p.enabled)
    return tuple(dict.fromkeys(s.capability_id for s in selectors if s is not None and s.capability_id))


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
        f"policies.planner.topology.requiredKinds: a {kind!r} node comes when it must, so it is not asked for"
        for kind in policy.required_kinds or ()
        if kind not in REQUIRABLE_KINDS
    ]
    if policy.max_tokens is not None:
        notes.append("policies.planner.optimisation.maxTokens does not limit the choice yet")
    idle = sorted(set(policy.directives) - READ_DIRECTIVES)
    return [*notes, *(f"policies.planner.directives.{name} is kept and not acted on" for name in idle)]
