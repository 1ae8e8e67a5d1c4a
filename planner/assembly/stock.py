"""What a request may choose from: the shapes of the registry that its policies allow, each with what is best in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from typing import NamedTuple

from planner.assembly.index import Codes, Entry, Group, RegistryIndex, Shape
from planner.assembly.request import PlanRequest, refusal_of
from planner.assembly.scoring import Scorer
from planner.assembly.substitutes import original_of


class Ranked(NamedTuple):
    """A candidate by what it is ranked by: how far its score is below the best one, in ten-thousandths; its id."""

    below: int
    name: str
    entry: Entry


class Priced(NamedTuple):
    """A candidate by what the search goes by: its price in points, its id."""

    price: int
    name: str
    entry: Entry


class Stock:
    """The allowed shapes, by their numbers in the index."""

    def __init__(self, index: RegistryIndex, request: PlanRequest) -> None:
        self.index = index
        forbidden, kinds = set(request.policy.forbid or ()), set(request.policy.forbidden_kinds or ())
        left: list[Shape | None] = list(index.shapes)
        if kinds:
            left = [None if shape is None or shape.kind in kinds else shape for shape in left]
        for place in {index.place(name) for name in forbidden} - {-1}:
            shape = left[place]
            left[place] = shape and index.without(shape, forbidden)
        self._by_place = left
        self.shapes: tuple[Shape, ...] = tuple(shape for shape in left if shape is not None)

    def making(self, facets: Iterable[str]) -> Iterator[Shape]:
        """Yield each allowed shape that makes one of the facets."""
        by_facet = self.index.places_of_makers
        for place in dict.fromkeys(place for facet in facets for place in by_facet.get(facet, ())):
            shape = self._by_place[place]
            if shape is not None:
                yield shape

    def allows(self, name: str) -> bool:
        """Whether a capability of the registry may be chosen."""
        place = self.index.place(name)
        shape = None if place < 0 else self._by_place[place]
        return shape is not None and (
            shape is self.index.shapes[place] or any(entry.name == name for entry in shape.entries)
        )

    def refused(self, facets: Iterable[str], request: PlanRequest, most: int) -> tuple[tuple[str, str], ...]:
        """Return (capability id, reason) for the first of those that make one of `facets` and may not be chosen."""
        limited = bool(request.policy.forbid or request.policy.forbidden_kinds)
        source = self.index.makers if limited else self.index.idle
        found = {c.capability_id: c for facet in facets for c in source.get(facet, ())}
        told = ((name, reason) for name, c in found.items() if (reason := refusal_of(c, request)))
        return tuple(nsmallest(most, told))


class Appraisal:
    """The scores of entries for one wish, without their parts, and what follows from them."""

    def __init__(self, stock: Stock, scorer: Scorer, codes: Codes, singled_out: Iterable[str]) -> None:
        self.scorer, self.index = scorer, stock.index
        wish = scorer.wish
        self.wanted = codes.facets(wish.facets)
        self._by_score = wish.objective != "token_efficiency"
        self.least = round(wish.minimum * 10_000)
        self._base: list[int | None] = [None] * len(self.index.sorts)
        self._by_count: dict[tuple[int, int], int] = {}
        self._single: dict[int, list[Entry]] = {}
        self._names = {*wish.prefer, *wish.avoid, *wish.measured, *singled_out} & self.index.by_id.keys()
        for name in self._names:
            self._single.setdefault(self.index.place(name), []).append(self.index.by_id[name])

    def units(self, entry: Entry) -> int:
        """Return an entry's score in ten-thousandths."""
        return self.scorer.units(entry.capability, entry.traits, entry.steady, (entry.makes & self.wanted).bit_count())

    def singles(self, shape: Shape) -> Sequence[Entry]:
        """Return the entries of a shape that have to be looked at one by one."""
        return shape.entries if shape.place < 0 else self._single.get(shape.place, ())

    def cheapest(self, shape: Shape) -> tuple[Priced | None, Priced | None]:
        """Return of those that are not singled out the cheapest at or above the minimum, and the cheapest below it."""
        good: Priced | None = None
        bad: Priced | None = None
        if not self._by_score:
            return self._thriftiest(shape), None
        aligned = self._aligned(shape)
        for group in shape.groups:
            found = self._cheapest_of(group, aligned)
            if found is None:
                continue
            fits, best = found
            if fits:
                good = best if good is None or best < good else good
            else:
                bad = best if bad is None or best < bad else bad
        return good, bad

    def units_of(self, shapes: Iterable[Shape]) -> Iterator[tuple[Shape, int]]:
        """Yield for plain shapes the score of the one entry in ten-thousandths.

        Written out in one go, since a registry may have ten thousand of them.
        """
        bases, scorer, wanted = self._base, self.scorer, self.wanted
        weight, whole = scorer.cost_weight, scorer.whole
        by_count: dict[int, list[int]] = {}
        for shape in shapes:
            sort, cost = shape.lone or (0, 0)
            base = bases[sort]
            if base is None:
                base = self._base_of(sort)
            made = shape.made
            if made not in by_count:
                by_count[made] = [scorer.aligned(count, made) for count in range(made + 1)]
            weighed = base + by_count[made][(shape.makes & wanted).bit_count()] + weight * cost
            yield shape, (2 * weighed + whole) // (2 * whole)

    def is_plain(self, shape: Shape) -> bool:
        """Whether a shape has one entry that is not singled out, and its score decides its price."""
        return shape.lone is not None and shape.place not in self._single and self._by_score

    def best(self, shapes: Iterable[Shape], count: int) -> list[Ranked]:
        """Return the `count` entries of the best scores, equals by id."""
        lone: list[Shape] = []
        found: list[Ranked] = []
        for shape in shapes:
            if shape.lone is not None and shape.place not in self._single:
                lone.append(shape)
            else:
                found += self._best_of(shape, count)
        leading = nsmallest(count, [(-units, shape.names[0], shape) for shape, units in self.units_of(lone)])
        return nsmallest(count, (*found, *(Ranked(units, name, s.entries[0]) for units, name, s in leading)))

    def _best_of(self, shape: Shape, count: int) -> Iterator[Ranked]:
        for entry in self.singles(shape):
            yield Ranked(-self.units(entry), entry.name, entry)
        aligned = self._aligned(shape)
        for group in shape.groups:
            base, taken, last = self._weighed(group, aligned), 0, None
            for cost, entries in group.levels:
                units = self.scorer.mean(base, cost)
                if taken >= count and units != last:
                    break
                last = units
                for entry in entries[: count + len(self._names)]:
                    if entry.name not in self._names:
                        taken += 1
                        yield Ranked(-units, entry.name, entry)

    def _thriftiest(self, shape: Shape) -> Priced | None:
        return next((Priced(n, e.name, e) for n, e in shape.thrifty if e.name not in self._names), None)

    def _cheapest_of(self, group: Group, aligned: int) -> tuple[bool, Priced] | None:
        """Return whether the cheapest of a group reaches the minimum, and which it is."""
        base, scorer, names = self._weighed(group, aligned), self.scorer, self._names
        best: Priced | None = None
        fits = True
        for cost, entries in group.levels:
            units = scorer.mean(base, cost)
            price = scorer.merit_points(units)
            if best is not None and (price != best.price or fits != (units >= self.least)):
                break
            entry = next((e for e in entries if e.name not in names), None)
            if entry is not None and (best is None or entry.name < best.name):
                best, fits = Priced(price, entry.name, entry), units >= self.least
        return None if best is None else (fits, best)

    def _aligned(self, shape: Shape) -> int:
        wanted = (shape.makes & self.wanted).bit_count()
        known = self._by_count.get((wanted, shape.made))
        if known is None:
            known = self._by_count[wanted, shape.made] = self.scorer.aligned(wanted, shape.made)
        return known

    def _weighed(self, group: Group, aligned: int) -> int:
        base = self._base[group.sort]
        return (self._base_of(group.sort) if base is None else base) + aligned

    def _base_of(self, sort: int) -> int:
        traits, health = self.index.sorts[sort]
        base = self._base[sort] = self.scorer.base(traits, health)
        return base


def is_accepted(name: str, accepted: frozenset[str]) -> bool:
    """Whether a person has chosen a candidate, or the registration that it is derived from."""
    return (original_of(name) or name) in accepted
