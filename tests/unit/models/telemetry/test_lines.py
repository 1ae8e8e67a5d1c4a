"""A frame becomes one line of names, numbers and codes, whatever its payload holds."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events.frames import FrameType
from models.telemetry.line_names import FRAME_LINES
from models.telemetry.lines import WARNED, facts_of, name_of, token

CANARY = "sing, canary: my salary is 4711"


def frame(kind: str, payload: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "id": "7",
        "runId": "flex_1",
        "correlationId": "corr-1",
        "planVersion": 2,
        "payload": payload or {},
        **members,
    }


@pytest.mark.parametrize(
    ("kind", "payload", "name"),
    [
        ("start", {}, "flex_run_start"),
        ("plan_requested", {}, "flex_plan_requested"),
        ("node_start", {"kind": "execution"}, "flex_node_start"),
        ("node_start", {"kind": "branch", "virtual": True}, "flex_virtual_node_start"),
        ("node_complete", {"kind": "routing", "virtual": True}, "flex_routing_node_complete"),
        ("node_error", {}, "flex_node_error"),
        ("validation_error", {}, "flex_validation_failed"),
        ("hitl_resolved", {"request": {"responses": [{"responseType": "approval"}]}}, "flex_hitl_resolved"),
        ("hitl_resolved", {"request": {"responses": [{"responseType": "rejection"}]}}, "flex_hitl_rejection"),
        ("run_resumed", {}, "flex_run_resume_start"),
        ("complete", {}, "flex_run_complete"),
    ],
)
def test_the_name_follows_from_the_frame(kind: str, payload: dict[str, Any], name: str) -> None:
    assert name_of(frame(kind, payload)) == name


@pytest.mark.parametrize("kind", get_args(FrameType))
@pytest.mark.parametrize("payload", [{}, {"virtual": True}, {"kind": "routing"}])
def test_every_type_of_frame_has_a_documented_line_of_its_level(kind: str, payload: dict[str, Any]) -> None:
    levels = {line.name: line.level for line in FRAME_LINES}
    name = name_of(frame(kind, payload))
    assert levels[name] == ("warning" if kind in WARNED else "info")


def test_a_line_says_whose_fact_it_is() -> None:
    payload = {
        "capabilityId": "acme.writer",
        "attempt": 2,
        "durationMs": 12.5,
        "usage": {"promptTokens": 10, "completionTokens": 5, "cost": 0.25},
    }
    provenance = {"input": [{"facet": "brief"}], "output": [{"facet": "copy"}, {"facet": "copy"}]}
    facts = facts_of(frame("node_complete", payload, nodeId="writer~a", facetProvenance=provenance), "acme")
    assert facts == {
        "run_id": "flex_1",
        "seq": 7,
        "correlation_id": "corr-1",
        "tenant": "acme",
        "plan_version": 2,
        "node_id": "writer~a",
        "node_status": "completed",
        "capability_id": "acme.writer",
        "attempt": 2,
        "duration_ms": 12.5,
        "facets": {"input": ["brief"], "output": ["copy"]},
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "cost": 0.25,
        "outcome": "completed",
    }


def test_a_plan_names_who_was_chosen_and_over_whom() -> None:
    node = {
        "id": "writer~a",
        "capabilityId": "acme.writer",
        "score": 0.8,
        "runnersUp": [{"capabilityId": "acme.other", "total": 0.6, "lostOn": ["cost"]}],
        "alternatives": ["acme.other"],
        "rationale": [CANARY],
    }
    joint = {"id": "join", "capabilityId": None}
    payload = {"plan": {"nodes": [node, joint], "edges": [{}]}}
    facts = facts_of(frame("plan_generated", payload), "acme")
    assert (facts["nodes"], facts["edges"]) == (2, 1)
    assert facts["choices"] == [
        {
            "node_id": "writer~a",
            "capability_id": "acme.writer",
            "score": 0.8,
            "runners_up": [{"capability_id": "acme.other", "score": 0.6, "lost_on": ["cost"]}],
            "alternatives": ["acme.other"],
        }
    ]


def test_a_rejected_plan_is_told_by_the_codes_of_its_diagnostics() -> None:
    found = [{"code": "facet_missing", "message": CANARY}, {"code": "facet_missing"}, {"code": "no_producer"}]
    assert facts_of(frame("plan_rejected", {"diagnostics": found}), "t")["codes"] == ["facet_missing", "no_producer"]


def test_what_ended_and_what_was_stopped_are_told() -> None:
    error = {"code": "no_plan", "message": CANARY}
    payload = {"status": "failed", "reason": "no_plan", "error": error, "stopped": [{}]}
    facts = facts_of(frame("complete", payload), "t")
    assert (facts["outcome"], facts["reason"], facts["code"], facts["nodes_stopped"]) == (
        "failed",
        "no_plan",
        "no_plan",
        1,
    )


@pytest.mark.parametrize("value", ["two words", "a\nb", "", "x" * 121, 7, None, ["a"], "näher?"])
def test_what_may_be_a_text_is_no_token(value: Any) -> None:
    assert token(value) is None


texts = st.just(CANARY)
contents = st.recursive(
    texts,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(("request", "plan", "payload", "errors", "message", "output", "trigger", "reason", "code")),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(
    kind=st.sampled_from(get_args(FrameType)),
    payload=st.dictionaries(
        st.sampled_from(("message", "reason", "code", "label", "objective", "output", "policyId", "status", "scope")),
        contents,
    ),
)
def test_no_text_of_a_payload_reaches_a_line(kind: str, payload: dict[str, Any]) -> None:
    told = facts_of(frame(kind, payload, message=CANARY), "t")
    assert CANARY not in repr(told)
