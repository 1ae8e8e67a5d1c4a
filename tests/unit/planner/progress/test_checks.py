"""What is checked when a plan runs: places that the proof left open, and the contract's constraints."""

from __future__ import annotations

from typing import Any

import pytest

from planner.progress.checks import observe, observed_satisfaction, open_checks
from tests.support.factories import make_node

CHECK = {"side": "input", "facet": "brief", "schema": {"type": "string", "pattern": "^Dear"}, "reason": "unknown"}


def constraint(name: str, level: str, text: str) -> dict[str, Any]:
    return {"constraintId": name, "level": level, "expr": text}


def test_a_value_is_held_against_the_schema_that_was_not_proved() -> None:
    node = make_node("write", metadata={"checks": [CHECK]})
    (finding,) = open_checks(node, "input", {"brief": "Hello"})
    assert (finding["pointer"], finding["keyword"], finding["facet"]) == ("/brief", "pattern", "brief")
    assert open_checks(node, "input", {"brief": "Dear reader"}) == ()


def test_only_that_side_and_only_what_is_there_is_checked() -> None:
    node = make_node("write", metadata={"checks": [CHECK]})
    assert open_checks(node, "output", {"brief": "Hello"}) == ()
    assert open_checks(node, "input", {}) == ()
    assert open_checks(make_node("plain"), "input", {"brief": "Hello"}) == ()


@pytest.mark.parametrize(
    ("level", "output", "satisfied", "broken"),
    [
        ("hard", {"score": 9}, True, False),
        ("hard", {"score": 3}, False, True),
        ("hard", {}, None, True),
        ("soft", {"score": 3}, False, False),
        ("informational", {"score": 3}, False, False),
    ],
)
def test_a_hard_constraint_that_does_not_hold_breaks_the_result(
    level: str, output: dict[str, Any], *, satisfied: bool | None, broken: bool
) -> None:
    (seen,) = observe([constraint("good", level, "score > 5")], output)
    assert (seen.satisfied, seen.broken) == (satisfied, broken)
    assert (seen.as_finding()["pointer"], seen.as_json()["observed"]) == ("/score", {"score": output.get("score")})


def test_the_observed_satisfaction_weighs_hard_ones_twice() -> None:
    hard, soft = constraint("h", "hard", "a > 1"), constraint("s", "soft", "b > 1")
    told = constraint("i", "informational", "c > 1")
    assert observed_satisfaction(observe([hard, soft, told], {"a": 2, "b": 2, "c": 0})) == 1.0
    assert observed_satisfaction(observe([hard, soft], {"a": 2, "b": 0})) == round(1 / 1.5, 4)
    assert observed_satisfaction(observe([hard, soft], {"a": 0, "b": 2})) == round(0.5 / 1.5, 4)
    assert observed_satisfaction(observe([told], {"c": 0})) == 1.0
    assert observed_satisfaction(()) == 1.0
