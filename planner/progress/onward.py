"""Where a worker goes on when it has settled a node, without asking the run's loop: a pure function of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.plan.graph import PlanGraph
from planner.plan.lanes import Lane, cut_lanes


@dataclass(frozen=True, slots=True)
class Onward:
    """The nodes that the worker walks next, and the lanes that it offers to others; both may be empty."""

    node_ids: tuple[str, ...] = ()
    beside: tuple[Lane, ...] = ()


STAY = Onward()
"""What comes next is for the run's loop to say."""


def after_settling(plan: PlanGraph, node_id: str, rest: Sequence[str], *, longest: int) -> Onward:
    """Return what follows a settled node: the `rest` of its lane, the lane behind a join, or the lanes of a fork.

    Behind the end of a lane the loop decides, unless all that follows is plainly work for agents. A lane of more than
    `longest` nodes is not walked in place; with 1 no lane is, since then every node is a task of its own.
    """
    if rest:
        return Onward(tuple(rest))
    children = plan.children(node_id)
    if longest <= 1 or not children or any(plan.node(child).executor_type != "ai" for child in children):
        return STAY
    if len(children) == 1:
        if len(plan.parents(children[0])) == 1:
            return STAY  # the lane was cut in front of it for a reason that only the loop knows
        (lane,) = cut_lanes(plan, children)
        return Onward(lane.node_ids) if len(lane.node_ids) <= longest else STAY
    # A child with other parents may have to wait for them; who closes it finds it.
    lanes = cut_lanes(plan, [child for child in children if len(plan.parents(child)) == 1])
    kept = next((lane for lane in lanes if len(lane.node_ids) <= longest), None)
    if kept is None:
        return STAY
    return Onward(kept.node_ids, tuple(lane for lane in lanes if lane is not kept))
