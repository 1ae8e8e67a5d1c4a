"""Version n+1 of a plan from version n and a proposal: finished work stays, what has ended is never brought back.

Nodes are matched by what they are (capability, facets, branch), never by where they stand in a list. Then each node of
the proposal, parents first, becomes one of three. *Locked*: its counterpart has finished, and stands in the new version
exactly as it was. *Carried on*: its counterpart still has to run, or runs; the node keeps its id and takes the
proposal's form. *New*: it has no counterpart, or one that is not to be used again (cancelled, failed, superseded, named
in `redo`, or at work on something else than what is proposed); in the latter case it is the next generation of it, with
an id that no row of the run has ever had.

What the run loop computes itself is cheap and depends on its parents, so it is only locked if all of them are. Finished
work that the proposal does not mention is kept beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from planner.plan.codec import plan_hash
from planner.plan.diff import PlanDiff, diff_plans
from planner.plan.graph import Edge, Node, PlanGraph
from planner.plan.identity import Identity

FINISHED = frozenset({"completed", "skipped"})
ENDED = frozenset({"cancelled", "superseded", "error"})
"""Node statuses from which nothing comes back; a node with another one than these and `FINISHED` may still run."""
AT_WORK = frozenset({"running", "awaiting_hitl", "awaiting_human"})
"""Node statuses in which somebody works on what the node asks in its present form."""

_REFERENCES = frozenset({"nodeId", "nodeIds", "to", "elseTo"})
"""Members of transformations, routings and metadata that name nodes."""
_Kind = tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Delta:
    """The new version and what it takes to go over to it.

    `locked` are the nodes that have finished, `retired` those of the old version that the new one does not hold,
    `replaced` maps a retired node to its next generation, `waiting` counts for each node the parents yet to settle.
    """

    plan: PlanGraph
    diff: PlanDiff
    locked: frozenset[str]
    retired: tuple[str, ...]
    replaced: Mapping[str, str]
    waiting: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {
            **self.diff.as_json(),
            "locked": sorted(self.locked),
            "retired": list(self.retired),
            "replaced": dict(sorted(self.replaced.items())),
        }


def next_version(
    previous: PlanGraph, proposed: PlanGraph, statuses: Mapping[str, str], *, redo: Collection[str] = ()
) -> Delta:
    """Return version n+1.

    `statuses` are those of every node row of the run, of earlier versions too; a node without one counts as pending.
    `redo` names nodes whose work is to be done again; so is finished work that read from them. The proposal has to be
    sound by itself; its ids need not fit those of the previous version.
    """
    again = _tainted(previous, statuses, redo)
    counterparts = _match(previous, proposed)
    taken = {*statuses, *(node.id for node in previous.nodes)}
    made: dict[str, Node] = {}
    locked: set[str] = set()
    replaced: dict[str, str] = {}
    for proposed_id in proposed.order:
        node, old = proposed.node(proposed_id), counterparts.get(proposed_id)
        parents = [made[parent].id for parent in proposed.parents(proposed_id)]
        if (
            old is None
            or old.id in again
            or statuses.get(old.id) in ENDED
            or (statuses.get(old.id) in AT_WORK and _asked(old) != _asked(node))
        ):
            made[proposed_id] = _renewed(node, old, taken)
        elif statuses.get(old.id) not in FINISHED:
            made[proposed_id] = replace(node, identity=old.identity)
        elif _may_stay(old, statuses[old.id], node, locked.issuperset(parents)):
            made[proposed_id] = old
            locked.add(old.id)
        else:
            made[proposed_id] = _renewed(node, old, taken)
        taken.add(made[proposed_id].id)
        if old is not None and made[proposed_id].id != old.id:
            replaced[old.id] = made[proposed_id].id
    kept = _kept(previous, statuses, again, {node.id for node in made.values()}, replaced)
    locked.update(node.id for node in kept)
    plan = _built(previous, proposed, made, kept, locked)
    held = {node.id for node in plan.nodes}
    return Delta(
        plan=plan,
        diff=diff_plans(previous, plan),
        locked=frozenset(locked),
        retired=tuple(node.id for node in previous.nodes if node.id not in held),
        replaced=replaced,
        waiting=waiting_counts(plan, locked),
    )


def is_new(previous: PlanGraph, following: PlanGraph) -> bool:
    """Whether the version does anything that the one before it does not; a replan that does not is refused."""
    return plan_hash(previous) != plan_hash(following)


def waiting_counts(plan: PlanGraph, settled: Collection[str]) -> dict[str, int]:
    """Return for each node how many of its parents have not settled."""
    done = set(settled)
    return {node_id: sum(parent not in done for parent in plan.parents(node_id)) for node_id in plan.order}


def _kind(identity: Identity) -> _Kind:
    return identity.role, identity.input_facets, identity.output_facets, identity.path


def _match(previous: PlanGraph, proposed: PlanGraph) -> dict[str, Node]:
    """Return for each node of the proposal its counterpart: the n-th of its kind there, in its latest generation."""
    latest: dict[_Kind, dict[int, Node]] = {}
    for node in sorted(previous.nodes, key=lambda n: n.identity.generation):
        latest.setdefault(_kind(node.identity), {})[node.identity.ordinal] = node
    asking: dict[_Kind, list[Node]] = {}
    for node in sorted(proposed.nodes, key=lambda n: (n.identity.ordinal, n.identity.generation)):
        asking.setdefault(_kind(node.identity), []).append(node)
    return {
        node.id: old
        for kind, nodes in asking.items()
        for node, (_, old) in zip(nodes, sorted(latest.get(kind, {}).items()), strict=False)
    }


def _tainted(plan: PlanGraph, statuses: Mapping[str, str], redo: Collection[str]) -> frozenset[str]:
    """Return the nodes to do again: those named, and those done or at work that read a facet from one of them."""
    again = {node_id for node_id in redo if plan.find(node_id)}
    for node_id in plan.order:
        if statuses.get(node_id) in FINISHED | AT_WORK and again.intersection(_sources(plan, plan.node(node_id))):
            again.add(node_id)
    return frozenset(again)


def _sources(plan: PlanGraph, node: Node) -> set[str]:
    """Return the nodes whose values the node reads: for each facet its latest makers before the node."""
    before = plan.ancestors(node.id)
    found: set[str] = set()
    for facet in (*node.input_facets, *node.optional_input_facets):
        makers = [a for a in before if facet in plan.node(a).output_facets]
        hidden = {earlier for maker in makers for earlier in plan.ancestors(maker)}
        found.update(maker for maker in makers if maker not in hidden)
    return found


def _may_stay(old: Node, status: str, node: Node, parents_locked: bool) -> bool:  # noqa: FBT001 - one of three conditions, all named by the caller
    """Whether finished work stands: an agent's always, the loop's own and what a route passed over with its parents."""
    if status == "skipped":
        return parents_locked
    return not old.virtual or (parents_locked and _task(old) == _task(node))


def _is_over(old: Node, status: str | None, node: Node) -> bool:
    """Whether the old node's work cannot become the new one's: it has failed, or goes on at something else."""
    return status in ENDED or (status in AT_WORK and _asked(old) != _asked(node))


def _asked(node: Node) -> tuple[Any, ...]:
    """Return what whoever works on the node was asked for."""
    return node.capability_id, node.capability_version, node.output_schema, tuple(node.instructions)


def _task(node: Node) -> tuple[Any, ...]:
    """Return what a virtual node computes, as far as it does not depend on the ids of others."""
    return node.kind, node.output_schema, _nameless(node.transform), _nameless(node.routing)


def _renewed(node: Node, old: Node | None, taken: Collection[str]) -> Node:
    """Return the node under an id that was never used: its own, or the next free generation."""
    identity = node.identity if old is None else old.identity.next_generation()
    while identity.node_id in taken:
        identity = identity.next_generation()
    return replace(node, identity=identity)


def _kept(
    previous: PlanGraph,
    statuses: Mapping[str, str],
    again: Collection[str],
    held: Collection[str],
    replaced: Mapping[str, str],
) -> tuple[Node, ...]:
    """Return the finished work of agents and people that the proposal does not mention."""
    return tuple(
        node
        for node in previous.nodes
        if statuses.get(node.id) == "completed"
        and not node.virtual
        and node.id not in again
        and node.id not in held
        and node.id not in replaced
    )


def _built(
    previous: PlanGraph, proposed: PlanGraph, made: Mapping[str, Node], kept: Iterable[Node], locked: Collection[str]
) -> PlanGraph:
    names = {proposed_id: node.id for proposed_id, node in made.items()}
    nodes = [made[node.id] if made[node.id].id in locked else _pointed(made[node.id], names) for node in proposed.nodes]
    nodes += kept
    edges = [Edge(names[e.source], names[e.target], e.reason) for e in proposed.edges]
    beside, held = {node.id for node in kept}, {node.id for node in nodes}
    edges += [edge for edge in previous.edges if edge.target in beside and edge.source in held]
    version = previous.version + 1
    metadata = {**_renamed(dict(proposed.metadata), names), "planVersionTag": f"v{version}.0"}
    return PlanGraph(version, tuple(nodes), tuple(edges), metadata)


def _pointed(node: Node, names: Mapping[str, str]) -> Node:
    """Return the node whose references to others bear the ids of this version."""
    return replace(
        node,
        transform=_renamed(node.transform, names),
        routing=_renamed(node.routing, names),
        metadata=_renamed(node.metadata, names),
    )


def _renamed(value: Any, names: Mapping[str, str], *, refers: bool = False) -> Any:
    if isinstance(value, Mapping):
        return {key: _renamed(item, names, refers=key in _REFERENCES) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(item, names, refers=refers) for item in value]
    return names.get(value, value) if refers and isinstance(value, str) else value


def _nameless(value: Any) -> Any:
    """Return the value without what names nodes."""
    if isinstance(value, Mapping):
        return {key: _nameless(item) for key, item in value.items() if key not in _REFERENCES}
    return [_nameless(item) for item in value] if isinstance(value, (list, tuple)) else value
