"""What a draft is built on: the request, the registry and the search's choice, asked only for what a draft needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields

from planner.assembly.choice import Choice
from planner.assembly.request import PlanRequest, refusal_of
from planner.assembly.scoring import Score
from planner.assembly.targets import Targets
from planner.contracts.capabilities import Capability, RegistrySnapshot


@dataclass(frozen=True)
class DraftedChoice(Choice):
    """A choice that a draft made. Where it names reviewers, only they may review."""

    named_reviewers: frozenset[str] = frozenset()

    def reviewers(self) -> tuple[Capability, ...]:
        found = super().reviewers()
        named = tuple(capability for capability in found if capability.capability_id in self.named_reviewers)
        return named or found


@dataclass(frozen=True, slots=True)
class Ground:
    """The request, the registry, and the choice that the search made."""

    request: PlanRequest
    registry: RegistrySnapshot
    choice: Choice

    def usable_ids(self) -> list[str]:
        return [c.capability_id for c in self.registry.capabilities if refusal_of(c, self.request) is None]

    def makers(self, facet: str) -> list[str]:
        """Return the ids of those that may be chosen and make the facet."""
        return [capability.capability_id for capability in self.choice.usable([facet])]

    def score(self, capability: Capability) -> Score:
        return self.choice.score(capability)

    def price(self, capability: Capability) -> int:
        return self.choice.price(capability)

    def good_enough(self, capability: Capability) -> bool:
        """Whether the capability may be chosen without asking a person."""
        accepted = capability.capability_id in self.request.situation.accepted
        return accepted or self.score(capability).total >= self.request.wish.minimum

    def candidates(self) -> list[Capability]:
        """Return what a draft may name, most useful first: required ones, the search's, what it reached, reviewers."""
        choice = self.choice
        reached = [capability.capability_id for capability in choice.reachable(sorted(choice.wanted))]
        chosen = [capability.capability_id for capability in choice.capabilities]
        reviewers = [capability.capability_id for capability in choice.reviewers()]
        found = map(self.registry.get, dict.fromkeys((*self.request.pins, *chosen, *reached, *reviewers)))
        return [c for c in found if c is not None and refusal_of(c, self.request) is None and self.good_enough(c)]

    def choose(self, capabilities: Sequence[Capability], targets: Targets, reviewers: Collection[str]) -> Choice:
        """Return these capabilities as a choice beside the search's: same scores, same prices, same rivals."""
        made = frozenset().union(*(capability.output_facets for capability in capabilities))
        members = {member.name: getattr(self.choice, member.name) for member in fields(self.choice)}
        drafted = {
            "capabilities": tuple(capabilities),
            "targets": (*targets.chosen, *(t for t in targets.optional if t.facet in made or not t.produced)),
            "cost": sum(map(self.price, capabilities)),
            "exact": False,
            "states": 0,
            "named_reviewers": frozenset(reviewers),
        }
        return DraftedChoice(**{**members, **drafted})
