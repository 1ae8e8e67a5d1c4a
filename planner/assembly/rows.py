"""Options as rows of bits, so that a large registry is walked in milliseconds: reach, bounds, what another replaces.

Each facet has one bit. A row can run once its `needs` are had; from then on its `makes` are had too.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar


class Row(NamedTuple):
    """An option: its price (points, never below 0), its name, and the bits of what it needs and makes."""

    cost: int
    name: str
    needs: int
    makes: int


Offer = tuple[int, str, int, int]
"""A row as a plain tuple: a registry has thousands that no search looks at twice, and the collector forgets these."""


class Distances(NamedTuple):
    """What `distances` found: for each bit a cost below which no plan has it, and the row that gives it so cheaply."""

    costs: Mapping[int, int]
    makers: Mapping[int, Offer]
    starts: Mapping[str, int]
    """For each row that can run within the limit the bound on its needs."""
    dearest: Mapping[str, int]
    """For each such row the need that sets the bound, 0 where everything is given."""


class Bits:
    """The bit of each name, given out in the order of asking."""

    def __init__(self, bits: Mapping[Hashable, int] | None = None) -> None:
        self._bits = dict(bits or {})

    def copy(self) -> Bits:
        """Return bits that go on from here without changing these."""
        return Bits(self._bits)

    def of(self, names: Iterable[Hashable]) -> int:
        mask = 0
        for name in names:
            mask |= self._bits.setdefault(name, 1 << len(self._bits))
        return mask

    def names(self, mask: int) -> Iterator[Hashable]:
        return (name for name, bit in self._bits.items() if mask & bit)


def single_bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        mask ^= low
        yield low


class Shaped(Protocol):
    """Anything that needs and makes."""

    @property
    def needs(self) -> int: ...

    @property
    def makes(self) -> int: ...


T = TypeVar("T", bound=Shaped)


def reach(rows: Iterable[T], given: int) -> tuple[int, list[T]]:
    """Return everything that can be had, and the rows that can run, in waves: each as early as it can."""
    had, left = given, list(rows)
    running: list[T] = []
    while True:
        ready = [row for row in left if not row.needs & ~had]
        if not ready:
            return had, running
        left = [row for row in left if row.needs & ~had]
        for row in ready:
            had |= row.makes
        running += ready


def toward(rows: Iterable[T], wanted: int) -> tuple[int, list[T]]:
    """Return everything that is wanted, directly or as somebody's need, and the rows that make any of it."""
    left, on_path = list(rows), list[T]()
    while True:
        found = [row for row in left if row.makes & wanted]
        if not found:
            return wanted, on_path
        left = [row for row in left if not row.makes & wanted]
        for row in found:
            wanted |= row.needs
        on_path += found


def distances(
    rows: Iterable[Offer], given: int, limit: int | None = None, *, summed: bool = False, until: int = -1
) -> Distances:
    """Return the bound on each facet's cost: the dearest need of its cheapest maker, then the maker itself.

    With `summed` the needs are added up instead: no bound, since what they share counts twice, but a better guide.

    Facets are settled cheapest first, so the need that is settled last is the dearest. A row waits at one of its unmet
    needs at a time. Nothing beyond `limit` is looked at, and nothing once all that is in `until` is settled.
    """
    settled = given
    costs: dict[int, int] = dict.fromkeys(single_bits(given), 0)
    makers: dict[int, Offer] = {}
    starts: dict[str, int] = {}
    dearest: dict[str, int] = {}
    best: dict[int, int] = {}
    waiting: dict[int, list[Offer]] = {}
    front: list[tuple[int, int]] = []
    ready: Iterable[Offer] = rows
    at = last = 0
    while True:
        for row in ready:
            price, name, needs, makes = row
            missing = needs & ~settled
            if missing:
                missing &= -missing
                if missing in waiting:
                    waiting[missing].append(row)
                else:
                    waiting[missing] = [row]
                continue
            start = sum(costs[bit] for bit in single_bits(needs)) if summed else at
            starts[name], dearest[name] = start, last
            cost = start + price
            makes &= ~settled
            while makes:
                bit = makes & -makes
                makes ^= bit
                if bit not in best or cost < best[bit]:
                    best[bit] = cost
                    makers[bit] = row
                    heapq.heappush(front, (cost, bit))
        while front and settled & front[0][1]:
            heapq.heappop(front)
        if not front or not until & ~settled:
            break
        at, last = heapq.heappop(front)
        if limit is not None and at > limit:
            break
        settled |= last
        costs[last] = at
        ready = waiting.pop(last, ())
    return Distances(costs, makers, starts, dearest)


def distances_to(rows: Iterable[Row], targets: int) -> dict[str, int]:
    """Return for each row what a plan that uses it pays at least behind it, on the way to a target."""
    found: dict[str, int] = {}
    makers: dict[int, list[Row]] = {}
    for row in rows:
        makes = row.makes
        while makes:
            bit = makes & -makes
            makes ^= bit
            if bit in makers:
                makers[bit].append(row)
            else:
                makers[bit] = [row]
    best = dict.fromkeys(single_bits(targets), 0)
    front = [(0, bit) for bit in best]
    heapq.heapify(front)
    done = 0
    while front:
        at, bit = heapq.heappop(front)
        if done & bit:
            continue
        done |= bit
        for price, name, needs, _ in makers.get(bit, ()):
            if name in found:
                continue
            found[name] = at
            cost, left = at + price, needs & ~done
            while left:
                need = left & -left
                left ^= need
                if need not in best or cost < best[need]:
                    best[need] = cost
                    heapq.heappush(front, (cost, need))
    return found


def undominated(rows: Sequence[Row], wanted: int, kept: frozenset[str]) -> list[Row]:
    """Return the rows without those that another one replaces: it needs no more, makes no less, costs no more.

    What counts as made is what is `wanted` or somebody's need. Rows named in `kept` stay. Taken in the order of their
    cost, a row can only be replaced by an earlier one, which stands among the makers of each of its facets.
    """
    useful = wanted
    for row in rows:
        useful |= row.needs
    makers: dict[int, list[tuple[int, int]]] = {}
    found: list[Row] = []
    for row in sorted(rows, key=lambda r: (r.cost, r.needs.bit_count(), -(r.makes & useful).bit_count(), r.name)):
        made = row.makes & useful
        rivals: list[tuple[int, int]] | None = None
        for bit in single_bits(made):
            others = makers.get(bit)
            if others is None:
                rivals = None
                break
            if rivals is None or len(others) < len(rivals):
                rivals = others
        replaced = not made or any(not needs & ~row.needs and not made & ~makes for needs, makes in rivals or ())
        if replaced and row.name not in kept:
            continue
        found.append(row)
        for bit in single_bits(made):
            makers.setdefault(bit, []).append((row.needs, made))
    return found
