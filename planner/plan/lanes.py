"""Cut the ready part of a plan into lanes: maximal linear paths that one worker can walk without waiting for another.

A lane starts at a ready node and goes on to a child for as long as the node has exactly one child and that child has
exactly one parent. A virtual node belongs to no lane: the run loop computes it where it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from planner.plan.graph import PlanGraph


@dataclass(frozen=True, slots=True)
class Lane:
    """The ids of the nodes to walk, in order; never empty."""

    node_ids: tuple[str, ...]

    def links(self, size: int) -> tuple[tuple[str, ...], ...]:
        """Return the lane in pieces of at most `size` nodes, the links of a chain."""
        return tuple(self.node_ids[start : start + size] for start in range(0, len(self.node_ids), size))


def cut_lanes(plan: PlanGraph, ready: Iterable[str], *, may_walk: Iterable[str] | None = None) -> tuple[Lane, ...]:
    """Return one lane per ready node.

    `may_walk` limits which nodes a lane may take in behind its first one (those that still have to run); without it
    every node of the plan may be walked.
    """
    allowed = set(plan.order) if may_walk is None else set(may_walk)
    return tuple(Lane(_path(plan, first, allowed)) for first in ready)


def _path(plan: PlanGraph, first: str, allowed: set[str]) -> tuple[str, ...]:
    path = [first]
    while len(children := plan.children(path[-1])) == 1:
        child = children[0]
        node = plan.node(child)
        if len(plan.parents(child)) != 1 or node.executor_type != "ai" or child not in allowed:
            break
        path.append(child)
    return tuple(path)
