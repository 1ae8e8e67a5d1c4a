"""Findings merged, sorted and weighed."""

from __future__ import annotations

import pytest

from planner.assembly.diagnostics import Diagnostic, PlanRejectedError, merge, report, satisfaction, status_of

ERROR = Diagnostic("no_producer", "Nobody makes a.", facet="a", suggestion="Register one.")
WARNING = Diagnostic("slow", "It is slow.", "warning")
INFO = Diagnostic("note", "By the way.", "info")


def test_findings_of_one_place_are_one_with_the_gravest_severity_and_every_suggestion() -> None:
    # Given
    softer = Diagnostic("no_producer", "Nobody makes a.", "warning", facet="a", suggestion="Ask for less.")
    # When
    (found,) = merge([softer, ERROR, ERROR])
    # Then
    assert found.severity == "error"
    assert found.suggestion == "Ask for less.\nRegister one."


def test_findings_are_sorted_gravest_first() -> None:
    assert merge([INFO, WARNING, ERROR]) == (ERROR, WARNING, INFO)


def test_the_report_has_a_bucket_for_each_severity() -> None:
    told = report([INFO, WARNING, ERROR])
    assert [len(told[key]) for key in ("failures", "warnings", "infos")] == [1, 1, 1]
    assert told["satisfactionScore"] == 0.0
    assert report([]) == {"failures": [], "warnings": [], "infos": [], "satisfactionScore": 1.0}


@pytest.mark.parametrize(
    ("findings", "status"),
    [([], "accepted"), ([INFO], "accepted"), ([WARNING], "accepted_with_findings"), ([WARNING, ERROR], "rejected")],
)
def test_the_status_follows_the_gravest(findings: list[Diagnostic], status: str) -> None:
    assert status_of(findings) == status


def test_satisfaction_is_the_weighed_share_of_what_holds() -> None:
    assert satisfaction([], checks=9) == 1.0
    assert satisfaction([ERROR], checks=4) == 0.75
    assert satisfaction([WARNING], checks=1) == pytest.approx(0.6667)
    assert satisfaction([INFO], checks=2) == 1.0


def test_a_rejection_says_what_fails() -> None:
    rejected = PlanRejectedError([INFO, ERROR, ERROR])
    assert rejected.message == "Nobody makes a."
    assert rejected.diagnostics == (ERROR, INFO)


def test_absent_members_are_left_out() -> None:
    assert INFO.as_json() == {"code": "note", "message": "By the way.", "severity": "info"}
