"""A registry prepared for planning once: who makes what, what may be chosen at all, all of it as bits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from planner.assembly.request import STANDING_REFUSALS
from planner.assembly.rows import Bits
from planner.assembly.scoring import Steady, Traits
from planner.contracts.capabilities import Capability, RegistrySnapshot

_KEPT = 8


class Entry(NamedTuple):
    """A capability that a plan may use; `makes` has a second bit for each facet (made anew) and one for its kind."""

    capability: Capability
    traits: Traits
    steady: Steady
    needs: int
    makes: int


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
        found = [code for code in self._bits.names(mask) if isinstance(code, tuple)]
        return frozenset(name for sort, name in found if sort == "facet")

    def entry(self, capability: Capability) -> Entry:
        made = capability.output_facets
        makes = self.facets(made) | self.made(made) | self.kinds([capability.kind])
        needs = self.facets(capability.input_facets)
        return Entry(capability, Traits.of(capability), Steady.of(capability), needs, makes)


class RegistryIndex:
    """What planning asks of a registry again and again."""

    def __init__(self, registry: RegistrySnapshot) -> None:
        self.registry = registry
        self.codes = Codes(Bits())
        able = [c for c in registry.capabilities if not any(rule(c) for rule in STANDING_REFUSALS.values())]
        self.entries = tuple(self.codes.entry(c) for c in sorted(able, key=lambda c: c.capability_id))
        self.supporters = tuple(entry for entry in self.entries if entry.capability.supported_facets)
        self.validators = tuple(e.capability for e in self.entries if e.capability.kind == "validation")

    @cached_property
    def makers(self) -> dict[str, tuple[Capability, ...]]:
        """All capabilities that make a facet, whether they may be chosen or not, by id."""
        found: dict[str, list[Capability]] = {}
        for capability in sorted(self.registry.capabilities, key=lambda c: c.capability_id):
            for facet in capability.output_facets:
                found.setdefault(facet, []).append(capability)
        return {facet: tuple(capabilities) for facet, capabilities in found.items()}


_indexes: OrderedDict[int, RegistryIndex] = OrderedDict()


def index_of(registry: RegistrySnapshot) -> RegistryIndex:
    """Return the index of a snapshot, made once for each of the last few."""
    known = _indexes.get(id(registry))
    # The index holds its snapshot, so the id of a kept one is nobody else's.
    if known is None:
        known = RegistryIndex(registry)
        _indexes[id(registry)] = known
        while len(_indexes) > _KEPT:
            _indexes.popitem(last=False)
    return known
