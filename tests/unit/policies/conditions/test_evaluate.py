"""What a condition says about a payload."""

from __future__ import annotations

import pytest

from policies.conditions import evaluate, parse
from tests.support.conditions import CATALOG, FACETS, payload

NOTES = [{"severity": "info", "replies": [1]}, {"severity": "major", "path": None, "replies": []}]

VERDICTS = [
    # equality: missing compares as null, no type is converted, lists and objects by value
    ("run.cost == null", payload(), True),
    ("run.cost == null", payload({"cost": None}), True),
    ("run.cost != 1", payload(), True),
    ("run.cost == 1", payload({"cost": 1.0}), True),
    ("run.cost == 1", payload({"cost": True}), False),
    ("run.cost == 1", payload({"cost": "1"}), False),
    (
        "facets.feedback == facets.clarification.tags",
        payload(feedback=[1, [2]], clarification={"tags": [1, [2.0]]}),
        True,
    ),
    ("facets.feedback == facets.clarification.tags", payload(feedback=[1], clarification={"tags": [True]}), False),
    ("facets.planKnobs == facets.clarification", payload(planKnobs={"a": [1]}, clarification={"a": [1]}), True),
    # order: within one type only
    ("run.cost > 1", payload({"cost": 2}), True),
    ("run.cost > 1", payload({"cost": "2"}), "unknown"),
    ("run.cost > 1", payload({"cost": True}), "unknown"),
    ("run.cost < 1", payload({"cost": None}), "unknown"),
    ("run.cost < 1", payload(), "unknown"),
    ("'a' < 'b'", {}, True),
    ("true > false", {}, True),
    # three-valued logic
    ("!(run.cost > 1)", payload(), "unknown"),
    ("run.cost > 1 || true", payload(), True),
    ("true || run.cost > 1", payload(), True),
    ("run.cost > 1 || false", payload(), "unknown"),
    ("run.cost > 1 && false", payload(), False),
    ("run.cost > 1 && true", payload(), "unknown"),
    ("run.cost > 1 || run.tokens > 1", payload(), "unknown"),
    # truth
    ("!facets.post_copy", payload(post_copy=""), True),
    ("!facets.post_copy", payload(post_copy="0"), False),
    ("!facets.feedback", payload(feedback=[]), True),
    ("!facets.feedback", payload(feedback=[0]), False),
    ("!facets.planKnobs", payload(planKnobs={}), False),
    ("!run.cost", payload({"cost": 0}), True),
    ("!run.cost", payload(), True),
    ("run.requiresHitl", payload(), False),
    ("run.requiresHitl", payload({"requiresHitl": []}), False),
    ("run.requiresHitl", payload({"requiresHitl": True}), True),
    # exists
    ("exists(run.cost)", payload({"cost": None}), True),
    ("exists(run.cost)", payload(), False),
    ("exists(facets.planKnobs)", payload(planKnobs={}), True),
    ("exists(run.cost)", {"run": 5}, False),
    # quantifiers
    ("some(facets.feedback, item.severity == 'major')", payload(feedback=NOTES), True),
    ("all(facets.feedback, item.severity == 'major')", payload(feedback=NOTES), False),
    ("all(facets.feedback, item.path == null)", payload(feedback=NOTES), True),
    ("some(facets.feedback, item == null)", payload(), False),
    ("all(facets.feedback, item == null)", payload(), False),
    ("all(facets.feedback, item == null)", payload(feedback=[]), False),
    ("some(facets.feedback, item > 1)", payload(feedback=["x", 2]), True),
    ("some(facets.feedback, item > 1)", payload(feedback=["x", 1]), "unknown"),
    ("all(facets.feedback, item > 1)", payload(feedback=["x", 1]), False),
    ("all(facets.feedback, item > 1)", payload(feedback=["x", 2]), "unknown"),
    ("some(facets.feedback, item == 'a')", payload(feedback="abc"), "unknown"),
    ("some(facets.feedback as n, some(n.replies as r, r == 1 && n.severity == 'info'))", payload(feedback=NOTES), True),
    ("some(facets.feedback, item.cost == 3)", {**payload(feedback=[{}]), "item": {"cost": 3}}, False),
    ("some(facets.feedback, item.x > run.cost)", payload({"cost": 1}, feedback=[{"x": 2}]), True),
    # the new forms
    ("run.cost in [1, null]", payload(), True),
    ("run.cost in [1, 2]", payload({"cost": 2.0}), True),
    ("run.cost in [1, 2]", payload({"cost": "1"}), False),
    ("run.cost in []", payload(), False),
    ("contains(facets.post_copy, 'AI')", payload(post_copy="all AI"), True),
    ("contains(facets.post_copy, '')", payload(post_copy=""), True),
    ("contains(facets.post_copy, 'AI')", payload(), "unknown"),
    ("contains(facets.post_copy, 'AI')", payload(post_copy=5), "unknown"),
    ("between(run.cost, 1, 2)", payload({"cost": 2}), True),
    ("between(run.cost, 1, 2)", payload({"cost": 0.5}), False),
    ("between(run.cost, 1, 2)", payload(), "unknown"),
    ("between(run.cost, 1, null)", payload({"cost": 0}), False),
    ("between(run.cost, 1, null)", payload({"cost": 5}), "unknown"),
    ("length(facets.post_copy) == 2", payload(post_copy="né"), True),
    ("length(facets.feedback) >= 2", payload(feedback=NOTES), True),
    ("length(facets.post_copy) == 0", payload(), "unknown"),
    ("length(facets.feedback) == 0", payload(feedback={}), "unknown"),
    # a facet whose name holds a dot, also beside one that is named like its beginning
    ("facets.social_post.preview.copy == 'x'", payload(**{"social_post.preview": {"copy": "x"}}), True),
    (
        "facets.social_post.preview.copy == 'x'",
        payload(**{"social_post": {}, "social_post.preview": {"copy": "x"}}),
        True,
    ),
    # payloads of any shape
    ("run.cost == null", None, True),
    ("run.cost == null", [], True),
    ("run.cost > 1", "text", "unknown"),
    ("facets.post_copy == 'x'", {"metadata": [1]}, False),
]


@pytest.mark.parametrize(("text", "data", "value"), VERDICTS, ids=[f"{row[0]} {row[2]}" for row in VERDICTS])
def test_the_verdict(text, data, value):
    verdict = evaluate(parse(text, CATALOG), data)

    assert verdict.value == value
    assert verdict.satisfied is (value is True)
    assert (verdict.reason is None) is (value != "unknown")


def test_an_unknown_verdict_says_why():
    verdict = evaluate(parse("run.cost > 1 && run.tokens < 5", CATALOG), payload({"tokens": 1}))

    assert verdict.as_json() == {
        "value": "unknown",
        "reason": "run.cost > 1: null and number have no order",
        "observed": {"run.cost": None, "run.tokens": 1},
    }


def test_observed_are_the_payload_values_that_were_read():
    condition = parse("run.cost > 5 && run.tokens > 5 || some(facets.feedback, item.severity == 'major')", CATALOG)

    verdict = evaluate(condition, payload({"cost": 1}, feedback=NOTES))

    assert verdict.as_json() == {"value": True, "observed": {"run.cost": 1, f"{FACETS}.feedback.value": NOTES}}


@pytest.mark.parametrize(
    "logic",
    [
        {"if": [True, True]},
        {"var": {"var": "a"}},
        {"var": True},
        {"==": [1]},
        {"==": 1},
        {">": [3, 2, 1]},
        {"!": [True, False]},
        {"in": ["a"]},
        {"length": []},
        {"some": [[1]]},
        {"some": [[1], True, 5]},
        {"missing": [{}]},
        {"a": 1, "b": 2},
        {},
        {"and": [{"nope": []}]},
        {1: 2},
        {"==": [float("nan"), {"<": [{}, []]}]},
    ],
    ids=str,
)
def test_json_logic_that_means_nothing_is_unknown_with_a_reason(logic):
    verdict = evaluate(logic, {})

    assert verdict.value == "unknown"
    assert verdict.reason


def test_what_is_not_reached_does_not_count():
    assert evaluate({"or": [True, {"nope": []}]}, {}).value is True


def test_keys_and_numbers_that_json_does_not_know_raise_nothing():
    assert evaluate({"==": [{"var": "a.b"}, 10**400]}, {"a": {1: 2, "b": 10**400}}).value is True
    assert evaluate({"<": [{"var": "a"}, 1.5]}, {"a": 10**400}).value is False
    assert evaluate({"<": [{"var": "a"}, 1.5]}, {"a": object()}).value == "unknown"
    assert evaluate({"==": [{"var": "a"}, object()]}, {"a": object()}).value is False
