"""What a draft is built on: the request, the registry and the search's choice, asked only for what a draft needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from planner.assembly.choice import Choice, with_optional
from planner.assembly.reachability import Option
from planner.assembly.request import PlanRequest
from planner.assembly.search import Solution
from planner.assembly.targets import Targets
from planner.contracts.capabilities import Capability, RegistrySnapshot


@dataclass(frozen=True, slots=True)
class Ground:
    """The request, the registry, and the choice that the search made."""

    request: PlanRequest
    registry: RegistrySnapshot
    choice: Choice

    def usable_ids(self) -> list[str]:
        return list(self.choice.usable)

    def makers(self, facet: str) -> list[str]:
        """Return the ids of those that may be chosen and make the facet."""
        return sorted(name for name, capability in self.choice.usable.items() if facet in capability.output_facets)

    def score(self, capability: Capability) -> float:
        return self.choice.scores[capability.capability_id].total

    def price(self, capability: Capability) -> int:
        return self.choice.prices[capability.capability_id]

    def candidates(self) -> list[Capability]:
        """Return what a draft may name, most useful first: required ones, the search's, what it reached, reviewers."""
        choice = self.choice
        path = sorted((option.name for option in choice.reach.path), key=lambda n: (-choice.scores[n].total, n))
        reviewers = sorted(name for name, capability in choice.usable.items() if capability.kind == "validation")
        chosen = [capability.capability_id for capability in choice.capabilities]
        names = dict.fromkeys((*(self.request.policy.require or ()), *chosen, *path, *reviewers))
        return [choice.usable[name] for name in names if name in choice.usable]

    def choose(self, capabilities: Sequence[Capability], targets: Targets, reviewers: Collection[str]) -> Choice:
        """Return these capabilities as a choice beside the search's: same scores, same prices, same rivals.

        Where the draft names reviewers, only they may review.
        """
        usable = {
            name: capability
            for name, capability in self.choice.usable.items()
            if not reviewers or capability.kind != "validation" or name in reviewers
        }
        options = tuple(
            Option(c.capability_id, frozenset(c.input_facets), frozenset(c.output_facets), self.price(c))
            for c in capabilities
        )
        solution = Solution(options, sum(option.cost for option in options), exact=False, states=0)
        every = with_optional(targets, tuple(capabilities))
        return replace(self.choice, capabilities=tuple(capabilities), targets=every, usable=usable, solution=solution)
