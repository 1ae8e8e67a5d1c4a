"""Choose the capabilities of a plan: what is reachable, what each is worth, and the set of least total cost.

Three attempts, each only when the one before finds nothing. First with what capabilities declare and with those alone
that reach the minimum score. Then with derived capabilities too: facets that a registration supports without declaring
them. Last, where a person may be asked, with candidates below the minimum and with blanks for what nobody makes; each
of them becomes a fallback node. A derived capability costs more than any sum of declared ones, a candidate below the
minimum more than any sum of derived ones, a blank more than that: so each is used only where nothing before it will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.index import Codes, Entry, RegistryIndex, index_of
from planner.assembly.outlook import Outlook, look
from planner.assembly.reachability import Reach
from planner.assembly.refusal import explain_minimum
from planner.assembly.request import PlanRequest, refusal_of
from planner.assembly.rows import Row, reach
from planner.assembly.scoring import Score, Scorer, points, ranked
from planner.assembly.search import Found, solve
from planner.assembly.substitutes import Ask, blanks, derived_entries, original_of, stand_in
from planner.assembly.targets import Target, takes_branches, variant_count
from planner.contracts.capabilities import Capability, RegistrySnapshot

DERIVED, BELOW, BLANK = 10**8, 10**12, 10**16
"""What the search pays on top for a derived capability, a candidate below the minimum, and a blank."""
MAX_RIVALS = 10


@dataclass(frozen=True)
class Choice:
    """The chosen capabilities in an order in which they can run, and everything they were chosen from.

    `asks` says which of them stand for a question to a person, `derived` which were never declared, and of whom.
    """

    capabilities: tuple[Capability, ...]
    targets: tuple[Target, ...]
    prices: Mapping[str, int]
    wanted: frozenset[str]
    reach: Reach
    cost: int
    exact: bool
    states: int
    request: PlanRequest
    index: RegistryIndex
    scorer: Scorer
    reachable: frozenset[str]
    asks: Mapping[str, Ask]
    derived: Mapping[str, str]
    warnings: tuple[Diagnostic, ...] = ()

    def makers(self, facet: str) -> tuple[Capability, ...]:
        return tuple(c for c in self.capabilities if facet in c.output_facets)

    def score(self, capability: Capability) -> Score:
        return self.scorer.score(capability)

    def price(self, capability: Capability) -> int:
        """Return what one node of the capability costs, whether the search looked at it or not."""
        known = self.prices.get(capability.capability_id)
        return points(capability, self.score(capability), self.scorer.wish) if known is None else known

    def usable(self, facets: Iterable[str]) -> tuple[Capability, ...]:
        """Return the capabilities that may be chosen and make one of the facets, by id."""
        found = {c.capability_id: c for facet in facets for c in self.index.makers.get(facet, ())}
        return tuple(c for _, c in sorted(found.items()) if refusal_of(c, self.request) is None)

    def reviewers(self) -> tuple[Capability, ...]:
        return tuple(c for c in self.index.validators if refusal_of(c, self.request) is None)

    def rivals(self, chosen: Capability) -> tuple[Score, ...]:
        """Return the scores of the reachable capabilities that make something the plan wants from `chosen`."""
        names = {chosen.capability_id, self.derived.get(chosen.capability_id)}
        others = self.usable(self.wanted & set(chosen.output_facets))
        scores = ranked(self.score(c) for c in others if c.capability_id not in names)
        return tuple(s for s in scores if s.capability_id in self.reachable)[:MAX_RIVALS]

    def refused(self, facets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return (capability id, reason) for those that make one of `facets` and may not be chosen."""
        found = {c.capability_id: c for facet in facets for c in self.index.makers.get(facet, ())}
        reasons = [(name, refusal_of(c, self.request)) for name, c in sorted(found.items())]
        return tuple((name, reason) for name, reason in reasons if reason)


def choose(request: PlanRequest, registry: RegistrySnapshot, *, fallbacks: bool = False) -> Choice:
    """Return the best choice for the request; raise PlanRejectedError with all that stands in the way of any.

    With `fallbacks`, what only a person can settle is part of the choice instead of a reason for refusing.
    """
    index = index_of(registry)
    codes = index.codes.copy()
    entries = _allowed(index, request)
    first = market = _Market(request, codes, index, entries)
    if found := market.settle():
        return market.choice(found)
    if further := derived_entries(request, codes, index, market.fits()):
        entries = (*entries, *further)
        market = _Market(request, codes, index, entries)
        if found := market.settle():
            return market.choice(found)
    if market.outlook.stuck or not fallbacks or request.forbids("fallback"):
        raise PlanRejectedError(first.outlook.problems or explain_minimum(market.below_the_minimum(), request))
    asks = blanks(request, codes, market.outlook.missing, entries, empty=not registry.active())
    market = _Market(request, codes, index, (*entries, *(ask.entry(codes) for ask in asks)), asks)
    if found := market.settle(below=True):
        return market.choice(found)
    raise PlanRejectedError(market.outlook.problems or [_nothing_found()])


class _Market:
    """The allowed capabilities under one outlook, scored and priced."""

    def __init__(
        self,
        request: PlanRequest,
        codes: Codes,
        index: RegistryIndex,
        entries: tuple[Entry, ...],
        asks: Iterable[Ask] = (),
    ) -> None:
        self.request, self.codes, self.index = request, codes, index
        self.outlook = look(request, codes, index, entries)
        self.scorer = Scorer(replace(request.wish, facets=self.outlook.wanted))
        self.asks = {ask.capability.capability_id: ask for ask in asks}
        self.by_id = {entry.capability.capability_id: entry.capability for entry in self.outlook.path}
        self.prices: dict[str, int] = {}
        self.eligible: list[Row] = []
        self.below: list[Row] = []
        self._listed = next((t for t in self.outlook.targets.chosen if takes_branches(t, request)), None)
        least, accepted = round(request.wish.minimum * 10_000), request.situation.accepted
        wanted = codes.facets(self.outlook.wanted)
        for entry in self.outlook.path:
            name = entry.capability.capability_id
            aligned = (entry.makes & wanted).bit_count()
            units = self.scorer.units(entry.capability, entry.traits, entry.steady, aligned)
            fits = units >= least or name in self.asks or (original_of(name) or name) in accepted
            (self.eligible if fits else self.below).append(self._row(entry, units))

    def settle(self, *, below: bool = False) -> Found | None:
        """Return the best solution, None when something is in the way; `below` lets candidates of any score in."""
        if self.outlook.problems:
            return None
        further = [row._replace(cost=row.cost + BELOW) for row in self.below] if below else []
        return solve([*self.eligible, *further], self.outlook.given, self.outlook.goals, self.outlook.pins)

    def fits(self) -> frozenset[str]:
        """Return the facets that capabilities at or above the minimum can make."""
        return self.codes.names(_made(reach(self.eligible, self.outlook.given)[1]))

    def below_the_minimum(self) -> tuple[Score, ...]:
        """Return the scores of the candidates without which nothing could be made, none when that is not why."""
        found = self.settle(below=True)
        names = {row.name for row in self.below} & {row.name for row in (found.chosen if found else ())}
        return ranked(self.scorer.score(self.by_id[name]) for name in names)

    def choice(self, found: Found) -> Choice:
        """Return the choice that a solution stands for, at its own prices."""
        below = {row.name for row in self.below}
        asks = {row.name: self.asks[row.name] for row in found.chosen if row.name in self.asks}
        chosen = [self.by_id[row.name] for row in found.chosen]
        for place, capability in enumerate(chosen):
            if capability.capability_id in below:
                score = self.scorer.score(capability)
                ask = stand_in(capability, score, self.outlook.wanted, self.request.wish.minimum)
                asks[ask.capability.capability_id] = ask
                chosen[place] = ask.capability
        made = [c for c in chosen if c.capability_id not in asks]
        derived = {c.capability_id: name for c in made if (name := original_of(c.capability_id))}
        return Choice(
            capabilities=tuple(chosen),
            targets=_with_optional(self.outlook, chosen),
            prices=self.prices,
            wanted=self.outlook.wanted,
            reach=self.outlook.reach,
            cost=sum(self.prices[c.capability_id] * self._copies(c) for c in made),
            exact=found.exact,
            states=found.states,
            request=self.request,
            index=self.index,
            scorer=self.scorer,
            reachable=self.outlook.reachable,
            asks=asks,
            derived=derived,
            warnings=self.outlook.warnings,
        )

    def _row(self, entry: Entry, units: int) -> Row:
        capability = entry.capability
        name = capability.capability_id
        if name in self.asks:
            return Row(BLANK * self.asks[name].weight, name, entry.needs, entry.makes & self.outlook.counting)
        price = self.scorer.points(capability, units)
        self.prices[name] = price
        cost = price * self._copies(capability) + (DERIVED if original_of(name) else 0)
        return Row(cost, name, entry.needs, entry.makes & self.outlook.counting)

    def _copies(self, capability: Capability) -> int:
        """Return how often a capability would stand in the plan: once per branch if it fills the branched list."""
        listed = self._listed
        if listed is None or capability.kind != "execution" or listed.facet not in capability.output_facets:
            return 1
        return 1 if self.request.forbids("branch") else variant_count(listed, self.request)


def _allowed(index: RegistryIndex, request: PlanRequest) -> tuple[Entry, ...]:
    if not request.policy.forbid and not request.policy.forbidden_kinds:
        return index.entries
    return tuple(entry for entry in index.entries if refusal_of(entry.capability, request) is None)


def _made(rows: Iterable[Row]) -> int:
    made = 0
    for row in rows:
        made |= row.makes
    return made


def _with_optional(outlook: Outlook, chosen: Iterable[Capability]) -> tuple[Target, ...]:
    """Add the optional parts of the contract whose facet is there anyway."""
    made = frozenset().union(*(c.output_facets for c in chosen))
    targets = outlook.targets
    return (*targets.chosen, *(t for t in targets.optional if t.facet in made or not t.produced))


def _nothing_found() -> Diagnostic:
    return Diagnostic(
        "no_combination",
        "Every facet can be produced, but no choice of capabilities produces them all.",
        pointer="/outputContract",
    )
