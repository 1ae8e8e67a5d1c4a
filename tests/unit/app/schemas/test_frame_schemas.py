"""Every type of frame has a schema that is complete in itself, strict about the frame and open in the payload."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from app.schemas.frame import ABOUT_A_NODE, BARE, frame_json_schemas
from models.events.frames import Draft, Frame, FrameType
from planner.plan.graph import Edge, Node, PlanGraph
from planner.plan.identity import Identity
from planner.progress.failure import Failure
from tasks import frames

# The smallest payload of every type.
PAYLOADS: dict[str, dict[str, Any]] = {
    "start": {"runId": "r", "threadId": None, "correlationId": "c"},
    "plan_requested": {"phase": "initial", "attempt": 1},
    "plan_rejected": {"diagnostics": [{"code": "no_plan", "message": "nobody can"}]},
    "plan_generated": {"plan": {"version": 1, "nodes": [{"id": "n", "kind": "execution"}], "edges": []}},
    "plan_branch": {
        "parentNodeId": "n",
        "reason": "variant_count",
        "branches": [{"label": "a", "nodeIds": ["n~a"]}, {"label": "b", "nodeIds": ["n~b"]}],
    },
    "plan_fallback": {
        "nodeId": "n",
        "reason": "below_minimum_score",
        "facets": ["post_copy"],
        "best": {"capabilityId": "a.b", "score": 0.2},
        "minimumScore": 0.35,
    },
    "plan_updated": {"previousVersion": 1, "version": 2, "trigger": {"reason": "policy_runtime_replan"}},
    "node_start": {"capabilityId": "a.b", "label": "Write", "attempt": 1},
    "node_complete": {
        "capabilityId": "a.b",
        "output": {"post_copy": "text"},
        "durationMs": 12,
        "attempt": 1,
        "usage": {"promptTokens": 1, "completionTokens": 2, "cost": 0.01},
    },
    "node_error": {
        "capabilityId": "a.b",
        "durationMs": 0.5,
        "error": {"code": "agent_refused", "message": "register again"},
    },
    "node_retry": {"attempt": 1, "maxAttempts": 2, "reason": "invalid_output", "durationMs": 12, "errors": []},
    "node_skipped": {"reason": "not chosen"},
    "rewrite_started": {"policyId": "p", "ofNodeId": "n", "attempt": 1, "maxAttempts": 2, "findings": []},
    "validation_error": {"scope": "final_output", "errors": [{"pointer": "/a", "message": "is missing"}]},
    "policy_triggered": {"policyId": "p", "action": "replan"},
    "policy_update": {"policyId": "p", "action": "emit", "event": "e"},
    "goal_condition_failed": {"failedGoalConditions": [{"facet": "post_copy"}], "attempt": 1, "limit": None},
    "feedback_resolution": {"capabilityId": "a.b", "changes": []},
    "hitl_request": {"request": {"id": "hitl_1", "originAgent": "a.b", "payload": {"question": "Good?"}}},
    "hitl_update": {"requestId": "hitl_1", "round": 2, "answer": "yes"},
    "hitl_resolved": {"request": {"id": "hitl_1", "responses": [{"approved": True}]}},
    "run_paused": {"reason": "operator", "operator": {"id": "op"}},
    "run_resumed": {"planVersion": 1},
    "log": {"anything": 1},
    "complete": {"status": "failed", "reason": "no_plan", "error": {"code": "no_plan", "message": "nobody can"}},
}


def frame(frame_type: str, **members: Any) -> dict[str, Any]:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    node_id = "n" if frame_type in ABOUT_A_NODE else None
    made = Frame("r", 1, frame_type, moment, "c", 1, "default", node_id, None, PAYLOADS[frame_type], None)
    return {**made.as_json(), **members}


def problems(document: dict[str, Any]) -> list[str]:
    schema = frame_json_schemas()[document["type"]]
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in checker.iter_errors(document)]


def written(draft: Draft) -> dict[str, Any]:
    """Return a draft as the log would number and show it."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    numbered = Frame(
        "r",
        1,
        draft.type,
        moment,
        "c",
        1,
        "default",
        draft.node_id,
        draft.message,
        draft.payload,
        draft.facet_provenance,
    )
    return numbered.as_json()


def test_what_the_workers_write_fits_the_schemas() -> None:
    # Given a plan with a branch, and a node of it that was tried, refused, tried again and done
    fork = Node(
        Identity("fork"),
        "branch",
        "Fork",
        executor_type="virtual",
        metadata={"reason": "variant_count", "branches": [{"label": "a", "nodeIds": ["write~a"]}]},
    )
    node = Node(Identity("write", path=("a",)), "execution", "Write", capability_id="a.b", branch="a")
    plan = PlanGraph(1, (fork, node), (Edge(fork.id, node.id),), {"notes": []})
    finding = {"pointer": "/post_copy", "message": "is missing", "keyword": "required", "schemaPath": "/required"}
    failure = Failure("invalid_output", "invalid_output", "the output breaks its schema", (finding,))
    usage = {"promptTokens": 1, "completionTokens": 2, "cost": 0.1}

    # When each step is told
    drafts = [
        *frames.plan_generated("r", plan),
        frames.node_start(fork, attempt=1, capability_id=None),
        frames.node_start(node, attempt=1, capability_id="a.b"),
        frames.validation_error("capability_output", [finding], node=node, capability_id="a", attempt=1),
        frames.node_retry(node, attempt=2, reason="invalid_output", capability_id="a.b", failure=failure),
        frames.node_error(node, failure, capability_id="a.b", attempt=2),
        frames.node_complete(
            node, attempt=2, capability_id="a.b", output={"post_copy": "x"}, duration_ms=1.5, usage=usage, provenance={}
        ),
        frames.complete("completed", output={"post_copy": "x"}, usage=usage),
        frames.complete(
            "failed", reason="no_plan", error={"code": "no_plan", "message": "x", "remedy": "y"}, usage=usage
        ),
    ]

    # Then every frame fits its schema
    assert {draft.type: problems(written(draft)) for draft in drafts} == {draft.type: [] for draft in drafts}


def test_there_is_a_schema_for_every_type_and_no_other() -> None:
    assert set(frame_json_schemas()) == set(get_args(FrameType)) == set(PAYLOADS)


@pytest.mark.parametrize("frame_type", PAYLOADS)
def test_a_frame_as_the_log_writes_it_fits_its_schema(frame_type: str) -> None:
    assert problems(frame(frame_type)) == []


@pytest.mark.parametrize("frame_type", PAYLOADS)
def test_a_frame_says_nothing_beyond_its_members_and_its_payload_may(frame_type: str) -> None:
    assert problems(frame(frame_type, surprise=1)) != []
    assert problems(frame(frame_type, payload={**PAYLOADS[frame_type], "surprise": 1})) == []


@pytest.mark.parametrize("frame_type", sorted(set(PAYLOADS) - BARE))
def test_a_payload_is_required_where_it_says_something(frame_type: str) -> None:
    document = frame(frame_type)
    del document["payload"]
    assert problems(document) != []


@pytest.mark.parametrize("member", ["type", "timestamp", "runId", "correlationId", "planVersion", "id"])
def test_what_every_frame_says_is_required(member: str) -> None:
    document = frame("node_start")
    del document[member]
    checker = Draft202012Validator(frame_json_schemas()["node_start"])
    assert not checker.is_valid(document)


def test_only_a_log_may_go_without_an_id() -> None:
    document = frame("log")
    del document["id"]
    assert problems(document) == []


@pytest.mark.parametrize(
    ("frame_type", "payload"),
    [
        ("complete", {"status": "policy_action"}),
        ("complete", {"status": "failed", "error": "a text"}),
        ("node_retry", {"attempt": "1", "reason": "x"}),
        ("node_complete", {"usage": {"promptTokens": -1}}),
        ("validation_error", {"scope": "somewhere", "errors": []}),
        ("plan_branch", {"parentNodeId": "n", "reason": "mood", "branches": []}),
        ("hitl_request", {"request": {"originAgent": "a.b"}}),
    ],
)
def test_documented_members_are_typed(frame_type: str, payload: dict[str, Any]) -> None:
    assert problems(frame(frame_type, payload=payload)) != []


def test_a_frame_of_another_type_does_not_fit() -> None:
    document = {**frame("log"), "type": "start"}
    assert not Draft202012Validator(frame_json_schemas()["log"]).is_valid(document)
