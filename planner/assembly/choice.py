"""Choose the capabilities of a plan: what is reachable, what each is worth, and the set of least total cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.reachability import Option, ReachableSet, forward, reachable_set
from planner.assembly.refusal import explain_missing, explain_pin
from planner.assembly.request import PlanRequest, refusal_of, usable
from planner.assembly.scoring import Score, points, ranked, score
from planner.assembly.search import Solution, find_best
from planner.assembly.targets import Target, Targets, choose_targets, takes_branches, variant_count
from planner.contracts.capabilities import Capability, RegistrySnapshot

SEARCHED_KINDS = ("structuring", "execution")
"""Kinds that a plan can be asked to hold by choosing a capability; the others are added around the choice."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen capabilities in an order in which they can run, and everything they were chosen from."""

    capabilities: tuple[Capability, ...]
    targets: tuple[Target, ...]
    scores: Mapping[str, Score]
    usable: Mapping[str, Capability]
    prices: Mapping[str, int]
    wanted: frozenset[str]
    reach: ReachableSet
    solution: Solution

    def makers(self, facet: str) -> tuple[Capability, ...]:
        return tuple(c for c in self.capabilities if facet in c.output_facets)

    def rivals(self, chosen: Capability) -> tuple[Score, ...]:
        """Return the scores of the reachable capabilities that make something the plan wants from `chosen`."""
        wanted = self.wanted & set(chosen.output_facets)
        others = [
            self.scores[name]
            for name, other in self.usable.items()
            if name != chosen.capability_id and name in self.reach.reachable and wanted & set(other.output_facets)
        ]
        return ranked(others)


def choose(request: PlanRequest, registry: RegistrySnapshot) -> Choice:
    """Return the best choice for the request; raise PlanRejectedError with all that stands in the way of any."""
    allowed = usable(registry, request)
    options = [_option(capability, request) for capability in allowed]
    reached, runnable = forward(options, request.given)
    producible = frozenset().union(*(c.output_facets for c in allowed if c.capability_id in runnable))
    targets = choose_targets(request, producible)
    pins = tuple(dict.fromkeys(request.policy.require or ()))
    problems = [
        *_unmet(targets, registry, request, reached),
        *(explain_pin(pin, i, registry, request, reached) for i, pin in enumerate(pins) if pin not in runnable),
        *(_no_kind(kind) for kind in _asked_kinds(request) if kind not in reached),
    ]
    if problems:
        raise PlanRejectedError(problems)
    produced = frozenset(t.facet for t in targets.chosen if t.produced)
    goals = frozenset(_goal(facet, request) for facet in produced) | _asked_kinds(request)
    pinned = frozenset().union(*(option.needs for option in options if option.name in pins))
    reach = reachable_set(options, request.given, goals | pinned)
    wanted = produced | reach.wanted
    wishing = replace(request.wish, facets=wanted)
    scores = {c.capability_id: score(c, wishing) for c in allowed}
    prices = {c.capability_id: points(c, scores[c.capability_id], wishing) for c in allowed}
    copies = _copies(targets, request)
    priced = [replace(o, cost=prices[o.name] * copies(c)) for o, c in zip(options, allowed, strict=True)]
    on_path = {option.name for option in reach.path} | set(pins)
    solution = find_best([option for option in priced if option.name in on_path], request.given, goals, pins)
    if solution is None:
        raise PlanRejectedError([_nothing_found()])
    by_id = {c.capability_id: c for c in allowed}
    chosen = tuple(by_id[option.name] for option in solution.chosen)
    return Choice(chosen, with_optional(targets, chosen), scores, by_id, prices, wanted, reach, solution)


def excluded(registry: RegistrySnapshot, request: PlanRequest, facets: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return (capability id, reason) for those that make one of `facets` and may not be chosen."""
    wanted = set(facets)
    return tuple(
        sorted(
            (c.capability_id, reason)
            for c in registry.capabilities
            if wanted & set(c.output_facets) and (reason := refusal_of(c, request))
        )
    )


def _option(capability: Capability, request: PlanRequest) -> Option:
    """Return the capability as the search sees it; what it makes counts for the goals too."""
    made = frozenset(capability.output_facets)
    goals = {_goal(facet, request) for facet in made} | ({_kind_goal(capability.kind)} & _asked_kinds(request))
    return Option(capability.capability_id, frozenset(capability.input_facets), made | goals)


def _goal(facet: str, request: PlanRequest) -> str:
    """Return the name of the goal "a node makes this facet"; one that is given as well has to be made anew."""
    return f"made:{facet}" if facet in request.given else facet


def _copies(targets: Targets, request: PlanRequest) -> Callable[[Capability], int]:
    """Return how often a capability would stand in the plan: once per branch if it fills the branched list."""
    listed = next((t for t in targets.chosen if takes_branches(t, request)), None)
    if listed is None or request.forbids("branch"):
        return lambda _: 1
    count = variant_count(listed, request)
    return lambda c: count if c.kind == "execution" and listed.facet in c.output_facets else 1


def _asked_kinds(request: PlanRequest) -> frozenset[str]:
    return frozenset(_kind_goal(kind) for kind in SEARCHED_KINDS if request.requires(kind))


def _kind_goal(kind: str) -> str:
    """Return the name of the goal "a node of this kind"; like every goal that is no facet it has a colon."""
    return f"kind:{kind}"


def _unmet(
    targets: Targets, registry: RegistrySnapshot, request: PlanRequest, reached: frozenset[str]
) -> Iterable[Diagnostic]:
    yield from targets.unmet
    for facet, pointer in targets.missing:
        yield from explain_missing(facet, pointer, registry, request, reached)


def _no_kind(goal: str) -> Diagnostic:
    kind = goal.removeprefix("kind:")
    return Diagnostic(
        "required_kind_missing",
        f"No usable capability of kind {kind} can run on what is given.",
        pointer="/policies/planner/topology/requiredKinds",
        suggestion=f"Register an active AI capability of kind {kind}, or take the kind off the list.",
    )


def _nothing_found() -> Diagnostic:
    return Diagnostic(
        "no_combination",
        "Every facet can be produced, but no choice of capabilities produces them all.",
        pointer="/outputContract",
    )


def with_optional(targets: Targets, chosen: tuple[Capability, ...]) -> tuple[Target, ...]:
    """Add the optional parts of the contract whose facet is there anyway."""
    made = frozenset().union(*(c.output_facets for c in chosen))
    return (*targets.chosen, *(t for t in targets.optional if t.facet in made or not t.produced))
