"""Plans and states in one line: small nodes over text facets, graphs from edges, what the run loop knows of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from planner.contracts.capabilities import Capability
from planner.plan.graph import Edge, Node, PlanGraph
from planner.plan.identity import Identity
from planner.progress.state import NODE_STATUSES, RUN_STATUSES, NodeState, RequestState, RunState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
Pairs = Iterable[tuple[str, str]]


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after (or, negative, before) the tests' now."""
    return NOW + timedelta(seconds=seconds)


def make_node(name: str, *, makes: Iterable[str] = (), needs: Iterable[str] = (), **changes: Any) -> Node:
    """Return a node whose id is `name`; it makes text facets, each under a property key of the same name."""
    outputs = tuple(makes)
    shapes = {facet: {"type": "string", "minLength": 3} for facet in outputs}
    given = [{"facet": f, "title": f, "direction": "output", "pointer": f"/{f}"} for f in outputs]
    members: dict[str, Any] = {
        "kind": "execution",
        "label": f"Step {name}",
        "capability_id": f"acme.{name}",
        "capability_version": "1.0.0",
        "input_facets": tuple(needs),
        "output_facets": outputs,
        "output_schema": {"type": "object", "properties": shapes, "required": list(outputs)},
        "provenance": {"input": [], "output": given},
    }
    return Node(identity=Identity(name, output_facets=outputs), **{**members, **changes})


def make_virtual(name: str, **changes: Any) -> Node:
    """Return a branch node, which the run loop settles by itself."""
    members: dict[str, Any] = {"kind": "branch", "capability_id": None, "executor_type": "virtual"}
    members["metadata"] = {"reason": "variant_count", "branches": []}
    return make_node(name, **{**members, **changes})


def make_plan(
    nodes: Iterable[Node | str], edges: Pairs = (), *, output: Iterable[str] = (), version: int = 1
) -> PlanGraph:
    """Return a plan of nodes, given whole or by name, whose result is {facet: value} of the `output` facets."""
    made = tuple(make_node(n, makes=[f"{n}_text"]) if isinstance(n, str) else n for n in nodes)
    links = tuple(Edge(source, target) for source, target in edges)
    return PlanGraph(version, made, links, {"output": {"mode": "facets", "facets": list(output)}})


def make_chain(*names: str) -> PlanGraph:
    """Return a plan in which each node waits for the one before it; its result is the last one's text."""
    return make_plan(names, pairwise(names), output=[f"{names[-1]}_text"])


def make_diamond(branches: Iterable[str] = ("left", "right"), **changes: Any) -> PlanGraph:
    """Return a plan that starts in `first`, goes through the branches and is joined by `last`."""
    names = tuple(branches)
    nodes: list[Node | str] = ["first", *names, "last"]
    edges = [*(("first", name) for name in names), *((name, "last") for name in names)]
    return make_plan([changes.get(n, n) if isinstance(n, str) else n for n in nodes], edges, output=["last_text"])


def make_capability(capability_id: str, **changes: Any) -> Capability:
    """Return a minimal active AI capability."""
    members: dict[str, Any] = {"display_name": capability_id, "summary": capability_id, "kind": "execution"}
    return Capability(capability_id, **{"version": "1.0.0", **members, **changes})


def make_state(
    plan: PlanGraph | None, nodes: Mapping[str, Mapping[str, Any]] | None = None, **changes: Any
) -> RunState:
    """Return a running run; nodes that are not named wait for those of their parents that have not settled."""
    told = nodes or {}
    if plan is None:
        return RunState("run", changes.pop("status", "pending"), 1, NOW, **changes)
    done = {name for name, values in told.items() if NodeState(name, **values).settled}
    states = {
        name: NodeState(name, **{"waiting": sum(p not in done for p in plan.parents(name)), **told.get(name, {})})
        for name in plan.order
    }
    return RunState("run", changes.pop("status", "running"), 1, NOW, plan=plan, nodes=states, **changes)


def make_request(node_id: str, *, answer: Mapping[str, Any] | None = None, **changes: Any) -> RequestState:
    members: dict[str, Any] = {"request_id": f"ask-{node_id}", "purpose": "output", "created_at": at(-60)}
    return RequestState(**{**members, "node_id": node_id, "answer": answer, **changes})


@st.composite
def plans(draw: st.DrawFn, most: int = 7) -> PlanGraph:
    """Draw any plan: edges lead from earlier nodes to later ones, some nodes are virtual."""
    names = [f"n{index}" for index in range(draw(st.integers(1, most)))]
    pairs = [(a, b) for position, b in enumerate(names) for a in names[:position]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    virtual = draw(st.sets(st.sampled_from(names)))
    shuffled = draw(st.permutations(names))
    return make_plan([make_virtual(n) if n in virtual else n for n in shuffled], edges)


moments = st.one_of(st.none(), st.integers(-400, 400).map(at))


@st.composite
def run_states(draw: st.DrawFn) -> RunState:
    """Draw any state that a database could hold, sensible or not."""
    plan = draw(st.one_of(st.none(), plans()))
    node_states = {
        name: NodeState(
            name,
            status=draw(st.sampled_from(NODE_STATUSES)),
            waiting=draw(st.integers(0, 2)),
            lease_until=draw(moments),
            deadline=draw(moments),
            retry_at=draw(moments),
            dispatched_at=draw(moments),
            dispatch_count=draw(st.integers(0, 9)),
        )
        for name in (plan.order if plan else ())
    }
    asked = draw(st.sets(st.sampled_from(plan.order))) if plan else set()
    answers = st.sampled_from((None, {"kind": "approval", "output": None, "text": ""}))
    return RunState(
        "run",
        draw(st.sampled_from(RUN_STATUSES)),
        1,
        NOW,
        plan=plan,
        nodes=node_states,
        requests=tuple(make_request(n, answer=draw(answers), expires_at=draw(moments)) for n in sorted(asked)),
        planning_lease_until=draw(moments),
        planning_crashes=draw(st.integers(0, 5)),
        dispatched_at=draw(moments),
        dispatch_count=draw(st.integers(0, 9)),
    )
