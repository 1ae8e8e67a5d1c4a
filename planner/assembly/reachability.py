"""Find the capabilities that lie between what is given and what is wanted.

Facets are never consumed. *Forward*, a capability becomes reachable once every facet that it needs is given or made by
a reachable one. *Backward*, a capability matters when it makes something wanted, and then its own needs are wanted.
The reachable set is the meeting of the two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
class ReachableRow:
    """A capability of the reachable set, and why it stands there: `path`, `policy_reference`, `goal_condition`."""

    capability_id: str
    reasons: tuple[str, ...]

    @property
    def pinned(self) -> bool:
        return self.reasons != ("path",)

    def as_json(self) -> dict[str, Any]:
        return {"capabilityId": self.capability_id, "reasonCodes": list(self.reasons), "source": "mrcs"}


@dataclass(frozen=True, slots=True)
class Reach:
    """The reachable set as a plan's metadata tell of it; `missing` are pins that no plan can hold."""

    rows: tuple[ReachableRow, ...]
    considered: int
    missing: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, path: Iterable[str], pins: Iterable[str], goals: Iterable[str], *, considered: int, missing: Iterable[str]
    ) -> Reach:
        """Return the set of all who stand on a path, are named by a policy, or make what a goal speaks of."""
        codes: dict[str, list[str]] = {}
        for reason, names in (("path", path), ("policy_reference", pins), ("goal_condition", goals)):
            for name in names:
                codes.setdefault(name, []).append(reason)
        rows = tuple(ReachableRow(name, tuple(codes[name])) for name in sorted(codes))
        return cls(rows, considered, tuple(missing))

    def as_json(self, cap: int = ROW_CAP) -> dict[str, Any]:
        """Return the summary and at most `cap` rows; pinned ones come first, and all of them are kept."""
        pinned = [row for row in self.rows if row.pinned]
        others = [row for row in self.rows if not row.pinned][: max(0, cap - len(pinned))]
        kept = {row.capability_id for row in (*pinned, *others)}
        rows = [row for row in self.rows if row.capability_id in kept]
        reasons = [reason for row in rows for reason in row.reasons]
        return {
            "totalRows": len(rows),
            "mrcsSize": len(self.rows),
            "considered": self.considered,
            "rowCap": cap,
            "truncated": len(rows) < len(self.rows),
            "reasonCounts": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)},
            "rows": [row.as_json() for row in rows],
            "pinnedCapabilityIds": [row.capability_id for row in pinned],
            "missingPinnedCapabilityIds": list(self.missing),
            "missingPinnedCapabilities": len(self.missing),
        }


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
