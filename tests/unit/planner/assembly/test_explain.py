"""A plan as a tree, a drawing and a bill."""

from __future__ import annotations

from typing import Any

from planner.assembly.explain import explanation, mermaid, plan_cost
from tests.support.planning import linkedin, plan_for, registry


def names(tree: dict[str, Any]) -> list[str]:
    return [tree["id"], *(name for child in tree["children"] for name in names(child))]


def test_every_node_stands_in_the_tree_once_with_its_reasons() -> None:
    plan = plan_for(linkedin())
    (root,) = explanation(plan)["nodes"]
    assert sorted(names(root)) == sorted(plan.order)
    assert root["why"]
    assert root["children"][0]["kind"] == "branch"


def test_the_summary_counts_kinds_and_says_whether_the_cost_is_least() -> None:
    assert explanation(plan_for(linkedin()))["summary"].startswith(
        "Version 1: 1 structuring, 1 branch, 2 execution, 2 validation, 1 transformation; cost "
    )
    assert "proved least" in explanation(plan_for(linkedin()))["summary"]


def test_the_drawing_has_every_node_and_every_edge() -> None:
    plan = plan_for(linkedin())
    lines = mermaid(plan).splitlines()
    assert lines[0] == "flowchart TD"
    assert sum("-->" in line for line in lines) == len(plan.edges)
    assert sum("<br/>" in line for line in lines) == len(plan.nodes)
    assert 'n1{{"branch<br/>Branch into 2"}}' in mermaid(plan)


def test_the_bill_sums_what_produces_the_targets_and_prices_reviewers_apart() -> None:
    plan = plan_for(linkedin())
    bill = plan_cost(plan, registry())
    assert [part["nodeId"] for part in bill["parts"]] == ["briefing", "linkedinVariants~a", "linkedinVariants~b"]
    assert bill["total"] == sum(part["cost"] for part in bill["parts"]) == plan.metadata["search"]["cost"]
    assert [part["nodeId"] for part in bill["further"]] == ["contentReview~a", "contentReview~b"]
    assert bill["estimate"]["tokens"] == 1500 + 2 * 1200 + 2 * 900


def test_under_token_efficiency_the_bill_is_in_tokens() -> None:
    raw = linkedin(policies={"planner": {"optimisation": {"objective": "token_efficiency"}}})
    assert plan_cost(plan_for(raw), registry())["total"] == 1500 + 2 * 1200
