"""Landmarks: groups of rows of which every solution holds one, each with a price, found by cutting (LM-cut).

The prices are shares of the rows' own costs, and no row gives away more than it has. So a solution that holds certain
rows pays for them and at least the prices of the landmarks that they miss: a bound that adds up along a plan, where the
dearest chain alone would count one branch of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from planner.assembly.rows import Row, distances, single_bits

_START = 0
"""The node of the justification graph that stands for what is given."""


class Landmark(NamedTuple):
    price: int
    names: frozenset[str]


def find_landmarks(rows: Sequence[Row], given: int, targets: int) -> tuple[Landmark, ...]:
    """Return landmarks whose prices add up to a bound on the cost of everything in `targets`, if all can be had."""
    left = {row.name: row.cost for row in rows}
    found: list[Landmark] = []
    while True:
        priced = [row._replace(cost=left[row.name]) for row in rows]
        costs = distances(priced, given).costs
        goal = max((bit for bit in single_bits(targets)), key=lambda bit: costs[bit], default=0)
        if not goal or not costs[goal]:
            return tuple(found)
        cut = _cut(priced, costs, given, goal)
        price = min(left[name] for name in cut)
        for name in cut:
            left[name] -= price
        found.append(Landmark(price, cut))


def _cut(rows: Sequence[Row], costs: Mapping[int, int], given: int, goal: int) -> frozenset[str]:
    """Return the rows that lead into the zone from which the goal costs nothing more.

    Each row is taken as one arrow from the dearest of its needs to each thing it makes.
    """
    arrows = [(_dearest(row, costs, given), row) for row in rows if all(b in costs for b in single_bits(row.needs))]
    zone = goal
    while True:
        grown = zone
        for source, row in arrows:
            if not row.cost and row.makes & zone:
                grown |= source
        if grown == zone:
            break
        zone = grown
    outside, cut = given & ~zone, set[str]()
    left = arrows
    while True:
        ready = [(source, row) for source, row in left if source == _START or source & outside]
        if not ready:
            return frozenset(cut)
        left = [(source, row) for source, row in left if not (source == _START or source & outside)]
        for _, row in ready:
            outside |= row.makes & ~zone
            if row.makes & zone:
                cut.add(row.name)


def _dearest(row: Row, costs: Mapping[int, int], given: int) -> int:
    needs = row.needs & ~given
    return max(single_bits(needs), key=lambda bit: costs[bit]) if needs else _START
