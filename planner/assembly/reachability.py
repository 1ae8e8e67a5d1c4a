"""Find the capabilities that lie between what is given and what is wanted.

Facets are never consumed. *Forward*, a capability becomes reachable once every facet that it needs is given or made by
a reachable one. *Backward*, a capability matters when it makes something wanted, and then its own needs are wanted.
The reachable set is the meeting of the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    """A capability as the search sees it: what it needs, what it makes, what choosing it costs (points, never < 0)."""

    name: str
    needs: frozenset[str]
    makes: frozenset[str]
    cost: int = 1


ROW_CAP = 80
"""How many rows of the reachable set a plan's metadata tell of, unless a setting says otherwise."""


@dataclass(frozen=True, slots=True)
class ReachableSet:
    """The options on a path, in the registry's order; `facets` is all that can be had at all."""

    path: tuple[Option, ...]
    facets: frozenset[str]
    reachable: frozenset[str] = field(default_factory=frozenset)
    wanted: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Reach:
    """The reachable set as a plan's metadata tell of it, by capability ids.

    A capability stands in it because it lies on a `path`, because a policy names it, or because it makes what a goal
    condition speaks of; `missing` are those named that no plan can hold.
    """

    path: frozenset[str]
    named: frozenset[str] = frozenset()
    goals: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    considered: int = 0

    def as_json(self, cap: int = ROW_CAP) -> dict[str, Any]:
        """Return the summary and at most `cap` rows, of which those that policies and goals pin are all kept."""
        pinned = self.named | self.goals
        others = nsmallest(max(0, cap - len(pinned)), self.path - pinned)
        rows = [(name, self._reasons(name)) for name in sorted((*pinned, *others))]
        reasons = [reason for _, found in rows for reason in found]
        size = len(self.path | pinned)
        return {
            "totalRows": len(rows),
            "mrcsSize": size,
            "considered": self.considered,
            "rowCap": cap,
            "truncated": len(rows) < size,
            "reasonCounts": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
            "rows": [{"capabilityId": name, "reasonCodes": found, "source": "mrcs"} for name, found in rows],
            "pinnedCapabilityIds": sorted(pinned),
            "missingPinnedCapabilityIds": list(self.missing),
            "missingPinnedCapabilities": len(self.missing),
        }

    def _reasons(self, name: str) -> list[str]:
        sets = {"path": self.path, "policy_reference": self.named, "goal_condition": self.goals}
        return [reason for reason, names in sets.items() if name in names]


def reachable_set(options: Sequence[Option], given: Iterable[str], wanted: Iterable[str]) -> ReachableSet:
    """Return the options that can run from `given` and lead to `wanted`."""
    facets, reachable = forward(options, given)
    runnable = [option for option in options if option.name in reachable]
    needed = _backward(runnable, wanted)
    path = tuple(option for option in runnable if option.makes & needed)
    return ReachableSet(path, facets, reachable, needed)


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


def _backward(options: Sequence[Option], wanted: Iterable[str]) -> frozenset[str]:
    makers: dict[str, list[Option]] = {}
    for option in options:
        for facet in option.makes:
            makers.setdefault(facet, []).append(option)
    needed: set[str] = set()
    front = deque(wanted)
    while front:
        facet = front.popleft()
        if facet in needed:
            continue
        needed.add(facet)
        for option in makers.get(facet, ()):
            front.extend(option.needs)
    return frozenset(needed)
