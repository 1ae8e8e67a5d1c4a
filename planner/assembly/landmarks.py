"""Landmarks: groups of rows of which every solution holds one, each with a price, found by cutting (LM-cut).

The prices are shares of the rows' own costs, and no row gives away more than it has. So a solution that holds certain
rows pays for them and at least the prices of the landmarks that they miss: a bound that adds up along a plan, where the
dearest chain alone would count one branch of it.

What a row has not given away yet counts on top of all prices together. A row that thereby costs more than a known
solution is in no better one, and goes: each cut leaves fewer rows for the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from planner.assembly.rows import Row, distances, single_bits


class Landmark(NamedTuple):
    price: int
    names: frozenset[str]


class Cuts(NamedTuple):
    """The landmarks; the rows that a solution within the limit may hold, priced at what they have not given away.

    `over` is for each of them what a solution that holds it pays beyond the sum of the landmarks' prices, at least.
    """

    marks: tuple[Landmark, ...]
    left: tuple[Row, ...]
    over: dict[str, int]

    @property
    def bound(self) -> int:
        return sum(mark.price for mark in self.marks)


def find_landmarks(
    rows: Sequence[Row], given: int, targets: int, limit: int | None = None, rounds: int = 1000
) -> Cuts | None:
    """Return landmarks whose prices add up to a bound on the cost of everything in `targets`, if all can be had.

    With a `limit`, only solutions that cost no more have to hold one row of each landmark; None where there is none. At
    most `rounds` landmarks are looked for.
    """
    left = list(rows)
    found: list[Landmark] = []
    bound = 0
    while True:
        ways = distances(left, given, None if limit is None else limit - bound)
        starts = ways.starts
        if limit is None:
            left = [row for row in left if row.name in starts]
        else:
            most = limit - bound
            left = [row for row in left if row.name in starts and starts[row.name] + row.cost <= most]
        if any(bit not in ways.costs for bit in single_bits(targets)):
            return None
        goal = max(single_bits(targets), key=lambda bit: ways.costs[bit], default=0)
        if not goal or not ways.costs[goal] or len(found) == rounds:
            return Cuts(tuple(found), tuple(left), {row.name: starts[row.name] + row.cost for row in left})
        cut = _cut([(ways.dearest[row.name], row) for row in left], given, goal)
        price = min(row.cost for row in left if row.name in cut)
        left = [Row(cost - price, name, n, m) if name in cut else row for row in left for cost, name, n, m in (row,)]
        bound += price
        found.append(Landmark(price, cut))


def _cut(arrows: Sequence[tuple[int, Row]], given: int, goal: int) -> frozenset[str]:
    """Return the rows that lead into the zone from which the goal costs nothing more.

    Each row is one arrow: from the dearest of its needs, or from the start, to each thing it makes.
    """
    zone, free = goal, [(source, row.makes) for source, row in arrows if not row.cost]
    while True:
        grown = zone
        for source, makes in free:
            if makes & zone:
                grown |= source
        if grown == zone:
            break
        zone = grown
    outside, cut, left = given & ~zone, set[str](), list(arrows)
    while True:
        ready = [row for source, row in left if not source or source & outside]
        if not ready:
            return frozenset(cut)
        left = [(source, row) for source, row in left if source and not source & outside]
        for row in ready:
            outside |= row.makes & ~zone
            if row.makes & zone:
                cut.add(row.name)
