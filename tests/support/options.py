"""Options by name instead of bits, walked plainly: what the search is held against."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from planner.assembly.rows import Bits, Row
from planner.assembly.search import MAX_STATES, solve


@dataclass(frozen=True, slots=True)
class Option:
    """A capability as the search sees it: what it needs, what it makes, what choosing it costs (points, never < 0)."""

    name: str
    needs: frozenset[str]
    makes: frozenset[str]
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Solution:
    """What `find_best` returns: as `Found`, with options for rows."""

    chosen: tuple[Option, ...]
    cost: int
    exact: bool
    states: int


def find_best(
    options: Sequence[Option],
    given: Iterable[str],
    targets: Iterable[str],
    pins: Iterable[str] = (),
    *,
    max_states: int = MAX_STATES,
) -> Solution | None:
    """Return the cheapest solution that makes every target and holds every pinned option, or None if there is none."""
    bits, by_name = Bits(), {option.name: option for option in options}
    rows = [Row(o.cost, o.name, bits.of(o.needs), bits.of(o.makes)) for o in options]
    found = solve(rows, bits.of(given), bits.of(targets), frozenset(pins), max_states=max_states)
    if found is None:
        return None
    return Solution(tuple(by_name[row.name] for row in found.chosen), found.cost, found.exact, found.states)


def forward(options: Sequence[Option], given: Iterable[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return every facet that can be had and the names of the options that can run."""
    missing = {option.name: len(option.needs) for option in options}
    waiting: dict[str, list[Option]] = {}
    for option in options:
        for facet in option.needs:
            waiting.setdefault(facet, []).append(option)
    had: set[str] = set()
    running: set[str] = set()
    front = deque(given)

    def start(option: Option) -> None:
        running.add(option.name)
        front.extend(option.makes)

    for option in options:
        if not option.needs:
            start(option)
    while front:
        facet = front.popleft()
        if facet in had:
            continue
        had.add(facet)
        for option in waiting.get(facet, ()):
            missing[option.name] -= 1
            if not missing[option.name]:
                start(option)
    return frozenset(had), frozenset(running)


def layers(options: Sequence[Option], given: Iterable[str]) -> tuple[Option, ...]:
    """Return the options in an order in which each can run, as early as it can; equals in the order given.

    Options that never can run are left out.
    """
    had, left = set(given), list(options)
    ordered: list[Option] = []
    while ready := [option for option in left if option.needs <= had]:
        ordered.extend(ready)
        left = [option for option in left if option not in ready]
        for option in ready:
            had |= option.makes
    return tuple(ordered)
