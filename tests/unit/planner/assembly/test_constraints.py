"""Constraints of the output contract: promised, left to the run, or broken, and what that makes of the verdict."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.diagnostics import Diagnostic, PlanRejectedError, merge, satisfaction, status_of
from planner.plan.graph import PlanGraph
from tests.support.goldens import Golden, planner
from tests.support.planning import linkedin, object_contract, registry, variants

TITLE = {"type": "object", "required": ["title", "body"], "properties": {"title": {"type": "string"}}}


def constrained(*constraints: dict[str, Any], **members: Any) -> PlanGraph:
    contract = object_contract(copyVariants=variants(), qaFindings={"type": "object", "required": ["summary"]})
    raw = linkedin({**contract, "constraints": list(constraints)}, **members)
    return Golden(raw, registry()).plan()


def rule(level: str, logic: Any, name: str = "c") -> dict[str, Any]:
    return {"constraintId": name, "level": level, "expr": logic}


AT_LEAST = {">=": [{"var": "qaFindings.composite"}, 0.7]}
UNSAYABLE = {"!=": [{"var": "qaFindings.summary"}, {"var": "copyVariants"}]}
NOBODY = {"==": [{"var": "horoscope"}, 3]}
UNREVIEWED = planner(topology={"forbiddenKinds": ["validation"]})


def test_a_hard_constraint_that_a_schema_can_say_is_promised_by_who_makes_the_result() -> None:
    # When
    plan = constrained(rule("hard", AT_LEAST))
    # Then
    promised = plan.node("contentReview").output_schema["properties"]["qaFindings"]
    assert promised["properties"]["composite"]["minimum"] == 0.7
    assert "composite" in promised["required"]
    assert plan.metadata["status"] == "accepted"
    assert plan.metadata["satisfactionScore"] == 1.0


@pytest.mark.parametrize(
    ("level", "logic", "cause", "severity"),
    [
        ("soft", AT_LEAST, "advisory", "info"),
        ("informational", AT_LEAST, "advisory", "info"),
        ("hard", UNSAYABLE, "advisory", "info"),
        ("soft", NOBODY, "missing_producer", "warning"),
        ("soft", {"==": [{"var": "qaFindings.overallStatus"}, "great"]}, "schema_incompatible", "warning"),
        ("soft", {"and": [{">": [{"var": "x"}, 2]}, {"<": [{"var": "x"}, 1]}]}, "schema_incompatible", "warning"),
    ],
)
def test_what_is_not_made_sure_of_is_told(level: str, logic: Any, cause: str, severity: str) -> None:
    # When
    plan = constrained(rule(level, logic))
    # Then
    (told,) = plan.metadata["plannerDiagnostics"]
    assert (told["constraintId"], told["cause"], told["severity"]) == ("c", cause, severity)
    assert plan.metadata["status"] == "accepted_with_findings"
    assert (plan.metadata["satisfactionScore"] < 1.0) == (severity == "warning")


@pytest.mark.parametrize("logic", [NOBODY, {"==": [{"var": "qaFindings.overallStatus"}, "great"]}])
def test_a_hard_constraint_that_cannot_hold_refuses_the_plan(logic: Any) -> None:
    with pytest.raises(PlanRejectedError) as rejected:
        constrained(rule("hard", logic))
    assert rejected.value.diagnostics[0].severity == "error"


@pytest.mark.parametrize(("level", "cause"), [("hard", "missing_enforcer"), ("soft", "unsatisfied_soft")])
def test_without_a_reviewer_nobody_would_notice(level: str, cause: str) -> None:
    contract = object_contract(longFormDraft=TITLE)
    logic = {"!=": [{"var": "longFormDraft.title"}, {"var": "longFormDraft.body"}]}
    raw = linkedin({**contract, "constraints": [rule(level, logic)]}, inputs={"channel": "blog"}, policies=UNREVIEWED)
    golden = Golden(raw, registry())
    if level == "hard":
        with pytest.raises(PlanRejectedError) as rejected:
            golden.plan()
        assert rejected.value.diagnostics[0].cause == cause
    else:
        assert golden.plan().metadata["plannerDiagnostics"][0]["cause"] == cause


def finding(severity: Any, status: Any = "unsatisfied", **members: Any) -> Diagnostic:
    return Diagnostic("c", "m", severity, constraint_id="c", cause="advisory", status=status, **members)


def test_findings_of_one_constraint_node_and_cause_are_one() -> None:
    merged = merge([finding("info", suggestion="b"), finding("error", suggestion="a"), finding("info", suggestion="b")])
    assert [(d.severity, d.suggestion) for d in merged] == [("error", "b\na")]
    apart = merge([finding("info"), finding("info", node_stage="n")])
    assert len(apart) == 2


@pytest.mark.parametrize(
    ("findings", "status"),
    [
        ([], "accepted"),
        ([finding("error")], "rejected"),
        ([finding("error", "unknown")], "accepted_with_findings"),
        ([finding("warning")], "accepted_with_findings"),
        ([Diagnostic("unproved_input", "m", "info")], "accepted"),
    ],
)
def test_the_verdict(findings: list[Diagnostic], status: str) -> None:
    assert status_of(findings) == status


def test_the_satisfaction_score_weighs_hard_full_and_soft_half() -> None:
    assert satisfaction([], checks=0, constraints=["hard", "soft", "informational"]) == 1.0
    assert satisfaction([finding("warning")], checks=0, constraints=["hard", "soft"]) == round(1 / 1.5, 4)
    assert satisfaction([finding("info")], checks=0, constraints=["hard", "informational"]) == 1.0
    assert satisfaction([finding("error")], checks=0, constraints=["hard", "soft"]) == round(0.5 / 1.5, 4)
