"""Find the set of capabilities of least total cost that produces every target: delete-free planning, solved exactly.

A *state* is a set of chosen rows. It is a solution when every target and every chosen row's need can be had from what
is given and what the chosen ones make, in some order. Otherwise something is unmet, and whichever solution grows out of
the state must add a maker of it: those are its successors. States are taken in the order of a bound below which no
solution that holds them can cost, so the first solution taken is the best one. Equal costs are settled by fewer rows,
then by their names.

Before that the rows are thinned, which is why large registries are quick: a first solution gives a cost that the best
one does not exceed, so every row goes whose cheapest way through it, from what is given to a target, costs more; then
those that another one replaces; then those that the landmarks price out.

The search is exact for up to `MAX_STATES` states; beyond that the best solution known is returned, marked `exact:
False`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planner.assembly.landmarks import Landmark, find_landmarks
from planner.assembly.rows import (
    Row,
    distances,
    distances_to,
    reach,
    single_bits,
    toward,
    undominated,
)

MAX_STATES = 20_000


@dataclass(frozen=True, slots=True)
class Found:
    """The chosen rows in an order in which they can run, their total cost, and whether it is proved least."""

    chosen: tuple[Row, ...]
    cost: int
    exact: bool
    states: int


def solve(
    rows: Sequence[Row], given: int, targets: int, pins: frozenset[str] = frozenset(), *, max_states: int = MAX_STATES
) -> Found | None:
    """Return the cheapest choice of rows that makes `targets` out of `given` and holds every pin, None without one."""
    pinned = [row for row in rows if row.name in pins]
    goals = targets
    for row in pinned:
        goals |= row.needs
    free = _cheapest_of_each(rows, pins)
    had, runnable = reach(free, given)
    if goals & ~had or len(pinned) != len(pins):
        return None
    _, useful = toward(runnable, goals)
    found = {row.name for row in useful}
    idle = [row for row in runnable if row.name in pins and row.name not in found]
    thinned, best = _thin(useful + idle, given, goals, pins)
    costs = {row.name: row.cost for row in rows}
    chosen, exact, states = _Search(thinned, given, goals, pins).run(best, max_states)
    ordered = reach(sorted(chosen, key=lambda row: row.name), given)[1]
    told = tuple(row._replace(cost=costs[row.name]) for row in ordered)
    return Found(told, sum(row.cost for row in told), exact, states)


def _cheapest_of_each(rows: Iterable[Row], pins: frozenset[str]) -> list[Row]:
    """Return the cheapest row of each pair of needs and makes, and every pinned row.

    Pinned rows are paid for whatever else is chosen, so the search sees them as free. What a row needs it does not
    make.
    """
    best: dict[tuple[int, int], Row] = {}
    pinned: list[Row] = []
    for row in rows:
        cost, name, needs, makes = row
        if name in pins:
            pinned.append(Row(0, name, needs, makes & ~needs))
            continue
        known = best.get((needs, makes))
        if known is None or (cost, name) < (known[0], known[1]):
            best[needs, makes] = row
    plain = (row._replace(makes=row.makes & ~row.needs) if row.makes & row.needs else row for row in best.values())
    return [*pinned, *plain]


def _thin(rows: list[Row], given: int, goals: int, pins: frozenset[str]) -> tuple[list[Row], list[Row]]:
    """Return the rows that a best solution may hold, and a first solution."""
    first = _rough_solution(rows, given, goals, pins)
    limit = _cost(first)
    starts = distances(rows, given, limit).starts
    near = [r for r in rows if r.name in pins or (r.name in starts and starts[r.name] + r.cost <= limit)]
    behind = distances_to(near, goals)

    def within(found: Iterable[Row], limit: int) -> list[Row]:
        """Return the rows by which a way from what is given to a goal costs no more than the limit."""
        through = {r.name: starts[r.name] + r.cost + behind[r.name] for r in found if r.name in behind}
        return [r for r in found if r.name in pins or through.get(r.name, limit + 1) <= limit]

    thinned = undominated(within(near, limit), goals, pins)
    second = _first_solution(thinned, given, goals, pins)
    best = min(first, second, key=_cost)
    return within(thinned, _cost(best)), best


def _rough_solution(rows: Sequence[Row], given: int, goals: int, pins: frozenset[str]) -> list[Row]:
    """Return a solution made of what looks like the cheapest maker of each thing in turn."""
    makers = distances(rows, given, summed=True).makers
    chosen = {row.name: row for row in rows if row.name in pins}
    front, seen = goals & ~given, given
    while front:
        bit = front & -front
        seen |= bit
        row = makers[bit]
        chosen.setdefault(row.name, row)
        front = (front | row.needs) & ~seen
    return _without_idle(list(chosen.values()), given, goals, pins)


def _first_solution(rows: Sequence[Row], given: int, goals: int, pins: frozenset[str]) -> list[Row]:
    """Return a good solution: the dearest goal by its cheapest chain, then the next, what was chosen being free."""
    chosen = {row.name: row for row in rows if row.name in pins}
    while True:
        had, _ = reach(chosen.values(), given)
        if not goals & ~had:
            return _without_idle(list(chosen.values()), given, goals, pins)
        priced = [row._replace(cost=0) if row.name in chosen else row for row in rows]
        found = distances(priced, given, summed=True)
        front = max(single_bits(goals & ~had), key=lambda bit: found.costs[bit])
        seen = given
        while front:
            bit = front & -front
            seen |= bit
            row = found.makers[bit]
            chosen.setdefault(row.name, row)
            front = (front | row.needs) & ~seen


def _without_idle(chosen: list[Row], given: int, goals: int, pins: frozenset[str]) -> list[Row]:
    for row in sorted(chosen, key=lambda r: (-r.cost, r.name)):
        rest = [other for other in chosen if other is not row]
        had, running = reach(rest, given)
        if row.name not in pins and not goals & ~had and len(running) == len(rest):
            chosen = rest
    return chosen


_Entry = tuple[int, int, tuple[int, ...], int]
"""What the queue is sorted by: the bound, how many rows, which; last the state itself."""
_Key = tuple[int, int, int, int]
"""What a state can still become: what it needs makers for, what it makes of what may be asked for yet, what of that
is made outside of rings, and which of its rows may be part of one."""


def _cost(rows: Iterable[Row]) -> int:
    return sum(row.cost for row in rows)


class _Search:
    """Best-first search over sets of rows; sets are bits, one for each row in the order of their names."""

    def __init__(self, rows: Sequence[Row], given: int, goals: int, pins: frozenset[str]) -> None:
        marks = find_landmarks(rows, given, goals)
        self.given, self.goals = given, goals
        self.rows = sorted(rows, key=lambda row: row.name)
        self.start = sum(1 << i for i, row in enumerate(self.rows) if row.name in pins)
        self.marks = self._marked(marks)
        self.behind = self._behind()
        self.ringed = sum(1 << i for i, row in enumerate(self.rows) if self._needable(row.needs) & row.makes)

    def run(self, first: list[Row], max_states: int) -> tuple[list[Row], bool, int]:
        """Return the best solution, whether it is proved so, and how many states that took."""
        limit = _cost(first)
        self._price_out(limit)
        queue: list[_Entry] = []
        seen: set[int] = set()
        known: dict[_Key, tuple[int, int, tuple[int, ...]]] = {}
        self._push(queue, seen, self.start, limit)
        for taken in range(max_states):
            if not queue:
                break
            _, size, places, state = heapq.heappop(queue)
            picked = self._picked(state)
            unmet, made = self._unmet(picked)
            if not unmet:
                return picked, True, taken + 1
            key, mine = self._key(state, unmet, made), (_cost(picked), size, places)
            # Another state can become the same for less, so this one need not.
            if key in known and known[key] < mine:
                continue
            known[key] = mine
            for grown in self._grow(state, unmet, made):
                self._push(queue, seen, grown, limit)
        return first, False, max_states

    def _push(self, queue: list[_Entry], seen: set[int], state: int, limit: int) -> None:
        """Put a state in the queue unless it is there or costs too much."""
        if state in seen:
            return
        seen.add(state)
        bound = self._bound(state)
        if bound <= limit:
            places = tuple(bit.bit_length() for bit in single_bits(state))
            heapq.heappush(queue, (bound, len(places), places, state))

    def _key(self, state: int, unmet: int, made: int) -> _Key:
        open_ends, rings = unmet & ~made, state & self.ringed
        asked = self._needable(open_ends)
        for row in self._picked(rings):
            asked |= row.needs | self._needable(row.needs)
        outside = 0
        for row in self._picked(state & ~rings):
            outside |= row.makes
        return open_ends, made & asked, outside & asked, rings

    def _marked(self, marks: Iterable[Landmark]) -> list[tuple[int, int]]:
        position = {row.name: 1 << i for i, row in enumerate(self.rows)}
        return [(mark.price, sum(position[name] for name in mark.names)) for mark in marks]

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
        found = 0
        for bit in single_bits(bits):
            found |= self.behind.get(bit, 0)
        return found

    def _price_out(self, limit: int) -> None:
        """Leave out each row that no solution within the limit can hold."""
        self.makers: dict[int, list[int]] = {}
        for i, row in enumerate(self.rows):
            if self._bound(self.start | 1 << i) <= limit:
                for bit in single_bits(row.makes):
                    self.makers.setdefault(bit, []).append(1 << i)

    def _bound(self, state: int) -> int:
        return _cost(self._picked(state)) + sum(price for price, holders in self.marks if not holders & state)

    def _picked(self, state: int) -> list[Row]:
        return [self.rows[bit.bit_length() - 1] for bit in single_bits(state)]

    def _unmet(self, picked: Sequence[Row]) -> tuple[int, int]:
        """Return what the picked rows and the goals still lack, and all that the picked rows make."""
        wanted, made = self.goals, 0
        for row in picked:
            wanted |= row.needs
            made |= row.makes
        return wanted & ~reach(picked, self.given)[0], made

    def _grow(self, state: int, unmet: int, made: int) -> Iterable[int]:
        """Yield every state that one more maker of something unmet leads to.

        A facet that no picked row makes must get a maker from outside, so looking at one such facet loses nothing. Best
        is one that no other unmet facet may still ask for, then the one with the fewest makers. If picked rows wait for
        each other in a ring, any unmet facet may be the one where the ring is opened.
        """
        plain = list(single_bits(unmet & ~made))
        if plain:
            looked_at = [
                min(plain, key=lambda b: (bool(self._needable(unmet ^ b) & b), len(self.makers.get(b, ())), b))
            ]
        else:
            looked_at = list(single_bits(unmet))
        for maker in dict.fromkeys(maker for bit in looked_at for maker in self.makers.get(bit, ())):
            if not maker & state:
                yield state | maker
