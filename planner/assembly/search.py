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

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planner.assembly.landmarks import find_landmarks
from planner.assembly.rows import (
    Row,
    distances,
    distances_to,
    reach,
    single_bits,
    toward,
    undominated,
)
from planner.assembly.walk import Walk

MAX_STATES = 20_000
FIRST_WIDTH, WIDENING = 20, 5
"""How far above the bound solutions are looked for first, in thousandths, and by what that grows where none is."""
CUT_EFFORT = 16_000
"""How many rows are looked at for landmarks, all rounds together: where there are many rows, fewer rounds are made."""


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
    chosen, exact, states = _search(thinned, best, given, goals, pins, max_states)
    costs = {row.name: row.cost for row in pinned}
    ordered = reach(sorted(chosen, key=lambda row: row.name), given)[1]
    told = tuple(row._replace(cost=costs.get(row.name, row.cost)) for row in ordered)
    return Found(told, sum(row.cost for row in told), exact, states)


def _search(
    rows: list[Row], best: list[Row], given: int, goals: int, pins: frozenset[str], max_states: int
) -> tuple[list[Row], bool, int]:
    """Return the best solution, whether it is proved so, and how many states that took.

    The bound is mostly close to the truth, so solutions a little above it are looked for first, among the few rows that
    such a solution may hold; where there is none, solutions further above.
    """
    most, taken, width = _cost(best), 0, FIRST_WIDTH
    cuts = find_landmarks(rows, given, goals, most, rounds=CUT_EFFORT // max(1, len(rows)))
    while taken < max_states:
        limit = min(most, cuts.bound + cuts.bound * width // 1000)
        near = [row for row in rows if cuts.over.get(row.name, limit) <= limit - cuts.bound]
        found, states = Walk(near, cuts.marks, given, goals, pins, limit).run(max_states - taken)
        taken += states
        if found is not None:
            return found, True, taken
        width *= WIDENING
    return best, False, max_states


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


def _cost(rows: Iterable[Row]) -> int:
    return sum(row.cost for row in rows)
