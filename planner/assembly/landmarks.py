"""Landmarks: groups of rows of which every solution holds one, each with a price, found by cutting (LM-cut).

The prices are shares of the rows' own costs, and no row gives away more than it has. So a solution that holds certain
rows pays for them and at least the prices of the landmarks that they miss: a bound that adds up along a plan, where the
dearest chain alone would count one branch of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from planner.assembly.rows import Row, distances, single_bits


class Landmark(NamedTuple):
    price: int
    names: frozenset[str]


def find_landmarks(rows: Sequence[Row], given: int, targets: int) -> tuple[Landmark, ...]:
    """Return landmarks whose prices add up to a bound on the cost of everything in `targets`, if all can be had."""
    left = {row.name: row.cost for row in rows}
    found: list[Landmark] = []
    while True:
        priced = [Row(left[name], name, needs, makes) for _, name, needs, makes in rows]
        ways = distances(priced, given)
        goal = max((bit for bit in single_bits(targets)), key=lambda bit: ways.costs[bit], default=0)
        if not goal or not ways.costs[goal]:
            return tuple(found)
        arrows = [(ways.dearest[row.name], row) for row in priced if row.name in ways.dearest]
        cut = _cut(arrows, given, goal)
        price = min(left[name] for name in cut)
        for name in cut:
            left[name] -= price
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
