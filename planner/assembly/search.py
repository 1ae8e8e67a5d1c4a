"""Find the set of capabilities of least total cost that produces every target: delete-free planning, solved exactly.

A *state* is a set of chosen rows. It is a solution when every target and every chosen row's need can be had from what
is given and what the chosen ones make, in some order. Otherwise something is unmet, and whichever solution grows out of
the state must add a maker of it: those are its successors. States are taken in the order of a bound below which no
solution that holds them can cost, so the first solution taken is the best one. Equal costs are settled by fewer rows,
then by their names.

Before that the rows are thinned, which is why large registries are quick: within a limit on the cost, every row goes
whose cheapest way through it, from what is given to a target, costs more; then those that another one replaces; then
those that the landmarks price out. Narrow limits are tried first; the last one is the cost of a solution that is known.

The search is exact for up to `MAX_STATES` states; beyond that the best solution known is returned, marked `exact:
False`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from planner.assembly.landmarks import find_landmarks
from planner.assembly.rows import (
    Distances,
    Offer,
    Row,
    distances,
    distances_to,
    reach,
    single_bits,
    undominated,
)
from planner.assembly.walk import Walk

MAX_STATES = 20_000
WIDTHS = (30, 110)
"""How far above the dearest chain solutions are looked for first, in per cent, before any solution will do."""
CUT_WIDTHS = (2, 20)
"""How far above the landmarks' bound, in per cent, before the limit."""
CUT_EFFORT = 8_000
"""How many rows are looked at for landmarks, all rounds together: where there are many rows, fewer rounds are made."""


@dataclass(frozen=True, slots=True)
class Found:
    """The chosen rows in an order in which they can run, their total cost, and whether it is proved least."""

    chosen: tuple[Row, ...]
    cost: int
    exact: bool
    states: int


def solve(
    rows: Iterable[Offer], given: int, targets: int, pins: frozenset[str] = frozenset(), *, max_states: int = MAX_STATES
) -> Found | None:
    """Return the cheapest choice of rows that makes `targets` out of `given` and holds every pin, None without one."""
    free, pinned = _cheapest_of_each(rows, pins)
    goals = targets
    for row in pinned:
        goals |= row.needs
    ways = distances(free, given, until=goals)
    if any(bit not in ways.costs for bit in single_bits(goals)) or len(pinned) != len(pins):
        return None
    chosen, exact, states = _Task(free, given, goals, pins).best(ways, max_states)
    costs = {row.name: row.cost for row in pinned}
    ordered = reach(sorted(chosen, key=lambda row: row.name), given)[1]
    told = tuple(row._replace(cost=costs.get(row.name, row.cost)) for row in ordered)
    return Found(told, sum(row.cost for row in told), exact, states)


class _Task:
    """What is to be solved. A solution is looked for within a narrow limit first, and within wider ones for want of it.

    The narrower the limit, the fewer rows may be part of a solution; where one is found, none outside is cheaper.
    """

    def __init__(self, rows: Sequence[Offer], given: int, goals: int, pins: frozenset[str]) -> None:
        self.rows, self.given, self.goals, self.pins = rows, given, goals, pins
        self.least = min((row[0] for row in rows if row[1] not in pins), default=0)

    def best(self, ways: Distances, max_states: int) -> tuple[list[Row], bool, int]:
        """Return the best solution, whether it is proved so, and how many states that took.

        `ways` are the distances at least to every goal; what they do not tell of begins no nearer than the last goal.
        """
        first = _rough_solution(self.rows, ways.makers, self.given, self.goals, self.pins)
        most, taken = _cost(first), 0
        bound = max((ways.costs[bit] for bit in single_bits(self.goals)), default=0)
        for width in (*WIDTHS, None):
            limit = most if width is None else min(most, bound + bound * width // 100)
            near = self._near(ways.starts, bound, limit)
            if limit == most:
                second = _first_solution(near, self.given, self.goals, self.pins)
                first = min(first, second, key=_cost)
                limit = _cost(first)
            found, states = self._within(near, limit, max_states - taken)
            taken += states
            if found is not None:
                return found, True, taken
            if taken >= max_states:
                break
        return first, False, max_states

    def _near(self, starts: Mapping[str, int], beyond: int, limit: int) -> list[Row]:
        """Return the rows by which a way from what is given to a goal costs no more than the limit.

        A row of which `starts` does not tell costs at least `beyond` to begin with. Of those within the limit, the ones
        that another one replaces are left out, or those that go with no other one where no three go together.
        """
        pins, goals, most, least = self.pins, self.goals, limit + 1, self.least
        near = [
            Row(cost, name, needs, makes)
            for cost, name, needs, makes in self.rows
            if name in pins or starts.get(name, beyond) + cost + (0 if makes & goals else least) <= limit
        ]
        behind = distances_to(near, goals)
        through = [
            r for r in near if r.name in pins or starts.get(r.name, beyond) + r.cost + behind.get(r.name, most) <= limit
        ]
        if self._in_pairs(limit):
            return through if pins else _coupled(through, self.given, goals)
        return undominated(through, goals, pins)

    def _within(self, rows: list[Row], limit: int, max_states: int) -> tuple[list[Row] | None, int]:
        """Return the best solution that costs no more than the limit, if there is one, and how many states that took.

        The landmarks' bound is mostly close to the truth, so solutions a little above it are looked for first.
        """
        pairs = self._in_pairs(limit)
        rounds = 1 if pairs else CUT_EFFORT // max(1, len(rows))
        cuts = find_landmarks(rows, self.given, self.goals, limit, rounds=rounds)
        if cuts is None:
            return None, 0
        taken, found = 0, None
        widths = () if pairs else CUT_WIDTHS
        narrow = [most for width in widths if cuts.bound < (most := cuts.bound * (100 + width) // 100) < limit]
        for most in (*narrow, limit):
            near = [row for row in rows if cuts.over.get(row.name, most) <= most - cuts.bound]
            walk = Walk(near, cuts.marks, self.given, self.goals, self.pins, most)
            found, states = walk.run(max_states - taken)
            taken += states
            if found is not None or taken >= max_states:
                break
        return found, taken

    def _in_pairs(self, limit: int) -> bool:
        """Whether three rows that are no pins cost more than the limit."""
        return 3 * self.least > limit


def _coupled(rows: Sequence[Row], given: int, goals: int) -> list[Row]:
    """Return the rows that may be part of a solution of at most two: one that runs on what is given, and one behind it.

    A row that needs more goes with one that makes all that it needs and all the goals that it does not make itself.
    """
    able = [row for row in rows if not row.needs & ~given]
    makers: dict[int, list[int]] = {}
    most = max((row.makes.bit_count() for row in able), default=0)
    for row in able:
        for bit in single_bits(row.makes):
            makers.setdefault(bit, []).append(row.makes)
    behind: list[Row] = []
    wanted: dict[int, None] = {}
    for row in rows:
        want = row.needs & ~given and (row.needs | goals & ~row.makes) & ~given
        if 0 < want.bit_count() <= most and any(not want & ~makes for makes in makers.get(want & -want, ())):
            behind.append(row)
            wanted[want] = None
    return [r for r in able if r.makes & goals or any(not want & ~r.makes for want in wanted)] + behind


def _cheapest_of_each(rows: Iterable[Offer], pins: frozenset[str]) -> tuple[list[Offer], list[Row]]:
    """Return the cheapest row of each pair of needs and makes with every pinned row; then the pinned ones as they were.

    Pinned rows are paid for whatever else is chosen, so the search sees them as free. What a row needs it does not
    make.
    """
    best: dict[tuple[int, int], Offer] = {}
    pinned: list[Row] = []
    for row in rows:
        cost, name, needs, makes = row
        if name in pins:
            pinned.append(Row(cost, name, needs, makes))
            continue
        known = best.get((needs, makes))
        if known is None or (cost, name) < (known[0], known[1]):
            best[needs, makes] = row
    free = [(0, row.name, row.needs, row.makes & ~row.needs) for row in pinned]
    plain = [row if not row[3] & row[2] else (*row[:3], row[3] & ~row[2]) for row in best.values()]
    return [*free, *plain], pinned


def _rough_solution(
    rows: Sequence[Offer], makers: Mapping[int, Offer], given: int, goals: int, pins: frozenset[str]
) -> list[Row]:
    """Return a solution made of what looks like the cheapest maker of each thing in turn."""
    chosen = {row[1]: Row(*row) for row in rows if row[1] in pins} if pins else {}
    _follow(makers, goals & ~given, given, chosen)
    return _without_idle(list(chosen.values()), given, goals, pins)


def _follow(makers: Mapping[int, Offer], front: int, seen: int, chosen: dict[str, Row]) -> None:
    """Add the maker of each thing in `front`, and of what these need."""
    while front:
        bit = front & -front
        seen |= bit
        row = Row(*makers[bit])
        chosen.setdefault(row.name, row)
        front = (front | row.needs) & ~seen


def _first_solution(rows: Sequence[Row], given: int, goals: int, pins: frozenset[str]) -> list[Row]:
    """Return a good solution: the dearest goal by its cheapest chain, then the next, what was chosen being free."""
    chosen = {row.name: row for row in rows if row.name in pins}
    while True:
        had, _ = reach(chosen.values(), given)
        if not goals & ~had:
            return _without_idle(list(chosen.values()), given, goals, pins)
        priced = [row._replace(cost=0) if row.name in chosen else row for row in rows]
        found = distances(priced, given, summed=True)
        _follow(found.makers, max(single_bits(goals & ~had), key=lambda bit: found.costs[bit]), given, chosen)


def _without_idle(chosen: list[Row], given: int, goals: int, pins: frozenset[str]) -> list[Row]:
    for row in sorted(chosen, key=lambda r: (-r.cost, r.name)):
        rest = [other for other in chosen if other is not row]
        had, running = reach(rest, given)
        if row.name not in pins and not goals & ~had and len(running) == len(rest):
            chosen = rest
    return chosen


def _cost(rows: Iterable[Row]) -> int:
    return sum(row.cost for row in rows)
