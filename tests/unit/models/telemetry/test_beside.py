"""Some frames give rise to further lines: each is one fact under its own name, and none holds anybody's words."""

from __future__ import annotations

from typing import Any

import pytest

from models.telemetry.beside import DROPPED_FACET, MISSING_FACET, MISSING_PIN, write_lines_beside
from models.telemetry.line_names import BESIDE_LINES
from tests.support.lines import Line, captured

CANARY = "sing, canary: my salary is 4711"
ABOUT = {"run_id": "flex_1", "of_seq": 7, "correlation_id": "corr-1", "tenant": "acme", "plan_version": 2}
REACH = {
    "totalRows": 3,
    "rowCap": 80,
    "truncated": False,
    "mrcsSize": 4,
    "considered": 9,
    "reasonCounts": {"path": 3, "policy_reference": 1, CANARY: 1},
    "pinnedCapabilityIds": ["acme.a"],
    "missingPinnedCapabilityIds": ["acme.ghost", CANARY],
    "missingPinnedCapabilities": 2,
}


def beside(kind: str, payload: dict[str, Any], **members: Any) -> list[Line]:
    """Return the further lines of a frame, without what the logging adds."""
    frame = {
        "type": kind,
        "id": "7",
        "runId": "flex_1",
        "correlationId": "corr-1",
        "planVersion": 2,
        "payload": payload,
        **members,
    }
    with captured() as lines:
        write_lines_beside(frame, "acme")
    levels = {line.name: line.level for line in BESIDE_LINES}
    for line in lines.all():
        assert line["level"] == levels[line["event"]]
        assert ABOUT.items() <= line.items()
    assert CANARY not in lines.text
    added = {"level", "timestamp", "logger", *ABOUT}
    return [{name: value for name, value in line.items() if name not in added} for line in lines.all()]


def refused(*diagnostics: dict[str, Any]) -> list[Line]:
    return beside("plan_rejected", {"diagnostics": [{"message": CANARY, **one} for one in diagnostics]})


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("plan_generated", {"plan": {"metadata": {"crcs": REACH}}}),
        ("plan_updated", {"metadata": {"crcs": REACH}}),
    ],
)
def test_every_version_of_a_plan_tells_the_set_that_it_was_searched_in(kind: str, payload: dict[str, Any]) -> None:
    assert beside(kind, payload) == [
        {
            "event": "flex_planner_crcs_metrics",
            "rows": 3,
            "row_cap": 80,
            "truncated": False,
            "mrcs": 4,
            "considered": 9,
            "reasons": {"path": 3, "policy_reference": 1},
            "pinned": 1,
            "missing_pinned": 2,
        },
        {"event": "flex_planner_missing_pinned_capabilities", "missing": ["acme.ghost"], "codes": []},
    ]


def test_a_plan_that_was_not_searched_for_tells_nothing_more() -> None:
    assert beside("plan_generated", {"plan": {"metadata": {}}}) == []


@pytest.mark.parametrize("code", sorted(MISSING_FACET))
def test_a_refusal_names_the_facets_that_cannot_be_had(code: str) -> None:
    found = refused({"code": code, "facet": "brief"}, {"code": code, "facet": "brief"}, {"code": code, "facet": CANARY})
    assert found == [{"event": "flex_planner_missing_facets", "missing": ["brief"], "codes": [code]}]


@pytest.mark.parametrize("code", sorted(MISSING_PIN))
def test_a_refusal_names_the_required_capabilities_that_cannot_be_had(code: str) -> None:
    found = refused({"code": code, "capabilityId": "acme.ghost", "facet": "brief"})
    expected = {"event": "flex_planner_missing_pinned_capabilities", "missing": ["acme.ghost"], "codes": [code]}
    assert found == [expected]


@pytest.mark.parametrize("code", sorted(DROPPED_FACET))
def test_a_refused_draft_names_each_facet_that_its_nodes_have_not(code: str) -> None:
    found = refused({"code": code, "capabilityId": "acme.a", "facet": "f"}, {"code": code, "facet": CANARY})
    assert found == [
        {"event": "flex_planner_dropped_facet", "facet": "f", "capability_id": "acme.a", "code": code},
        {"event": "flex_planner_dropped_facet", "code": code},
    ]


def test_other_diagnostics_have_no_line_of_their_own() -> None:
    assert refused({"code": "below_minimum_score", "capabilityId": "acme.a", "facet": "f"}) == []


def test_a_plan_of_a_draft_names_the_facets_that_counted_for_nothing() -> None:
    dropped = [{"stage": CANARY, "capabilityId": "acme.a", "facet": "f"}]
    found = beside("plan_generated", {"plan": {"metadata": {"plannerDroppedFacets": dropped}}})
    expected = {"event": "flex_planner_dropped_facet", "facet": "f", "capability_id": "acme.a", "code": "not_taken"}
    assert found == [expected]


@pytest.mark.parametrize(
    ("reason", "told"), [("no_candidate", True), ("empty_registry", True), ("below_minimum_score", False)]
)
def test_a_facet_that_a_person_is_to_supply_is_missing_if_nobody_makes_it(reason: str, told: bool) -> None:  # noqa: FBT001
    found = beside("plan_fallback", {"reason": reason, "facets": ["brief"]}, nodeId="ask")
    expected = {"event": "flex_planner_missing_facets", "node_id": "ask", "missing": ["brief"], "codes": [reason]}
    assert found == ([expected] if told else [])


def test_a_capability_is_exhausted_when_its_node_fails_or_goes_to_another() -> None:
    payload = {"capabilityId": "acme.a", "attempt": 3, "code": "timeout", "message": CANARY}
    assert beside("node_error", payload, nodeId="a") == [
        {
            "event": "flex_capability_exhausted",
            "node_id": "a",
            "capability_id": "acme.a",
            "attempt": 3,
            "code": "timeout",
        }
    ]


def test_a_capability_is_exhausted_when_a_person_is_asked_in_its_place() -> None:
    context = {"reason": "invalid_output", "attempts": 2, "message": CANARY}
    request = {"originAgent": "acme.a", "payload": {"question": CANARY, "additionalContext": context}}
    (line,) = beside("hitl_request", {"request": request}, nodeId="a")
    assert (line["event"], line["capability_id"]) == ("flex_capability_exhausted", "acme.a")
    assert (line["attempt"], line["code"]) == (2, "invalid_output")


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("node_error", {"capabilityId": "acme.a", "code": "capability_inactive"}),
        ("node_error", {"virtual": True, "code": "invalid_output"}),
        ("node_error", {"kind": "fallback", "code": "rejected"}),
        ("hitl_request", {"request": {"originAgent": "acme.a", "payload": {"question": CANARY}}}),
        ("hitl_request", {"request": {"payload": {"additionalContext": {"reason": "contract_not_met"}}}}),
        (
            "hitl_request",
            {"request": {"payload": {"additionalContext": {"reason": "capability_inactive", "attempts": 1}}}},
        ),
    ],
    ids=["went away", "nobody's", "stopped by a person", "its own question", "the result is wrong", "went away, asked"],
)
def test_nobody_is_exhausted_by_what_is_another_fact(kind: str, payload: dict[str, Any]) -> None:
    assert beside(kind, payload, nodeId="a") == []


def test_a_no_after_which_nothing_was_said_to_follow_fails_the_node() -> None:
    found = beside("node_error", {"capabilityId": "acme.a", "kind": "execution", "code": "rejected"}, nodeId="a")
    assert found == [{"event": "flex_hitl_rejection_default_fail", "node_id": "a", "capability_id": "acme.a"}]


def test_most_frames_have_their_own_line_only() -> None:
    assert beside("node_start", {"capabilityId": "acme.a"}, nodeId="a") == []
