"""The reachable set as a plan's metadata tell of it: which capabilities could matter, and why each stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import nsmallest
from itertools import chain
from typing import Any

REASONS = ("path", "policy_reference", "goal_condition")
"""Why a capability stands in the set; stored plans are counted by these names."""
ROW_CAP = 80
"""How many rows of the reachable set a plan's metadata tell of, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The reachable set as a plan's metadata tell of it, by capability ids.

    A capability stands in it because it lies on a `path`, because a policy names it, or because it makes what a goal
    condition speaks of; `missing` are those named that no plan can hold. `path` comes in parts that have none in
    common, since a large registry has thousands on it and a plan tells of a few. `beside` are those of `named` and
    `goals` that do not lie on it.
    """

    path: tuple[tuple[str, ...], ...]
    named: frozenset[str] = frozenset()
    goals: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()
    considered: int = 0
    cap: int = ROW_CAP

    def as_json(self) -> dict[str, Any]:
        """Return the summary and at most `cap` rows, of which those that policies and goals pin are all kept."""
        cap = self.cap
        pinned = self.named | self.goals
        most = cap + len(pinned)
        firsts = nsmallest(most, chain.from_iterable(self.path))
        others = [name for name in firsts if name not in pinned][: max(0, cap - len(pinned))]
        rows = [(name, self._reasons(name)) for name in sorted((*pinned, *others))]
        reasons = [reason for _, found in rows for reason in found]
        size = sum(map(len, self.path)) + len(self.beside)
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
        holds = (name not in self.beside, name in self.named, name in self.goals)
        return [reason for reason, held in zip(REASONS, holds, strict=True) if held]
