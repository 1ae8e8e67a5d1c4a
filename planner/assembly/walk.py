"""Walk over sets of rows, those of the least bound first, to the cheapest solution within a limit."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from planner.assembly.landmarks import Landmark
from planner.assembly.rows import Row, reach, single_bits


class _State(NamedTuple):
    """What the queue is sorted by: the bound, how many rows, which; then the rows as bits, their cost, their marks.

    The bound is the cost of the rows and the prices of the landmarks that they miss; `hit` are those they do not miss.
    """

    bound: int
    size: int
    places: tuple[int, ...]
    rows: int
    cost: int
    hit: int


_Key = tuple[int, int, int, int]
"""What a state can still become: what it needs makers for, what it makes of what may be asked for yet, what of that
is made outside of rings, and which of its rows may be part of one."""


class Walk:
    """Best-first search over sets of rows; sets are bits, one for each row in the order of their names."""

    def __init__(
        self,
        rows: Iterable[Row],
        marks: Sequence[Landmark],
        given: int,
        goals: int,
        pins: frozenset[str],
        limit: int,
    ) -> None:
        self.given, self.goals, self.limit = given, goals, limit
        self.rows = sorted(rows, key=lambda row: row.name)
        self.least = min((row.cost for row in self.rows if row.name not in pins), default=0)
        self.prices = [mark.price for mark in marks]
        self.hits = _hits(self.rows, marks)
        self.behind = self._behind()
        self.asking = _turned(self.behind)
        self.needable: dict[int, int] = {}
        self.ringed = sum(1 << i for i, row in enumerate(self.rows) if self._needable(row.needs) & row.makes)
        self.start = self._start([i for i, row in enumerate(self.rows) if row.name in pins])
        self.makers = self._makers()

    def run(self, max_states: int) -> tuple[list[Row] | None, int]:
        """Return the best solution and how many states that took; no solution where none is within the limit.

        None stands also for a search that ended with its states.
        """
        queue = [self.start] if self.start.bound <= self.limit else []
        seen = {self.start.rows}
        known: dict[_Key, tuple[int, int, tuple[int, ...]]] = {}
        for taken in range(max_states):
            if not queue:
                return None, taken
            state = heapq.heappop(queue)
            picked = self._picked(state.rows)
            unmet, made = self._unmet(picked)
            if not unmet:
                return picked, taken + 1
            key, mine = self._key(state.rows, unmet, made), (state.cost, state.size, state.places)
            # Another state can become the same for less, so this one need not.
            if key in known and known[key] < mine:
                continue
            known[key] = mine
            for place in self._grow(unmet, made):
                rows = state.rows | 1 << place
                if rows not in seen and self._may_do(self.rows[place], state.cost, unmet, made):
                    seen.add(rows)
                    grown = self._with(state, place)
                    if grown is not None:
                        heapq.heappush(queue, grown)
        return None, max_states

    def _start(self, places: Sequence[int]) -> _State:
        """Return the state that holds the pinned rows alone."""
        hit = 0
        for place in places:
            hit |= self.hits[place]
        cost = sum(self.rows[place].cost for place in places)
        rows = sum(1 << place for place in places)
        return _State(cost + self._missed(hit), len(places), tuple(places), rows, cost, hit)

    def _missed(self, hit: int) -> int:
        return sum(price for i, price in enumerate(self.prices) if not hit >> i & 1)

    def _with(self, state: _State, place: int) -> _State | None:
        """Return the state with one row more, None where that costs too much."""
        row, fresh = self.rows[place], self.hits[place] & ~state.hit
        bound = state.bound + row.cost
        for bit in single_bits(fresh):
            bound -= self.prices[bit.bit_length() - 1]
        if bound > self.limit:
            return None
        places = tuple(sorted((*state.places, place)))
        return _State(bound, state.size + 1, places, state.rows | 1 << place, state.cost + row.cost, state.hit | fresh)

    def _may_do(self, row: Row, cost: int, unmet: int, made: int) -> bool:
        """Whether there is money left for further rows behind this one, or it leaves nothing to be made."""
        if cost + row.cost + self.least <= self.limit:
            return True
        return not (unmet | row.needs) & ~(made | row.makes | self.given)

    def _key(self, state: int, unmet: int, made: int) -> _Key:
        open_ends, rings = unmet & ~made, state & self.ringed
        asked = self._needable(open_ends)
        for row in self._picked(rings):
            asked |= row.needs | self._needable(row.needs)
        outside = 0
        for row in self._picked(state & ~rings):
            outside |= row.makes
        return open_ends, made & asked, outside & asked, rings

    def _behind(self) -> dict[int, int]:
        """Return for each facet all that may be needed, in however roundabout a way, to have it."""
        behind: dict[int, int] = {}
        for row in self.rows:
            for bit in single_bits(row.makes):
                behind[bit] = behind.get(bit, 0) | row.needs & ~self.given
        for middle in list(behind):
            for bit, found in behind.items():
                if found & middle:
                    behind[bit] = found | behind[middle]
        return behind

    def _needable(self, bits: int) -> int:
        found = self.needable.get(bits)
        if found is None:
            found = 0
            for bit in single_bits(bits):
                found |= self.behind.get(bit, 0)
            self.needable[bits] = found
        return found

    def _makers(self) -> dict[int, list[int]]:
        """Return who makes a facet, without each row that no solution within the limit can hold."""
        makers: dict[int, list[int]] = {}
        for place, row in enumerate(self.rows):
            if self.start.rows >> place & 1 or self._with(self.start, place) is not None:
                for bit in single_bits(row.makes):
                    makers.setdefault(bit, []).append(place)
        return makers

    def _picked(self, state: int) -> list[Row]:
        return [self.rows[bit.bit_length() - 1] for bit in single_bits(state)]

    def _unmet(self, picked: Sequence[Row]) -> tuple[int, int]:
        """Return what the picked rows and the goals still lack, and all that the picked rows make."""
        wanted, made = self.goals, 0
        for row in picked:
            wanted |= row.needs
            made |= row.makes
        return wanted & ~reach(picked, self.given)[0], made

    def _grow(self, unmet: int, made: int) -> Iterable[int]:
        """Return the place of every row that makes something unmet and one of which any solution from here must add.

        A facet that no picked row makes must get a maker from outside, so looking at one such facet loses nothing. Best
        is one that no other unmet facet may still ask for, then the one with the fewest makers. If picked rows wait for
        each other in a ring, any unmet facet may be the one where the ring is opened.
        """
        plain, makers = list(single_bits(unmet & ~made)), self.makers
        if len(plain) == 1:
            return makers.get(plain[0], ())
        if plain:
            asking = self.asking
            bit = min(plain, key=lambda b: (bool((unmet ^ b) & asking.get(b, 0)), len(makers.get(b, ())), b))
            return makers.get(bit, ())
        return dict.fromkeys(place for bit in single_bits(unmet) for place in makers.get(bit, ()))


def _hits(rows: Sequence[Row], marks: Sequence[Landmark]) -> list[int]:
    """Return for each row the landmarks that it is part of, as bits."""
    found = dict.fromkeys((row.name for row in rows), 0)
    for i, mark in enumerate(marks):
        for name in mark.names:
            if name in found:
                found[name] |= 1 << i
    return list(found.values())


def _turned(behind: Mapping[int, int]) -> dict[int, int]:
    """Return for each facet all that may ask for it, given what each may ask for."""
    asking: dict[int, int] = {}
    for bit, found in behind.items():
        for need in single_bits(found):
            asking[need] = asking.get(need, 0) | bit
    return asking
