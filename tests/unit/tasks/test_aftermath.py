"""What a failed attempt does to its node, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from planner.plan.graph import NodeContract
from planner.progress.failure import Aftermath, AskPerson, Failure, GiveUp, RetryNode, UseAlternative
from planner.progress.state import NodeState
from tasks.aftermath import Change, change_after
from tasks.requests import MAX_SHOWN, clipped
from tests.support.factories import make_node

NODE = make_node("writer", makes=["post"], contract=NodeContract(3), alternatives=("acme.other",))
STATE = NodeState("writer", status="running", attempt=4, tries=1, repair=2, crashes=1)
FINDING = {"pointer": "/post", "keyword": "minLength", "message": "is too short", "facet": "post"}
INVALID = Failure("invalid_output", "invalid_output", "It does not fit.", (FINDING,), {"post": "x"})
AWAY = Failure("agent_error", "agent_unavailable", "No answer.")
LOST = Failure("lease_lost", "lease_lost", "The worker went away.")
GONE = Failure("capability_inactive", "capability_inactive", "It is not active.")


def told(change: Change) -> list[str]:
    return [draft.type for draft in change.drafts]


def test_a_repair_begins_at_once_and_hands_on_findings_and_output() -> None:
    change = change_after(NODE, STATE, INVALID, RetryNode(0.0))
    assert change.again
    assert told(change) == ["validation_error", "node_retry"]
    assert (change.values["repair"], change.values["tries"], change.values["findings"]) == (3, 2, [FINDING])
    assert change.values["error"]["output"] == {"post": "x"}
    retry = change.drafts[-1].payload or {}
    assert (retry["attempt"], retry["maxAttempts"], retry["reason"]) == (5, 3, "invalid_output")
    assert retry["errors"] == [FINDING]


def test_a_retry_later_frees_the_node_and_is_no_repair() -> None:
    change = change_after(NODE, STATE, AWAY, RetryNode(2.0))
    assert not change.again
    assert told(change) == ["node_retry"]
    assert (change.values["status"], change.values["tries"], change.values["dispatched_at"]) == ("retrying", 2, None)
    assert change.values["retry_at"] is not None
    assert "repair" not in change.values


def test_a_lost_lease_counts_as_a_crash_and_as_nothing_else() -> None:
    change = change_after(NODE, STATE, LOST, RetryNode(0.0))
    assert (change.values["crashes"], change.values["retry_at"]) == (2, None)
    assert change.values.keys().isdisjoint({"tries", "repair", "findings"})


def test_an_alternative_starts_with_a_clean_slate() -> None:
    change = change_after(NODE, STATE, INVALID, UseAlternative(1, "acme.other"))
    assert change.again
    assert told(change) == ["validation_error", "node_error", "node_retry"]
    assert (change.values["candidate"], change.values["capability_id"]) == (1, "acme.other")
    assert (change.values["tries"], change.values["findings"]) == (0, [])
    error, retry = (draft.payload or {} for draft in change.drafts[1:])
    assert (error["capabilityId"], retry["capabilityId"], retry["reason"]) == ("acme.writer", "acme.other", "fallback")


@pytest.mark.parametrize(
    ("failure", "frames"),
    [(INVALID, ["validation_error"]), (AWAY, []), (GONE, ["node_error"])],
    ids=lambda v: str(v)[:20],
)
def test_a_person_is_asked_with_all_that_is_known(failure: Failure, frames: list[str]) -> None:
    change = change_after(NODE, STATE, failure, AskPerson())
    assert change.values["status"] == "awaiting_hitl"
    assert told(change) == frames
    assert change.request is not None
    context: dict[str, Any] = change.request.payload["additionalContext"]
    assert (context["reason"], context["attempts"]) == (failure.code, 4)
    assert context["errors"] == list(failure.findings)
    assert context["lastOutput"] == failure.output
    assert change.request.contract_summary["contract"]["output"] == NODE.output_schema
    assert "4 attempts" in change.request.operator_prompt


@pytest.mark.parametrize(
    ("failure", "code"), [(INVALID, "invalid_output"), (LOST, "poison"), (AWAY, "agent_unavailable")]
)
def test_giving_up_names_code_and_remedy(failure: Failure, code: str) -> None:
    change = change_after(NODE, STATE, failure, GiveUp())
    assert (change.values["status"], change.values["error"]["code"]) == ("error", code)
    payload = change.drafts[-1].payload or {}
    assert (payload["code"], payload["capabilityId"]) == (code, "acme.writer")
    assert payload["remedy"]


@pytest.mark.parametrize(
    ("failure", "aftermath"),
    [(INVALID, RetryNode(0.0)), (AWAY, UseAlternative(1, "acme.other")), (GONE, AskPerson()), (LOST, GiveUp())],
    ids=["repair", "alternative", "person", "end"],
)
def test_how_long_the_attempt_took_is_told_wherever_its_failure_is(failure: Failure, aftermath: Aftermath) -> None:
    timed = change_after(NODE, STATE, failure, aftermath, duration_ms=12.34567).drafts
    unknown = change_after(NODE, STATE, failure, aftermath).drafts
    ends = [draft.payload or {} for draft in timed if draft.type in {"node_error", "node_retry"}]
    assert ends
    assert {payload["durationMs"] for payload in ends} == {12.346}
    assert not any("durationMs" in (draft.payload or {}) for draft in unknown)


def test_a_text_that_went_out_of_hand_is_cut() -> None:
    assert len(clipped("x" * 100_000)) == MAX_SHOWN
    assert clipped({"post": "x"}) == {"post": "x"}
