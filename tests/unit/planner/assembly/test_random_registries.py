"""Whole plans over random small registries: sound whenever one is made, and made whenever one is possible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.assembly.assemble import assemble_plan
from planner.assembly.diagnostics import PlanRejectedError
from planner.assembly.explain import plan_cost
from planner.assembly.request import read_request
from planner.assembly.targets import choose_targets
from planner.assembly.validation import Case, validate_plan
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.contracts.json_schema import validator_for
from planner.plan.graph import Node, PlanGraph
from planner.progress.output import blame, compose_output, compute_virtual
from tests.support.options import Option, forward
from tests.support.planning import capability, envelope, facet_contract, object_contract, text_facets

LISTS = ("la", "lb")
FACETS = ("fa", "fb", "fc", "fd", "fe", "ff")
CATALOGUE = text_facets(FACETS)
DRAFTS = text_facets(FACETS[:3], lists=LISTS)
SOME = st.lists(st.sampled_from(FACETS), max_size=2, unique=True)
ONE_OR_MORE = st.lists(st.sampled_from(FACETS), min_size=1, max_size=3, unique=True)


@st.composite
def capabilities(draw: st.DrawFn) -> tuple[Capability, ...]:
    kinds = st.sampled_from(["structuring", "execution", "execution", "validation"])
    return tuple(
        capability(
            f"c.{index}",
            needs := draw(SOME),
            draw(ONE_OR_MORE),
            optional_input_facets=tuple(f for f in draw(SOME) if f not in needs),
            kind=draw(kinds),
            agent_type=draw(st.sampled_from(["ai", "ai", "ai", "human"])),
            status=draw(st.sampled_from(["active", "active", "active", "inactive"])),
            cost={"estimatedTokens": draw(st.integers(1, 5000))},
        )
        for index in range(draw(st.integers(0, 7)))
    )


def asked(given_facets: list[str], targets: list[str]) -> dict[str, Any]:
    return {
        "objective": "Make it",
        "inputs": dict.fromkeys(given_facets, "given"),
        "outputContract": facet_contract(*targets),
    }


def made_by(node: Node) -> dict[str, Any]:
    """Return an output that names its node everywhere, lists as long as the node promises at least."""
    made: dict[str, Any] = dict.fromkeys(node.output_facets, node.id)
    for facet in set(LISTS) & made.keys():
        made[facet] = [node.id] * max(1, node.output_schema["properties"][facet].get("minItems", 1))
    return made


def run(plan: PlanGraph, given_values: dict[str, Any]) -> Any:
    """Run the plan with agents that write their own node's id into every facet, and return the result."""
    outputs: dict[str, dict[str, Any]] = {}
    for node_id in plan.order:
        node = plan.node(node_id)
        made = compute_virtual(plan, node_id, given_values, outputs)
        outputs[node_id] = made if node.virtual else made_by(node)
    return compose_output(plan, outputs, given_values)


@given(capabilities(), SOME, ONE_OR_MORE)
def test_a_plan_is_made_exactly_when_the_targets_can_be_reached_and_it_holds_every_check(
    found: tuple[Capability, ...], given_facets: list[str], targets: list[str]
) -> None:
    # Given
    registry = RegistrySnapshot(found)
    task = envelope(asked(given_facets, targets), CATALOGUE)
    may_run = [c for c in found if c.agent_type == "ai" and c.status == "active"]
    options = [Option(c.capability_id, frozenset(c.input_facets), frozenset(c.output_facets)) for c in may_run]
    had, running = forward(options, given_facets)
    if not set(targets) <= had:
        # When
        with pytest.raises(PlanRejectedError) as rejected:
            assemble_plan(task, registry, CATALOGUE)
        # Then
        assert {d.facet for d in rejected.value.diagnostics} >= set(targets) - had
        return
    # When
    plan = assemble_plan(task, registry, CATALOGUE)
    # Then
    request = read_request(task, CATALOGUE)
    producible = frozenset().union(*(o.makes for o in options if o.name in running))
    chosen = choose_targets(request, producible).chosen
    assert validate_plan(Case(plan, request, registry, chosen)) == ()
    assert plan_cost(plan, registry)["total"] == plan.metadata["search"]["cost"]
    result = run(plan, dict.fromkeys(given_facets, "given"))
    assert set(result) == set(targets)
    assert all(isinstance(value, str) for value in result.values())


@st.composite
def drafting_capabilities(draw: st.DrawFn) -> tuple[Capability, ...]:
    """Draw capabilities over texts and lists that mostly can run, so that most draws have plans, many with branches."""
    facet = st.sampled_from((*LISTS, *FACETS[:3]))
    kinds = st.sampled_from(["execution", "execution", "structuring", "validation"])
    found = []
    for index in range(draw(st.integers(2, 6))):
        needs = draw(st.lists(facet, max_size=1)) if index else []
        makes = draw(st.lists(facet, min_size=1, max_size=2, unique=True))
        helps = tuple(f for f in draw(st.lists(facet, max_size=2, unique=True)) if f not in needs)
        kind, tokens = draw(kinds), draw(st.integers(1, 5000))
        cost = {"estimatedTokens": tokens}
        found.append(capability(f"c.{index}", needs, makes, optional_input_facets=helps, kind=kind, cost=cost))
    return tuple(found)


@given(
    drafting_capabilities(),
    st.lists(st.sampled_from((*LISTS, *FACETS[:3])), min_size=1, max_size=2, unique=True),
    st.integers(1, 3),
    st.sampled_from(["json_schema", "facets"]),
)
def test_plans_with_branches_give_a_result_that_the_contract_accepts(
    found: tuple[Capability, ...], targets: list[str], count: int, mode: str
) -> None:
    # Given
    parts: dict[str, Any] = {
        f: {"type": "array", "minItems": count} if f in LISTS else {"type": "string"} for f in targets
    }
    contract = object_contract(**parts) if mode == "json_schema" else facet_contract(*targets)
    raw = asked([], targets) | {"outputContract": contract}
    raw["inputs"] = {"variantCount": count}
    task = envelope(raw, DRAFTS)
    try:
        plan = assemble_plan(task, RegistrySnapshot(found), DRAFTS)
    except PlanRejectedError:
        return
    # When
    result = run(plan, {})
    # Then
    assert validator_for(contract.get("schema", {})).problems(result) == []
    assert set(result) == set(targets)
    assert all(isinstance(value, list) == (facet in LISTS) for facet, value in result.items())
    # And every part has somebody to blame
    made = {node.id: dict.fromkeys(node.output_facets) for node in plan.nodes}
    for facet in targets:
        assert facet in plan.node(blame(plan, f"/{facet}", made) or "").output_facets
