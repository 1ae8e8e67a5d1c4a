"""Laws of the language: rendering and parsing undo each other, nothing raises, two evaluators agree."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from policies.conditions import ConditionError, evaluate, from_json_logic, parse
from policies.conditions.limits import MAX_NESTING
from policies.conditions.parser import parse_tree
from policies.conditions.render import nesting, render
from policies.conditions.suggestions import edit_distance
from tests.support.conditions import CATALOG, MAYBE, NAMES, WORDS, interpret, json_logic, json_values, trees, truthy

FRAGMENTS = [
    *("facets.post_copy", "run.cost", "item.severity", "facets.feedback", "true", "null", "1.5", "-2", ".5", "1e9"),
    *(
        "&&",
        "||",
        "==",
        "!=",
        "<",
        ">=",
        "!",
        "(",
        ")",
        "[",
        "]",
        ",",
        "in",
        "as",
        "some(",
        "all(",
        "exists(",
        "length(",
    ),
    *("length(", "contains(", "between(", "'a'", '"b', "\\", "=", "&", "-", "\n", " ", "é", "\x00"),
]
UNTYPED = {"not_boolean", "type_mismatch", "operator_not_allowed", "too_long"}
"""Codes that a random tree may earn: its names are free, its literals and lengths are not."""

generous = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)


@generous
@given(trees(NAMES + WORDS))
def test_a_rendered_tree_parses_back_to_itself(tree):
    text = render(tree)
    assume(len(text.encode()) <= 4096 and nesting(tree) <= MAX_NESTING)

    again = parse_tree(text)

    assert again == tree
    assert render(again) == text


@generous
@given(trees())
def test_a_condition_is_the_same_by_way_of_its_json_logic(tree):
    try:
        condition = parse(render(tree))
    except ConditionError as error:
        assert {found.code for found in error.diagnostics} <= UNTYPED  # noqa: PT017 - what it holds is the point
        return

    again = from_json_logic(condition.json_logic)

    assert again.canonical_dsl == condition.canonical_dsl == condition.dsl
    assert again.logic_text == condition.logic_text
    assert again.variables == condition.variables


@given(st.one_of(st.text(max_size=40), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map(" ".join)))
@example("\ud800")
@example('"\ud800"' * 1000)
def test_any_text_is_a_condition_or_a_condition_error_with_places_inside_the_text(text):
    try:
        condition = parse(text, CATALOG)
    except ConditionError as error:
        assert error.diagnostics  # noqa: PT017 - what it holds is the point
        for found in error.diagnostics:
            assert 0 <= found.range.start.offset <= found.range.end.offset <= len(text)
    else:
        assert parse(condition.canonical_dsl, CATALOG).canonical_dsl == condition.canonical_dsl


@given(st.binary(max_size=60))
def test_random_bytes_never_raise_anything_else(raw):
    with suppress(ConditionError):
        parse(raw.decode("latin-1"), CATALOG)


@generous
@given(json_logic)
def test_any_json_logic_is_a_condition_or_a_condition_error(logic):
    try:
        condition = from_json_logic(logic, CATALOG)
    except ConditionError:
        return
    assert parse(condition.canonical_dsl, CATALOG).logic_text == condition.logic_text


@generous
@given(json_logic, json_values)
def test_the_compiled_closure_agrees_with_the_slow_interpreter(logic, data):
    verdict = evaluate(logic, data)

    expected = truthy(interpret(logic, data))

    assert verdict.value == ("unknown" if expected is MAYBE else expected)
    assert (verdict.reason is None) is (verdict.value != "unknown")


@generous
@given(trees(), json_values)
def test_a_parsed_condition_agrees_with_the_slow_interpreter(tree, data):
    try:
        condition = parse(render(tree))
    except ConditionError:
        assume(False)

    expected = truthy(interpret(condition.json_logic, data))

    assert evaluate(condition, data).value == ("unknown" if expected is MAYBE else expected)


@pytest.mark.parametrize("depth", [50, 500, 100_000])
def test_logic_and_payloads_of_any_depth_have_a_verdict(depth):
    deep_logic: object = True
    deep_list: object = 1
    for _ in range(depth):
        deep_logic, deep_list = {"!": deep_logic}, [deep_list]

    assert evaluate(deep_logic, {}).value in {True, False, "unknown"}
    assert evaluate({"==": [{"var": "a"}, {"var": "b"}]}, {"a": deep_list, "b": deep_list}).value is True


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_the_edit_distance_is_the_textbook_one(left, right):
    row = list(range(len(right) + 1))
    for i, one in enumerate(left, 1):
        above, row = row, [i]
        for j, other in enumerate(right, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (one != other)))

    assert edit_distance(left, right, 99) == row[-1]
