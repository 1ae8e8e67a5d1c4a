"""Where a fault is said to be, and which one: one row per rule."""

from __future__ import annotations

import pytest

from policies.conditions import ConditionError, draw_caret, parse
from policies.conditions.limits import MAX_BYTES
from tests.support.conditions import CATALOG


def faults(text: str) -> list[tuple[str, int, int]]:
    with pytest.raises(ConditionError) as caught:
        parse(text, CATALOG)
    return [(found.code, found.range.start.offset, found.range.end.offset) for found in caught.value.diagnostics]


SYNTAX = [
    ("run.cost = 1", 9, "a single = is no operator"),
    ("run.cost & true", 9, "a single &"),
    ("run.cost + 1 > 2", 9, "no arithmetic"),
    ("-run.cost > 1", 0, "a minus belongs to a number"),
    ("run.cost > - 1", 11, "and stands directly before it"),
    ("1.5.2 == 1", 3, "a second point ends the number"),
    ("1e999 == 1", 0, "no number is infinite"),
    ("1e == 1", 1, "an exponent has digits"),
    ("run.cost > 1 true", 13, "surplus token"),
    ("run.cost >", 9, "the end: its last character"),
    ("run.cost > 1 &&  ", 16, "the end: trailing blanks included"),
    ("run.cost > 1 &&\n", 15, "the end: a newline is a blank"),
    ("&& true", 0, "missing operand"),
    ("true && && true", 8, "missing operand"),
    ("(run.cost > 1", 0, "unclosed parenthesis"),
    ("true && (true || (false)", 8, "the outer one is unclosed"),
    ("true)", 4, "never opened"),
    ('run.cost == "abc', 12, "unclosed quote"),
    ("run.cost == 'abc\\'", 12, "an escaped quote closes nothing"),
    ("exists run.cost", 7, "exists calls"),
    ("exists(run.cost", 6, "unclosed call"),
    ("exists()", 7, "missing operand"),
    ("some(facets.feedback item.path)", 21, "missing comma"),
    ("some(facets.feedback as , true)", 24, "missing alias"),
    ("some(facets.feedback as a.b, true)", 24, "an alias has no dot"),
    ("some(facets.feedback as null, true)", 24, "an alias is a name"),
    ("some(facets.feedback as true, true)", 24, "an alias is a name"),
    ("run.cost in 1", 12, "in takes a list"),
    ("run.cost in [1", 12, "unclosed list"),
    ("run.cost in [1,]", 15, "no trailing comma"),
    ("run.cost in [run.tokens]", 13, "a list holds literals"),
    ("length(5) > 1", 7, "length takes a name"),
    ("contains(facets.post_copy)", 25, "missing comma"),
    ("between(run.cost, 1)", 19, "missing comma"),
    ("facets.feedback[0]", 15, "no index"),
    ("True && @", 8, "unknown character"),
]


@pytest.mark.parametrize(("text", "offset"), [row[:2] for row in SYNTAX], ids=[f"{r[2]}: {r[0]}" for r in SYNTAX])
def test_a_syntax_error_spans_the_one_character_where_reading_fails(text, offset):
    assert faults(text) == [("syntax_error", offset, offset + 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("empty_expression", 0, 0)]),
        (" \n", [("empty_expression", 0, 2)]),
        ("unknown > 1", [("unknown_variable", 0, 7)]),
        ("Run.cost > 1", [("unknown_variable", 0, 8)]),
        # operators: the operator; types: the literal, of two variables the right one
        ("facets.post_copy < facets.post_copy", [("operator_not_allowed", 17, 18)]),
        ("facets.post_copy < 5", [("operator_not_allowed", 17, 18), ("type_mismatch", 19, 20)]),
        ("5 > facets.post_copy", [("type_mismatch", 0, 1), ("operator_not_allowed", 2, 3)]),
        ('run.cost == "1"', [("type_mismatch", 12, 15)]),
        ("run.requiresHitl == 1", [("type_mismatch", 20, 21)]),
        ("run.cost == facets.post_copy", [("type_mismatch", 12, 28)]),
        ("facets.feedback == 1", [("type_mismatch", 19, 20)]),
        ("facets.planKnobs == 1", [("type_mismatch", 20, 21)]),
        ("run.latencyMs > 1 == true", [("type_mismatch", 21, 25)]),
        ("exists(facets.post_copy) == true", [("type_mismatch", 28, 32)]),
        ('run.cost in [1, "a", null, true]', [("type_mismatch", 16, 19), ("type_mismatch", 27, 31)]),
        ("facets.feedback in [1]", [("operator_not_allowed", 16, 18), ("type_mismatch", 20, 21)]),
        ("contains(facets.post_copy, 5)", [("type_mismatch", 27, 28)]),
        ("contains(run.cost, 5)", [("operator_not_allowed", 0, 8)]),
        ('between(run.cost, 1, "b")', [("type_mismatch", 21, 24)]),
        ("between(facets.post_copy, null, null)", [("operator_not_allowed", 0, 7)]),
        ("length(run.cost) > 1", [("operator_not_allowed", 0, 6)]),
        ('length(facets.post_copy) == "a"', [("type_mismatch", 28, 31)]),
        # enumerations
        ('facets.planKnobs.formatType == "vidoe"', [("enum_mismatch", 31, 38)]),
        ('"x" != facets.planKnobs.formatType', [("enum_mismatch", 0, 3)]),
        ('facets.planKnobs.formatType in ["text", "x"]', [("enum_mismatch", 40, 43)]),
        ('node.kind == "agent"', [("enum_mismatch", 13, 20)]),
        # quantifiers
        ("some(run.cost, item > 1)", [("invalid_quantifier", 5, 13)]),
        ("some(1, item > 1)", [("invalid_quantifier", 5, 6)]),
        ("some(nothing, item > 1)", [("unknown_variable", 5, 12)]),
        ("some(facets.feedback, run.cost > 1)", [("invalid_quantifier", 22, 34)]),
        ("some(facets.feedback as f, item.path == 1)", [("unknown_variable", 27, 36), ("invalid_quantifier", 27, 41)]),
        (
            "some(facets.feedback, exists(item.path))",
            [("invalid_quantifier", 22, 39), ("invalid_condition_exists", 29, 38)],
        ),
        ("some(facets.feedback as run, run.x == run.cost)", []),
        ("some(facets.feedback as metadata, metadata.x == facets.post_copy)", [("invalid_quantifier", 48, 64)]),
        # exists
        ("exists(facets.post_cpy)", [("invalid_condition_exists", 7, 22)]),
        ("exists(1)", [("invalid_condition_exists", 7, 8)]),
        ("exists(run.cost > 1)", [("invalid_condition_exists", 7, 19)]),
        # the root
        ("facets.post_copy", [("not_boolean", 0, 16)]),
        (" null ", [("not_boolean", 1, 5)]),
        ("5", [("not_boolean", 0, 1)]),
        ("facets.feedback", [("not_boolean", 0, 15)]),
        ("length(facets.post_copy)", [("not_boolean", 0, 24)]),
        # all at once, in the order of the text
        (
            "a == 1 && run.cost == 'x' || b",
            [("unknown_variable", 0, 1), ("type_mismatch", 22, 25), ("unknown_variable", 29, 30)],
        ),
    ],
)
def test_each_fault_spans_what_is_wrong(text, expected):
    if expected:
        assert faults(text) == expected
    else:
        parse(text, CATALOG)


@pytest.mark.parametrize(
    "text",
    [
        "run.requiresHitl",
        "!facets.post_copy",
        "facets.post_copy || run.cost",
        "facets.post_copy == null",
        "facets.feedback == null",
        "facets.feedback != facets.feedback",
        "exists(facets.planKnobs)",
        "exists(facets.planKnobs.structure)",
        "facets.planKnobs.value.variantCount > 1",
        "metadata.runContextSnapshot.facets.post_copy.value == 'x'",
        "facets.social_post.preview.copy == 'x'",
        "'a' == 1",
        "facets.planKnobs.formatType == null",
        "facets.planKnobs.formatType in [null, 'text']",
        "some(facets.feedback, item.anything > item.else)",
        "some(facets.feedback as a, some(a.replies as b, a.id == b.id))",
        "length(facets.feedback) >= 2",
        "contains(facets.post_copy, 'AI') && between(run.cost, 0, 5)",
        "some(facets.feedback, length(item.path) > 3)",
        "run.cost > -.5 && run.cost < 5. && run.tokens != 1E+3",
    ],
)
def test_these_are_valid(text):
    assert parse(text, CATALOG).dsl == text


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("!", ""), ("!(", ")")])
def test_nesting_counts_parentheses_and_exclamation_marks_as_written(opening, closing):
    # Given 20 levels
    times = 20 // len(opening)
    assert parse(opening * times + "true" + closing * times)

    # When there is one more, then its opening sign is at fault
    assert faults("(" + opening * times + "true" + closing * times + ")")[0][0] == "too_deep"
    assert faults(opening * times + "(true)" + closing * times) == [("too_deep", 20, 21)]


def test_nesting_that_only_the_canonical_text_writes_counts_too():
    assert parse("1" + " < 1" * 21)
    assert faults("1" + " < 1" * 22)[0][0] == "too_deep"


def test_quantifiers_nest_three_deep():
    three = "some(facets.feedback as a, some(a.x as b, some(b.x as c, {})))"
    assert parse(three.format("a == b && b == c"), CATALOG)
    assert faults(three.format("some(c.x as d, d == 1)")) == [("too_deep", 57, 61)]


def test_a_condition_holds_500_nodes():
    # Given 250 operands and 249 operators
    assert parse("||".join(["true"] * 250))
    # When there are two more
    assert faults("||".join(["true"] * 251)) == [("too_deep", 250 * 6, 250 * 6 + 4)]


def test_a_text_holds_4_kib_counted_in_bytes():
    text = f'facets.post_copy == "{"é" * 2037}"'
    assert len(text.encode()) == MAX_BYTES
    assert parse(text, CATALOG)
    assert faults(text + " ") == [("too_long", len(text), len(text) + 1)]
    assert faults(" " * 3 + text)[0][0] == "too_long"


def test_lines_and_columns_count_from_one_and_offsets_from_zero():
    with pytest.raises(ConditionError) as caught:
        parse("run.cost > 1 &&\n  facets.post_copy == 3", CATALOG)

    (found,) = caught.value.as_json()
    assert found["range"] == {
        "start": {"offset": 38, "line": 2, "column": 23},
        "end": {"offset": 39, "line": 2, "column": 24},
    }
    assert str(caught.value).startswith("line 2, column 23: ")


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("facets.post_cpy == 'x'", "facets.post_copy"),
        ("run.latency > 5", "run.latencyMs"),
        ("latencyMs > 5", "run.latencyMs"),
        ("exists(facets.planKnob)", "facets.planKnobs"),
        ("facets.planKnobs.formatType == 'vidoe'", "video"),
        ("zzzzzzzzzzzz > 5", None),
    ],
)
def test_a_near_name_is_suggested(text, suggestion):
    with pytest.raises(ConditionError) as caught:
        parse(text, CATALOG)

    assert caught.value.diagnostics[0].suggestion == suggestion
    assert caught.value.as_json()[0].get("suggestion") == suggestion


def test_the_caret_stands_under_the_fault_in_its_own_line():
    text = 'true &&\n\tfacets.planKnobs.formatType == "vidoe" &&\nfalse'
    with pytest.raises(ConditionError) as caught:
        parse(text, CATALOG)

    drawn = draw_caret(text, caught.value.diagnostics[0])

    assert drawn == '\tfacets.planKnobs.formatType == "vidoe" &&\n\t' + " " * 31 + "^^^^^^^"
