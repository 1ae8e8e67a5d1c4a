"""A registry prepared for planning once: who makes what, what may be chosen at all, all of it as bits.

Large registries have few shapes: capabilities that need and make the same. Within a shape, those that say the same of
themselves differ in their price alone. So a request walks over shapes, and looks at the best of each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from planner.assembly.request import STANDING_REFUSALS
from planner.assembly.rows import Bits
from planner.assembly.scoring import Steady, Traits, tokens
from planner.contracts.capabilities import Capability, RegistrySnapshot

_KEPT = 8


class Entry(NamedTuple):
    """A capability that a plan may use; `makes` has a second bit for each facet (made anew) and one for its kind."""

    capability: Capability
    traits: Traits
    steady: Steady
    needs: int
    makes: int
    name: str


class Group(NamedTuple):
    """Entries of one shape, traits and health: `levels` are (cost part, entries by id), the cheapest first.

    `sort` is the place of their traits and health in `RegistryIndex.sorts`.
    """

    sort: int
    levels: tuple[tuple[int, tuple[Entry, ...]], ...]


class Shape:
    """Entries that need and make the same; `place` is its number in the index, -1 of one made for a request.

    `lone` are the sort and the cost part of an entry that has its shape for itself: then there is nothing to compare.
    """

    __slots__ = ("_thrifty", "entries", "groups", "kind", "lone", "made", "makes", "names", "needs", "place")

    def __init__(self, place: int, entries: tuple[Entry, ...], groups: tuple[Group, ...]) -> None:
        first = entries[0]
        self.place, self.entries, self.groups = place, entries, groups
        self.needs, self.makes = first.needs, first.makes
        self.kind, self.made = first.capability.kind, len(first.capability.output_facets)
        self.names = tuple(entry.name for entry in entries)
        self.lone = (groups[0].sort, groups[0].levels[0][0]) if groups and len(entries) == 1 else None
        self._thrifty: tuple[tuple[int, Entry], ...] | None = None

    @property
    def thrifty(self) -> tuple[tuple[int, Entry], ...]:
        """The entries with their estimated tokens, fewest first, equals by id."""
        if self._thrifty is None:
            found = [(tokens(entry.capability), entry) for entry in self.entries]
            self._thrifty = tuple(sorted(found, key=lambda pair: (pair[0], pair[1].name)))
        return self._thrifty


class Codes:
    """The bits of a request: facets, goals "somebody makes this", which being given does not satisfy, and kinds."""

    def __init__(self, bits: Bits) -> None:
        self._bits = bits

    def copy(self) -> Codes:
        return Codes(self._bits.copy())

    def facets(self, names: Iterable[str]) -> int:
        return self._bits.of(("facet", name) for name in names)

    def made(self, names: Iterable[str]) -> int:
        return self._bits.of(("made", name) for name in names)

    def kinds(self, names: Iterable[str]) -> int:
        return self._bits.of(("kind", name) for name in names)

    def names(self, mask: int) -> frozenset[str]:
        """Return the facets of a mask."""
        return self._of_sort("facet", mask)

    def makeable(self, mask: int) -> frozenset[str]:
        """Return the facets of which the mask says that somebody makes them."""
        return self._of_sort("made", mask)

    def _of_sort(self, wanted: str, mask: int) -> frozenset[str]:
        found = [code for code in self._bits.names(mask) if isinstance(code, tuple)]
        return frozenset(name for sort, name in found if sort == wanted)

    def entry(self, capability: Capability) -> Entry:
        made = capability.output_facets
        makes = self.facets(made) | self.made(made) | self.kinds([capability.kind])
        needs = self.facets(capability.input_facets)
        return Entry(capability, Traits.of(capability), Steady.of(capability), needs, makes, capability.capability_id)


class RegistryIndex:
    """What planning asks of a registry again and again."""

    def __init__(self, registry: RegistrySnapshot) -> None:
        self.registry = registry
        self.codes = Codes(Bits())
        able = [c for c in registry.capabilities if not any(rule(c) for rule in STANDING_REFUSALS.values())]
        self._traits: dict[Traits, Traits] = {}
        self._steady: dict[Steady, Steady] = {}
        self.entries = tuple(map(self._entry, sorted(able, key=lambda c: c.capability_id)))
        self.by_id = {entry.name: entry for entry in self.entries}
        self._sorts: dict[tuple[Traits, int], int] = {}
        self.shapes = tuple(self._shapes())
        self._places = {(shape.needs, shape.makes): shape.place for shape in self.shapes}
        self.sorts = tuple(self._sorts)
        self.supporters = tuple(entry for entry in self.entries if entry.capability.supported_facets)
        self.validators = tuple(e.capability for e in self.entries if e.capability.kind == "validation")

    def place(self, name: str) -> int:
        """Return the number of the shape that holds a capability, -1 for one that no plan may use."""
        entry = self.by_id.get(name)
        return -1 if entry is None else self._places[entry.needs, entry.makes]

    def without(self, shape: Shape, names: Iterable[str]) -> Shape | None:
        """Return a shape of the index without some of its entries, None if none is left."""
        left = tuple(entry for entry in shape.entries if entry.name not in set(names))
        return Shape(shape.place, left, self._groups(left)) if left else None

    def _entry(self, capability: Capability) -> Entry:
        """Return a capability's entry; what many of them say alike is kept once."""
        entry = self.codes.entry(capability)
        return entry._replace(
            traits=self._traits.setdefault(entry.traits, entry.traits),
            steady=self._steady.setdefault(entry.steady, entry.steady),
        )

    def _shapes(self) -> Iterator[Shape]:
        for place, entries in enumerate(_alike(self.entries)):
            yield Shape(place, entries, self._groups(entries))

    def _groups(self, entries: Iterable[Entry]) -> tuple[Group, ...]:
        found: dict[int, dict[int, list[Entry]]] = {}
        for entry in entries:
            sort = self._sorts.setdefault((entry.traits, entry.steady.health), len(self._sorts))
            found.setdefault(sort, {}).setdefault(entry.steady.cost, []).append(entry)
        return tuple(
            Group(sort, tuple((cost, tuple(levels[cost])) for cost in sorted(levels, reverse=True)))
            for sort, levels in found.items()
        )

    @cached_property
    def makers(self) -> dict[str, tuple[Capability, ...]]:
        """All capabilities that make a facet, whether they may be chosen or not, by id."""
        found: dict[str, list[Capability]] = {}
        for capability in sorted(self.registry.capabilities, key=lambda c: c.capability_id):
            for facet in capability.output_facets:
                found.setdefault(facet, []).append(capability)
        return {facet: tuple(capabilities) for facet, capabilities in found.items()}

    @cached_property
    def places_of_makers(self) -> dict[str, tuple[int, ...]]:
        """The numbers of the shapes that make a facet."""
        found: dict[str, list[int]] = {}
        for shape in self.shapes:
            for facet in shape.entries[0].capability.output_facets:
                found.setdefault(facet, []).append(shape.place)
        return {facet: tuple(places) for facet, places in found.items()}

    @cached_property
    def idle(self) -> dict[str, tuple[Capability, ...]]:
        """The capabilities that make a facet and that no plan may use, by id."""
        refused = {
            facet: tuple(c for c in found if c.capability_id not in self.by_id) for facet, found in self.makers.items()
        }
        return {facet: found for facet, found in refused.items() if found}


def shapes_for_request(entries: Iterable[Entry]) -> tuple[Shape, ...]:
    """Return entries that only one request knows as shapes that stand in no index."""
    return tuple(Shape(-1, alike, ()) for alike in _alike(entries))


def _alike(entries: Iterable[Entry]) -> Iterator[tuple[Entry, ...]]:
    found: dict[tuple[int, int], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.needs, entry.makes), []).append(entry)
    return map(tuple, found.values())


_indexes: OrderedDict[int, tuple[RegistrySnapshot, RegistryIndex]] = OrderedDict()


def index_of(registry: RegistrySnapshot) -> RegistryIndex:
    """Return the index of a snapshot, made once for all snapshots of the last few that plan alike."""
    known = _indexes.get(id(registry))
    # The snapshot is kept beside its index, so its id is nobody else's.
    if known is not None:
        return known[1]
    alike = (index for other, index in list(_indexes.values()) if other.digest == registry.digest)
    found = next(alike, None) or RegistryIndex(registry)
    _indexes[id(registry)] = (registry, found)
    while len(_indexes) > _KEPT:
        _indexes.popitem(last=False)
    return found
