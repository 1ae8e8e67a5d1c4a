"""The checks refuse plans that were sound and then were harmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from planner.assembly.choice import choose
from planner.assembly.request import read_request
from planner.assembly.validation import Case, depth, validate_plan
from planner.plan.graph import Edge, Node, PlanGraph
from tests.support.planning import catalogue, envelope, like, linkedin, plan_for, registry, with_capabilities

WRITER = "ContentGeneratorAgent.linkedinVariants"


def case() -> Case:
    """Return the LinkedIn plan with everything that it is held against."""
    request = read_request(envelope(linkedin()), catalogue())
    return Case(plan_for(linkedin()), request, registry(), choose(request, registry()).targets)


def codes(checked: Case) -> set[str]:
    return {finding.code for finding in validate_plan(checked)}


def with_node(plan: PlanGraph, node_id: str, change: Callable[[Node], Node]) -> PlanGraph:
    return replace(plan, nodes=tuple(change(node) if node.id == node_id else node for node in plan.nodes))


def without_edge(plan: PlanGraph, source: str, target: str) -> PlanGraph:
    return replace(plan, edges=tuple(e for e in plan.edges if (e.source, e.target) != (source, target)))


def without_node(plan: PlanGraph, node_id: str) -> PlanGraph:
    edges = tuple(edge for edge in plan.edges if node_id not in {edge.source, edge.target})
    return replace(plan, nodes=tuple(node for node in plan.nodes if node.id != node_id), edges=edges)


def with_schema(schema: dict[str, Any]) -> Callable[[Node], Node]:
    return lambda node: replace(node, output_schema={"type": "object", "properties": schema})


def with_policy(checked: Case, **members: Any) -> Case:
    policy = replace(checked.request.policy, **members)
    return replace(checked, request=replace(checked.request, policy=policy))


def test_a_sound_plan_has_no_findings() -> None:
    assert validate_plan(case()) == ()


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda p: without_edge(p, "briefing", "branch"), "input_unavailable"),
        (lambda p: without_edge(p, "contentReview~b", "output"), "output_not_reached"),
        (lambda p: without_node(p, "output"), "output_missing"),
        (lambda p: without_node(without_node(p, "linkedinVariants~a"), "linkedinVariants~b"), "output_facet_uncovered"),
        (lambda p: with_node(p, "linkedinVariants~a", lambda n: replace(n, capability_id=None)), "executor_mismatch"),
        (
            lambda p: with_node(p, "linkedinVariants~a", lambda n: replace(n, capability_id="x.y")),
            "capability_unusable",
        ),
        (
            lambda p: with_node(p, "linkedinVariants~a", lambda n: replace(n, alternatives=("x",))),
            "capability_unusable",
        ),
        (
            lambda p: with_node(p, "briefing", lambda n: replace(n, capability_id="HumanAgent.clarifyBrief")),
            "capability_unusable",
        ),
        (lambda p: with_node(p, "output", lambda n: replace(n, transform=None)), "transform_missing"),
        (lambda p: with_node(p, "briefing", with_schema({"writerBrief": {"type": "string"}})), "schema_incompatible"),
        (
            lambda p: with_node(p, "linkedinVariants~b", lambda n: replace(n, output_facets=("post_copy",))),
            "transform_source_missing",
        ),
        (
            lambda p: replace(p, edges=(*p.edges, Edge("linkedinVariants~b", "contentReview~a"))),
            "input_ambiguous",
        ),
    ],
)
def test_harm_is_found(harm: Callable[[PlanGraph], PlanGraph], code: str) -> None:
    sound = case()
    assert code in codes(replace(sound, plan=harm(sound.plan)))


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"required_kinds": ("routing",)}, "required_kind_missing"),
        ({"required_kinds": ("fallback",)}, None),
        ({"required_kinds": ("validation", "branch")}, None),
        ({"forbidden_kinds": ("branch",)}, "forbidden_kind_used"),
        ({"require": ("x.y",)}, "required_capability_missing"),
        ({"forbid": (WRITER,)}, "capability_unusable"),
        ({"max_depth": 2}, "max_depth_exceeded"),
        ({"max_depth": 3}, None),
    ],
)
def test_policies_are_held(members: dict[str, Any], code: str | None) -> None:
    assert codes(with_policy(case(), **members)) == ({code} if code else set())


def test_a_capability_that_went_inactive_is_found() -> None:
    gone = with_capabilities(like(WRITER, status="inactive"))
    findings = validate_plan(replace(case(), registry=gone))
    assert [(f.code, f.node_stage) for f in findings] == [
        ("capability_unusable", "linkedinVariants~a"),
        ("capability_unusable", "linkedinVariants~b"),
    ]


def test_depth_counts_the_nodes_that_do_work() -> None:
    assert depth(case().plan) == 3
    assert depth(PlanGraph(1, (), ())) == 0
