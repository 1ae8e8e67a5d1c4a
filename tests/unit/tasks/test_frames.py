"""What each step of a run tells, from a plan alone."""

from __future__ import annotations

import json

import pytest

from models.telemetry.lines import name_of
from planner.plan.graph import Node
from planner.progress.failure import Failure
from tasks import frames
from tests.support.factories import make_node, make_plan, make_virtual
from tests.support.planning import linkedin, plan_for


def test_a_plan_is_told_with_its_nodes_edges_and_branches() -> None:
    plan = plan_for(linkedin())
    whole, *branchings = frames.plan_generated("run", plan)
    shown = (whole.payload or {})["plan"]
    assert [node["id"] for node in shown["nodes"]] == [node.id for node in plan.nodes]
    assert {node["status"] for node in shown["nodes"]} == {"pending"}
    assert len(shown["edges"]) == len(plan.edges)
    assert json.dumps(shown)
    (branching,) = branchings
    payload = branching.payload or {}
    assert (branching.type, payload["reason"], payload["parentNodeId"]) == (
        "plan_branch",
        "variant_count",
        branching.node_id,
    )
    assert [branch["label"] for branch in payload["branches"]] == ["a", "b"]


def test_a_plan_without_branches_tells_of_none() -> None:
    assert [draft.type for draft in frames.plan_generated("run", make_plan(["a", "b"]))] == ["plan_generated"]


def test_a_virtual_node_says_so_and_names_no_capability() -> None:
    virtual = frames.node_start(make_virtual("v"), attempt=1, capability_id=None).payload or {}
    real = frames.node_start(make_node("a", branch="b"), attempt=2, capability_id="acme.a").payload or {}
    assert (virtual["virtual"], virtual["capabilityId"]) == (True, None)
    assert (real["attempt"], real["capabilityId"], real["branch"]) == (2, "acme.a", "b")
    assert "virtual" not in real


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (make_node("a", makes=["a_text"]), "flex_node_error"),
        (make_virtual("v", makes=["v_text"]), "flex_virtual_node_error"),
        (make_virtual("r", kind="routing"), "flex_routing_node_error"),
    ],
)
def test_what_goes_wrong_at_a_node_is_told_with_its_sort_and_facets(node: Node, line: str) -> None:
    failure = Failure("invalid_output", "invalid_output", "It does not fit.")
    told = (
        frames.node_error(node, failure, capability_id=node.capability_id, attempt=1),
        frames.node_retry(node, attempt=2, reason="invalid_output", capability_id=node.capability_id, failure=failure),
        frames.node_skipped(node, "Another way was taken."),
        frames.validation_error("capability_output", [], node=node, capability_id=node.capability_id, attempt=1),
    )
    assert [name_of({"type": draft.type, "payload": draft.payload}) for draft in told] == [
        line,
        "flex_node_retry",
        "flex_node_skipped",
        "flex_validation_failed",
    ]
    for draft in told:
        assert (draft.node_id, (draft.payload or {})["capabilityId"]) == (node.id, node.capability_id)
        assert (draft.payload or {})["facets"] == {"input": list(node.input_facets), "output": list(node.output_facets)}


def test_the_last_frame_leaves_out_what_it_has_not() -> None:
    payload = frames.complete("completed", output={"a": 1}, reason=None, error=None).payload
    assert payload == {
        "status": "completed",
        "output": {"a": 1},
        "goal_condition_results": [],
        "post_condition_results": [],
    }


def test_every_code_has_a_remedy() -> None:
    assert all(frames.remedy(code) for code in (*frames.REMEDIES, "never heard of"))
