"""Find the set of capabilities of least total cost that produces every target: delete-free planning, solved exactly.

Options that another one replaces in every plan are left out first. A state is a set of chosen options. It is a solution
when every target and every chosen option's need can be had from what is given and what the chosen ones make, in some
order. Otherwise something is unmet, and whichever solution grows out of this state must add a maker of it: those are
the state's successors. States are taken in the order of their cost plus a bound below which the rest cannot cost (the
dearest unmet facet by its cheapest chain, already chosen options being free), so the first solution taken is the best
one. Equal costs are settled by fewer options, then by their names.

The search is exact for up to `MAX_STATES` states; beyond that the best solution of a greedy descent is returned and
marked `exact: False`.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from planner.assembly.reachability import Option, cheapest, forward, layers, undominated

MAX_STATES = 20_000
_Key = tuple[int, int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Solution:
    """The chosen options in an order in which they can run, their total cost, and whether it is proved least."""

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
    start, available = frozenset(pins), frozenset(given)
    had, runnable = forward(options, available)
    if not frozenset(targets) <= had or not start <= runnable:
        return None
    useful = undominated([o for o in options if o.name in runnable], targets, start)
    problem = _Problem.of(useful, available, frozenset(targets))
    queue: list[tuple[_Key, frozenset[str]]] = [(problem.key(start), start)]
    seen = {start}
    for taken in range(max_states):
        if not queue:
            return None
        _, chosen = heapq.heappop(queue)
        unmet = problem.unmet(chosen)
        if not unmet:
            return problem.solution(chosen, exact=True, states=taken + 1)
        for grown in problem.grow(chosen, unmet):
            if grown not in seen:
                seen.add(grown)
                heapq.heappush(queue, (problem.key(grown), grown))
    return problem.solution(_descend(problem, start), exact=False, states=max_states)


@dataclass(frozen=True, slots=True)
class _Problem:
    options: tuple[Option, ...]
    given: frozenset[str]
    targets: frozenset[str]
    by_name: Mapping[str, Option]
    makers: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, options: tuple[Option, ...], given: frozenset[str], targets: frozenset[str]) -> _Problem:
        makers: dict[str, list[str]] = {}
        for option in options:
            for facet in option.makes:
                makers.setdefault(facet, []).append(option.name)
        return cls(options, given, targets, {option.name: option for option in options}, makers)

    def picked(self, chosen: frozenset[str]) -> list[Option]:
        return [self.by_name[name] for name in sorted(chosen)]

    def unmet(self, chosen: frozenset[str]) -> frozenset[str]:
        """Return what the chosen options and the targets still lack."""
        picked = self.picked(chosen)
        had, _ = forward(picked, self.given)
        return self.targets.union(*(option.needs for option in picked)) - had

    def grow(self, chosen: frozenset[str], unmet: frozenset[str]) -> Iterable[frozenset[str]]:
        """Yield every state that one more maker of something unmet leads to.

        A facet that no chosen option makes must get a maker from outside, so looking at one such facet (the one with
        the fewest makers) loses nothing. If chosen options wait for each other in a ring, any unmet facet may be the
        one where the ring is opened.
        """
        made: frozenset[str] = frozenset().union(*(option.makes for option in self.picked(chosen)))
        plain = [facet for facet in unmet if facet not in made]
        looked_at = [min(plain, key=lambda f: (len(self.makers[f]), f))] if plain else sorted(unmet)
        for name in dict.fromkeys(name for facet in looked_at for name in self.makers[facet]):
            if name not in chosen:
                yield chosen | {name}

    def key(self, chosen: frozenset[str]) -> _Key:
        picked = self.picked(chosen)
        bound = cheapest(self.options, self.given, chosen)
        wanted = self.targets.union(*(option.needs for option in picked))
        cost = sum(option.cost for option in picked)
        return cost + max((bound[facet] for facet in wanted), default=0), len(chosen), tuple(sorted(chosen))

    def solution(self, chosen: frozenset[str], *, exact: bool, states: int) -> Solution:
        picked = self.picked(chosen)
        return Solution(layers(picked, self.given), sum(option.cost for option in picked), exact, states)


def _descend(problem: _Problem, start: frozenset[str]) -> frozenset[str]:
    """Return a solution found by always following the best-looking successor, then freed of what it does not need."""
    chosen = start
    while unmet := problem.unmet(chosen):
        chosen = min(problem.grow(chosen, unmet), key=problem.key)
    for option in sorted(problem.picked(chosen - start), key=lambda o: (-o.cost, o.name)):
        if not problem.unmet(chosen - {option.name}):
            chosen -= {option.name}
    return chosen
