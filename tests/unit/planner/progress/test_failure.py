"""What follows a failed attempt, row by row."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.plan.graph import Node, NodeContract
from planner.progress.failure import (
    MAX_CRASHES,
    Aftermath,
    AskPerson,
    Failure,
    GiveUp,
    RetryNode,
    UseAlternative,
    after_failure,
    candidate_id,
)
from planner.progress.state import NodeState
from tests.support.factories import make_node

PLAIN = make_node("writer")
PATIENT = make_node("writer", contract=NodeContract(3))
ALONE = make_node("writer", contract=NodeContract(1, "abort"))
BACKED = make_node("writer", alternatives=("acme.second", "acme.third"))
PEER = make_node("writer", contract=NodeContract(1, "retry"))
SECOND, THIRD = UseAlternative(1, "acme.second"), UseAlternative(2, "acme.third")
KINDS = ("invalid_output", "agent_error", "timeout", "capability_inactive", "lease_lost")


def failure(kind: str, **changes: Any) -> Failure:
    return Failure(**{"kind": kind, "code": kind, "message": kind, **changes})


@pytest.mark.parametrize(
    ("about", "node", "state", "fault", "aftermath"),
    [
        ("an invalid output is mended at once", PLAIN, {}, failure("invalid_output"), RetryNode(0.0)),
        ("an agent's error is tried again in a second", PLAIN, {}, failure("agent_error"), RetryNode(1.0)),
        ("then in two", PATIENT, {"tries": 1}, failure("agent_error"), RetryNode(2.0)),
        ("or when the agent says", PLAIN, {}, failure("agent_error", retry_after=7.5), RetryNode(7.5)),
        ("a timeout is tried again too", PLAIN, {}, failure("timeout"), RetryNode(1.0)),
        ("used-up tries lead to a person", PLAIN, {"tries": 1}, failure("invalid_output"), AskPerson()),
        ("in the peer's words as well", PEER, {}, failure("invalid_output"), AskPerson()),
        ("unless the contract aborts", ALONE, {}, failure("invalid_output"), GiveUp()),
        ("a refusal is not tried again", PATIENT, {}, failure("agent_error", retryable=False), AskPerson()),
        ("an alternative comes before a person", BACKED, {"tries": 1}, failure("agent_error"), SECOND),
        ("and the next one after it", BACKED, {"tries": 1, "candidate": 1}, failure("agent_error"), THIRD),
        ("until there is none", BACKED, {"tries": 1, "candidate": 2}, failure("agent_error"), AskPerson()),
        ("an alternative has tries of its own", BACKED, {"candidate": 1}, failure("invalid_output"), RetryNode(0.0)),
        ("an inactive capability is not tried again", BACKED, {}, failure("capability_inactive"), SECOND),
        ("a person stands in for the only one", PLAIN, {}, failure("capability_inactive"), AskPerson()),
        ("a lost lease costs no try", ALONE, {"tries": 5}, failure("lease_lost"), RetryNode(0.0)),
        ("a second one neither", PLAIN, {"crashes": 1}, failure("lease_lost"), RetryNode(0.0)),
        ("the third is poison, alternatives or not", BACKED, {"crashes": 2}, failure("lease_lost"), GiveUp()),
    ],
)  # fmt: skip
def test_what_follows(about: str, node: Node, state: dict[str, Any], fault: Failure, aftermath: Aftermath) -> None:
    assert after_failure(node, NodeState("writer", **state), fault, lambda _: True) == aftermath, about


def test_an_inactive_alternative_is_passed_over() -> None:
    step = after_failure(BACKED, NodeState("writer", tries=1), failure("agent_error"), {"acme.third"}.__contains__)
    assert step == THIRD


def test_a_candidate_number_names_a_capability() -> None:
    assert [candidate_id(BACKED, n) for n in range(3)] == ["acme.writer", "acme.second", "acme.third"]


def test_the_error_of_a_node_holds_its_findings() -> None:
    finding = {"pointer": "/a", "message": "is missing"}
    assert failure("invalid_output", findings=(finding,)).as_json() == {
        "code": "invalid_output", "message": "invalid_output", "errors": [finding]
    }  # fmt: skip
    assert failure("timeout").as_json() == {"code": "timeout", "message": "timeout"}


@given(
    st.integers(1, 5),
    st.sampled_from(("retry", "hitl", "abort")),
    st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=40, max_size=40),
)
def test_no_node_is_tried_for_ever(attempts: int, fallback: Any, spares: int, faults: list[tuple[str, bool]]) -> None:
    """However attempts fail, a person or the end is reached within what the contract and the crashes allow."""
    node = make_node("writer", contract=NodeContract(attempts, fallback), alternatives=("x",) * spares)
    counts: dict[str, Any] = {"tries": 0, "crashes": 0, "candidate": 0}
    for made, (kind, retryable) in enumerate(faults, start=1):
        step = after_failure(node, NodeState("writer", **counts), failure(kind, retryable=retryable), lambda _: True)
        if isinstance(step, AskPerson | GiveUp):
            assert made <= attempts * (spares + 1) + MAX_CRASHES - 1
            assert isinstance(step, GiveUp) or fallback != "abort"
            return
        if isinstance(step, UseAlternative):
            counts |= {"tries": 0, "candidate": step.candidate}
        else:
            counts["crashes" if kind == "lease_lost" else "tries"] += 1
    raise AssertionError("the node was tried without end")
