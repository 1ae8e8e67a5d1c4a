"""The stored form of plans."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given

from planner.plan.codec import FORMAT, plan_from_json, plan_hash, plan_to_json
from planner.plan.graph import Edge, NodeContract, PlanGraph, PlanInvalidError
from planner.plan.identity import Identity
from tests.support.factories import make_diamond, make_node, make_plan, plans
from tests.support.planning import linkedin, plan_for

FULL = make_node(
    "full",
    makes=["post"],
    needs=["brief"],
    optional_input_facets=("audience",),
    input_schema={"type": "object"},
    contract=NodeContract(4, "abort"),
    alternatives=("acme.b", "acme.c"),
    derived=True,
    derived_from="other",
    rationale=("because",),
    instructions=("do it",),
    score={"total": 0.5},
    branch="a",
    transform={"engine": "jmespath", "expression": "x"},
    routing={"routes": []},
    timeout_seconds=12.5,
    pre_guards=({"facet": "brief"},),
    post_guards=({"facet": "post"},),
    metadata={"tags": ["x"]},
)


def test_every_field_of_a_node_survives_the_text() -> None:
    plan = make_plan([FULL])
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_a_planned_envelope_survives_the_text() -> None:
    plan = plan_for(linkedin())
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


@given(plans())
def test_any_plan_survives_the_text(plan: PlanGraph) -> None:
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_the_stored_form_names_its_format() -> None:
    assert plan_to_json(make_diamond())["format"] == FORMAT


@pytest.mark.parametrize("found", [None, 0, FORMAT + 1, "1"])
def test_another_format_is_refused_by_name(found: object) -> None:
    with pytest.raises(PlanInvalidError, match=f"format {found!r}.*reads {FORMAT}"):
        plan_from_json({**plan_to_json(make_diamond()), "format": found})


def test_plans_that_run_alike_have_one_hash() -> None:
    plan = make_diamond()
    told_apart = replace(plan, version=7, metadata={"note": "other"})
    scored = replace(plan, nodes=tuple(replace(n, score={"total": 1}, rationale=("so",)) for n in plan.nodes))
    assert plan_hash(plan) == plan_hash(told_apart) == plan_hash(scored)


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": Identity("first", output_facets=("first_text",), generation=2)},
        {"capability_version": "2.0.0"},
        {"output_schema": {"type": "object"}},
        {"instructions": ("shorter",)},
        {"transform": {"expression": "x"}},
        {"routing": {"routes": []}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_changes_a_run_changes_the_hash(changes: dict[str, object]) -> None:
    plan = make_plan(["first", "second"])
    changed = replace(plan, nodes=(replace(plan.nodes[0], **changes), plan.nodes[1]))  # type: ignore[arg-type]  # any field
    assert plan_hash(changed) != plan_hash(plan)


def test_another_edge_changes_the_hash() -> None:
    plan = make_plan(["a", "b"])
    assert plan_hash(replace(plan, edges=(Edge("a", "b"),))) != plan_hash(plan)
