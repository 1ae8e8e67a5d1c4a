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
from planner.assembly.index import Codes, Entry, Shape, index_of, shapes_for_request
from planner.assembly.outlook import Outlook, look
from planner.assembly.reachability import ROW_CAP, Reach
from planner.assembly.refusal import explain_minimum
from planner.assembly.request import PlanRequest
from planner.assembly.rows import Offer, Row, reach
from planner.assembly.scoring import MERIT_POINTS, STEP_POINTS, UNIT, Score, Scorer, points, ranked
from planner.assembly.search import Found, solve
from planner.assembly.stock import Appraisal, Priced, Stock, is_accepted
from planner.assembly.substitutes import Ask, blanks, derived_entries, original_of, stand_in
from planner.assembly.targets import Target, takes_branches, variant_count
from planner.contracts.capabilities import Capability, RegistrySnapshot

DERIVED, BELOW, BLANK = 10**8, 10**12, 10**16
"""What the search pays on top for a derived capability, a candidate below the minimum, and a blank."""
MAX_RIVALS = 10
"""How many who lost, and how many who may not be chosen, a node tells of."""
MAX_SUBSTITUTES = 10
"""How many a node names that may take its place."""


@dataclass(frozen=True)
class Choice:
    """The chosen capabilities in an order in which they can run, and everything they were chosen from.

    `asks` says which of them stand for a question to a person, `derived` which were never declared, and of whom.
    """

    capabilities: tuple[Capability, ...]
    targets: tuple[Target, ...]
    wanted: frozenset[str]
    reach: Reach
    cost: int
    exact: bool
    states: int
    request: PlanRequest
    codes: Codes
    stock: Stock
    appraisal: Appraisal
    alive: frozenset[int]
    asks: Mapping[str, Ask]
    derived: Mapping[str, str]
    warnings: tuple[Diagnostic, ...] = ()

    def makers(self, facet: str) -> tuple[Capability, ...]:
        return tuple(c for c in self.capabilities if facet in c.output_facets)

    def score(self, capability: Capability) -> Score:
        return self.appraisal.scorer.score(capability)

    def price(self, capability: Capability) -> int:
        """Return what one node of the capability costs, whether the search looked at it or not."""
        return points(capability, self.score(capability), self.request.wish)

    def usable(self, facets: Iterable[str], kind: str | None = None) -> tuple[Capability, ...]:
        """Return the capabilities, of any kind or of one, that may be chosen and make one of the facets, by id."""
        shapes = (shape for shape in self.stock.making(facets) if kind in {None, shape.kind})
        return tuple(e.capability for e in sorted((e for s in shapes for e in s.entries), key=lambda e: e.name))

    def reachable(self, facets: Iterable[str]) -> tuple[Capability, ...]:
        """Return the capabilities that may be chosen, can run, and make one of the facets; best first."""
        found = [shape for shape in self.stock.making(facets) if shape.place in self.alive]
        best = self.appraisal.best(found, sum(len(shape.entries) for shape in found))
        return tuple(ranked.entry.capability for ranked in best)

    def reviewers(self) -> tuple[Capability, ...]:
        return tuple(c for c in self.stock.index.validators if self.stock.allows(c.capability_id))

    def best(self, able: Iterable[Capability]) -> Capability | None:
        """Return who scores best of some capabilities of the registry, of equals the first by id."""
        by_id = self.stock.index.by_id
        ranked = [(-self.appraisal.units(by_id[c.capability_id]), c.capability_id, c) for c in able]
        return min(ranked, key=lambda found: found[:2])[2] if ranked else None

    def rivals(self, chosen: Capability) -> tuple[Score, ...]:
        """Return the scores of the reachable capabilities that make something the plan wants from `chosen`.

        Only the best are told of, and none that is chosen itself.
        """
        taken = {name for c in (chosen, *self.capabilities) for name in self._names(c)}
        wanted = self.wanted & set(chosen.output_facets)
        found = [shape for shape in self.stock.making(wanted) if shape.place in self.alive]
        beside = sum(not wanted.isdisjoint(c.output_facets) for c in self.capabilities)
        best = self.appraisal.best(found, MAX_RIVALS + 1 + beside)
        rivals = [ranked.entry.capability for ranked in best if ranked.name not in taken]
        return tuple(map(self.score, rivals[:MAX_RIVALS]))

    def substitutes(self, capability: Capability, visible: Iterable[str]) -> tuple[str, ...]:
        """Return the ids of the best that make all that a capability makes, out of what it can see, best first.

        A candidate below the minimum score is none.
        """
        taken, made = self._names(capability), self.codes.made(capability.output_facets)
        unseen = ~self.codes.facets(visible)
        found = [
            shape
            for shape in self.stock.making(capability.output_facets[:1])
            if not made & ~shape.makes and not shape.needs & unseen
        ]
        best = self.appraisal.best(found, MAX_SUBSTITUTES + len(taken))
        able = [r.name for r in best if r.name not in taken and -r.below >= self.appraisal.least]
        return tuple(able[:MAX_SUBSTITUTES])

    def refused(self, facets: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Return (capability id, reason) for the first of those that make one of `facets` and may not be chosen."""
        return self.stock.refused(facets, self.request, MAX_RIVALS)

    def _names(self, capability: Capability) -> frozenset[str]:
        name = capability.capability_id
        return frozenset({name, self.derived.get(name, name)})


def choose(
    request: PlanRequest, registry: RegistrySnapshot, *, fallbacks: bool = False, most_rows: int = ROW_CAP
) -> Choice:
    """Return the best choice for the request; raise PlanRejectedError with all that stands in the way of any.

    With `fallbacks`, what only a person can settle is part of the choice instead of a reason for refusing. At most
    `most_rows` of the reachable set are told of, pins always.
    """
    found = _choose(request, registry, fallbacks=fallbacks)
    return replace(found, reach=replace(found.reach, cap=most_rows))


def _choose(request: PlanRequest, registry: RegistrySnapshot, *, fallbacks: bool) -> Choice:
    index = index_of(registry)
    codes = index.codes.copy()
    stock = Stock(index, request)
    shapes = stock.shapes
    first = market = _Market(request, codes, stock, shapes)
    if found := market.settle():
        return market.choice(found)
    if further := derived_entries(request, codes, index, market.fits()):
        shapes = (*shapes, *shapes_for_request(further))
        market = _Market(request, codes, stock, shapes)
        if found := market.settle():
            return market.choice(found)
    if market.outlook.stuck or not fallbacks or request.forbids("fallback"):
        raise PlanRejectedError(first.outlook.problems or explain_minimum(market.below_the_minimum(), request))
    asks = blanks(request, codes, market.outlook.missing, shapes, empty=not registry.active())
    blank_shapes = shapes_for_request(ask.entry(codes) for ask in asks)
    market = _Market(request, codes, stock, (*shapes, *blank_shapes), asks)
    if found := market.settle(below=True):
        return market.choice(found)
    raise PlanRejectedError(market.outlook.problems or [_nothing_found()])


class _Market:
    """The allowed capabilities under one outlook, scored and priced: of each shape the cheapest, and every pin.

    Who else is of a shape can be no part of a best solution.
    """

    def __init__(
        self,
        request: PlanRequest,
        codes: Codes,
        stock: Stock,
        shapes: tuple[Shape, ...],
        asks: Iterable[Ask] = (),
    ) -> None:
        self.request, self.codes, self.stock = request, codes, stock
        self.outlook = look(request, codes, stock.index, shapes)
        self.scorer = Scorer(replace(request.wish, facets=self.outlook.wanted))
        self.asks = {ask.capability.capability_id: ask for ask in asks}
        situation, pins = request.situation, self.outlook.pins
        self.appraisal = Appraisal(stock, self.scorer, codes, (*situation.accepted, *situation.finished, *pins))
        self.eligible: list[Offer] = []
        self.below: list[Offer] = []
        self._beside: dict[str, Capability] = {}
        self._listed = next((t for t in self.outlook.targets.chosen if takes_branches(t, request)), None)
        plain = dict.fromkeys(filter(self.appraisal.is_plain, self.outlook.path))
        least, counting = self.appraisal.least, self.outlook.counting
        for shape, units in self.appraisal.units_of(plain):
            price = STEP_POINTS + (UNIT - units) * MERIT_POINTS // UNIT
            if self._listed is not None:
                price *= self._copies(shape.entries[0].capability)
            offer = (price, shape.names[0], shape.needs, shape.makes & counting)
            (self.eligible if units >= least else self.below).append(offer)
        for shape in self.outlook.path:
            if shape not in plain:
                self._offer(shape)
        for entry in self.outlook.pinned:
            price, fits = self._one(entry)
            self._add(entry, price, self.eligible if fits else self.below)

    def _offer(self, shape: Shape) -> None:
        """Put the cheapest of a shape on offer: one at or above the minimum, only for want of one another."""
        good, bad = self.appraisal.cheapest(shape)
        for entry in self.appraisal.singles(shape):
            if entry.name not in self.outlook.pins:
                price, fits = self._one(entry)
                found = Priced(price, entry.name, entry)
                good, bad = (_cheaper(good, found), bad) if fits else (good, _cheaper(bad, found))
        if good is not None:
            self._add(good.entry, good.price, self.eligible)
        elif bad is not None:
            self._add(bad.entry, bad.price, self.below)

    def _one(self, entry: Entry) -> tuple[int, bool]:
        """Return the price of an entry that has to be looked at by itself, and whether it may be chosen unasked."""
        name, units = entry.name, self.appraisal.units(entry)
        if name in self.request.situation.finished:
            return 0, True
        fits = units >= self.appraisal.least or name in self.asks
        return (
            self.scorer.points(entry.capability, units),
            fits or is_accepted(name, self.request.situation.accepted),
        )

    def _add(self, entry: Entry, price: int, rows: list[Offer]) -> None:
        name = entry.name
        if self._listed is not None:
            price *= self._copies(entry.capability)
        if name not in self.stock.index.by_id:
            self._beside[name] = entry.capability
            price = BLANK * self.asks[name].weight if name in self.asks else price + DERIVED
        rows.append((price, name, entry.needs, entry.makes & self.outlook.counting))

    def _capability(self, name: str) -> Capability:
        known = self._beside.get(name)
        return self.stock.index.by_id[name].capability if known is None else known

    def settle(self, *, below: bool = False) -> Found | None:
        """Return the best solution, None when something is in the way; `below` lets candidates of any score in."""
        if self.outlook.problems:
            return None
        further = [(cost + BELOW, name, needs, makes) for cost, name, needs, makes in self.below] if below else []
        return solve([*self.eligible, *further], self.outlook.given, self.outlook.goals, self.outlook.pins)

    def fits(self) -> frozenset[str]:
        """Return the facets that capabilities at or above the minimum can make."""
        return self.codes.names(_made(reach((Row(*row) for row in self.eligible), self.outlook.given)[1]))

    def below_the_minimum(self) -> tuple[Score, ...]:
        """Return the scores of the candidates without which nothing could be made, none when that is not why."""
        found = self.settle(below=True)
        names = {name for _, name, *_ in self.below} & {row.name for row in (found.chosen if found else ())}
        return ranked(self.scorer.score(self._capability(name)) for name in names)

    def choice(self, found: Found) -> Choice:
        """Return the choice that a solution stands for, at its own prices."""
        below = {name for _, name, *_ in self.below}
        asks = {row.name: self.asks[row.name] for row in found.chosen if row.name in self.asks}
        chosen = [self._capability(row.name) for row in found.chosen]
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
            wanted=self.outlook.wanted,
            reach=self.outlook.reach,
            cost=sum(points(c, self.scorer.score(c), self.request.wish) * self._copies(c) for c in made),
            exact=found.exact,
            states=found.states,
            request=self.request,
            codes=self.codes,
            stock=self.stock,
            appraisal=self.appraisal,
            alive=self.outlook.alive,
            asks=asks,
            derived=derived,
            warnings=self.outlook.warnings,
        )

    def _copies(self, capability: Capability) -> int:
        """Return how often a capability would stand in the plan: once per branch if it fills the branched list."""
        listed = self._listed
        if listed is None or capability.kind != "execution" or listed.facet not in capability.output_facets:
            return 1
        return 1 if self.request.forbids("branch") else variant_count(listed, self.request)


def _cheaper(one: Priced | None, other: Priced | None) -> Priced | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


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
