"""The three forms of a condition: as written, canonical, JSON-Logic; and what happens when two of them disagree."""

from __future__ import annotations

import json

import pytest

from policies.conditions import ConditionError, from_json_logic, parse, reconcile
from policies.conditions.numerals import print_number, read_number
from tests.support.conditions import CATALOG, FACETS

COPY = {"var": f"{FACETS}.post_copy.value"}
FEEDBACK = {"var": f"{FACETS}.feedback.value"}
COST = {"var": "run.cost"}

FORMS = [
    ("run.cost>1", "run.cost > 1", {">": [COST, 1]}),
    ("facets.post_copy.value=='x'", 'facets.post_copy == "x"', {"==": [COPY, "x"]}),
    (f"{FACETS}.post_copy.value != null", "facets.post_copy != null", {"!=": [COPY, None]}),
    ("(run.cost > 1)", "run.cost > 1", {">": [COST, 1]}),
    ("! run.requiresHitl", "!run.requiresHitl", {"!": {"var": "run.requiresHitl"}}),
    ("!(run.cost == 1)", "!(run.cost == 1)", {"!": {"==": [COST, 1]}}),
    ("true && (true && false)", "true && true && false", {"and": [True, True, False]}),
    ("true || false || (true || true)", "true || false || true || true", {"or": [True, False, True, True]}),
    ("true || true && false", "true || true && false", {"or": [True, {"and": [True, False]}]}),
    ("(true || true) && false", "(true || true) && false", {"and": [{"or": [True, True]}, False]}),
    ("1 < 2 < 3", "(1 < 2) < 3", {"<": [{"<": [1, 2]}, 3]}),
    ("1 == 2 < 3", "1 == (2 < 3)", {"==": [1, {"<": [2, 3]}]}),
    ("1 in [1] == true", "(1 in [1]) == true", {"==": [{"in": [1, [1]]}, True]}),
    ("exists( facets.planKnobs )", "exists(facets.planKnobs)", {"!": [{"missing": [f"{FACETS}.planKnobs.value"]}]}),
    (
        "some(facets.feedback,item.severity=='major')",
        'some(facets.feedback, item.severity == "major")',
        {"some": [FEEDBACK, {"==": [{"var": "item.severity"}, "major"]}]},
    ),
    (
        "all(facets.feedback as item, item == 1)",
        "all(facets.feedback as item, item == 1)",
        {"all": [FEEDBACK, {"==": [{"var": "item"}, 1]}, "item"]},
    ),
    ("run.cost in[1,-2 , null]", "run.cost in [1, -2, null]", {"in": [COST, [1, -2, None]]}),
    ("run.cost in []", "run.cost in []", {"in": [COST, []]}),
    ("contains(facets.post_copy,'AI')", 'contains(facets.post_copy, "AI")', {"in": ["AI", COPY]}),
    ("between(run.cost,-1,2.50)", "between(run.cost, -1, 2.5)", {"<=": [-1, COST, 2.5]}),
    ("length(facets.post_copy)>=5.", "length(facets.post_copy) >= 5", {">=": [{"length": [COPY]}, 5]}),
    ("run.cost > .5", "run.cost > 0.5", {">": [COST, 0.5]}),
    ("run.cost > 1e3", "run.cost > 1000", {">": [COST, 1000]}),
    (
        "facets.social_post.preview.copy == 'x'",
        'facets.social_post.preview.copy == "x"',
        {"==": [{"var": f"{FACETS}.social_post.preview.value.copy"}, "x"]},
    ),
    ("\"a'b\" == 'a\"b'", '"a\'b" == "a\\"b"', {"==": ["a'b", 'a"b']}),
    ('"\\n\\t\\d\\u0041" == "\\\\"', '"\\n\\t\\\\d\\\\u0041" == "\\\\"', {"==": ["\n\t\\d\\u0041", "\\"]}),
]


@pytest.mark.parametrize(("text", "canonical", "logic"), FORMS, ids=[row[0] for row in FORMS])
def test_a_text_has_one_canonical_text_and_one_json_logic_and_both_lead_back(text, canonical, logic):
    condition = parse(text, CATALOG)

    assert condition.dsl == text
    assert condition.canonical_dsl == canonical
    assert json.dumps(condition.json_logic) == json.dumps(logic)
    assert parse(canonical, CATALOG).canonical_dsl == canonical
    assert from_json_logic(logic, CATALOG).canonical_dsl == canonical
    assert from_json_logic(logic, CATALOG).json_logic == logic


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("1", "1"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.0", "1"),
        ("007", "7"),
        (".50", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("2.5e-3", "0.0025"),
        ("1E+2", "100"),
        ("0.1", "0.1"),
        ("-1.25", "-1.25"),
        ("0.000001", "0.000001"),
        ("1e-7", "1e-7"),
        ("1.5e-9", "1.5e-9"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e21"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("0.30000000000000004", "0.30000000000000004"),
    ],
)
def test_numbers_print_as_the_shortest_decimal(written, printed):
    value = read_number(written)

    assert print_number(value) == printed
    assert read_number(printed) == value


def test_variables_are_payload_paths_in_the_order_of_the_text_each_once():
    condition = parse(
        "run.cost > 1 && facets.post_copy == 'x' || some(facets.feedback, item.path != null) && run.cost < 5", CATALOG
    )

    assert condition.variables == ("run.cost", COPY["var"], FEEDBACK["var"])


def test_a_condition_as_json_holds_all_its_forms():
    assert parse("((true))").as_json() == {
        "dsl": "((true))",
        "canonicalDsl": "true",
        "jsonLogic": True,
        "variables": [],
        "warnings": [{"code": "noop_true", "message": "this condition is always true"}],
    }


def test_a_member_of_list_items_is_warned_about_because_it_finds_nothing():
    (warning,) = parse("facets.feedback.path == 'x'", CATALOG).warnings

    assert warning.code == "list_member"
    assert warning.as_json()["range"]["end"]["offset"] == 20


def test_changing_a_json_logic_that_was_handed_out_changes_no_condition():
    condition = parse("run.cost > 1", CATALOG)
    condition.json_logic[">"].append("more")

    assert parse("run.cost > 1", CATALOG).json_logic == {">": [COST, 1]}


@pytest.mark.parametrize(
    ("logic", "text"),
    [
        ({"and": [{">": [COST, 1]}]}, "run.cost > 1"),
        ({"or": [{"or": [True, False]}, True]}, "true || false || true"),
        ({"==": [{"var": ["run.cost", 5]}, 1]}, "run.cost == 1"),
        ({"some": [FEEDBACK, {"==": [{"var": "path"}, "x"]}]}, 'some(facets.feedback, item.path == "x")'),
        ({"all": [FEEDBACK, {"!=": [{"var": ""}, 1.0]}]}, "all(facets.feedback, item != 1)"),
        ({"some": [FEEDBACK, {">": [COST, {"var": "cost"}]}]}, "some(facets.feedback, run.cost > item.cost)"),
        ({"length": {"var": "run.cost"}}, None),
    ],
)
def test_json_logic_of_other_writers_becomes_text(logic, text):
    if text is None:
        with pytest.raises(ConditionError):
            from_json_logic(logic, CATALOG)
    else:
        assert from_json_logic(logic, CATALOG).canonical_dsl == text


@pytest.mark.parametrize(
    ("logic", "code"),
    [
        ({"if": [True, True, False]}, "invalid_json_logic"),
        ({"!!": [True]}, "invalid_json_logic"),
        ({"!": [True]}, "invalid_json_logic"),
        ({"missing": ["run.cost"]}, "invalid_json_logic"),
        ({"and": []}, "invalid_json_logic"),
        ({"and": True}, "invalid_json_logic"),
        ({"==": [1]}, "invalid_json_logic"),
        ({"<": [1, COST, 3]}, "invalid_json_logic"),
        ({"in": [1, [COST]]}, "invalid_json_logic"),
        ({"some": [FEEDBACK, True, "a.b"]}, "invalid_json_logic"),
        ({"length": [1]}, "invalid_json_logic"),
        ({"var": 1}, "invalid_json_logic"),
        ({"==": [1, 1], "!=": [1, 2]}, "invalid_json_logic"),
        ({}, "invalid_json_logic"),
        ([True], "invalid_json_logic"),
        ({"==": [{"var": "run.cots"}, 1]}, "unknown_variable"),
        ({"==": [COST, "1"]}, "type_mismatch"),
        (COPY, "not_boolean"),
        (None, "not_boolean"),
        ({"some": [FEEDBACK, True]}, "invalid_quantifier"),
        ({"or": [{"==": [1, 1]}] * 200}, "too_deep"),
        ({"==": [COPY, "x" * 5000]}, "too_long"),
    ],
)
def test_json_logic_that_the_language_cannot_say_is_refused(logic, code):
    with pytest.raises(ConditionError) as caught:
        from_json_logic(logic, CATALOG)

    assert caught.value.diagnostics[0].code == code


def test_forms_that_agree_are_one_condition_whatever_their_spelling():
    condition = reconcile(
        "facets.post_copy.value == 'x' && run.cost > 1.0",
        {"and": [{"==": [{"var": "facets.post_copy"}, "x"]}, {">": [{"var": ["run.cost"]}, 1.0]}]},
        'facets.post_copy == "x" && run.cost > 1',
        CATALOG,
    )

    assert condition == parse("facets.post_copy.value == 'x' && run.cost > 1.0", CATALOG)


@pytest.mark.parametrize(
    "forms",
    [
        {"json_logic": {">": [COST, 2]}},
        {"json_logic": {"if": [True]}},
        {"json_logic": False},
        {"canonical_dsl": "run.cost > 2"},
        {"canonical_dsl": "run.cost >"},
    ],
)
def test_forms_that_disagree_are_refused(forms):
    with pytest.raises(ConditionError) as caught:
        reconcile("run.cost > 1", **forms, catalog=CATALOG)

    (found,) = caught.value.diagnostics
    assert found.code == "conflicting_forms"
    assert (found.range.start.offset, found.range.end.offset) == (0, 12)


def test_one_form_is_enough_and_none_is_too_little():
    assert reconcile(json_logic={">": [COST, 1]}, catalog=CATALOG).dsl == "run.cost > 1"
    assert reconcile(" ", canonical_dsl="run.cost > 1", catalog=CATALOG).dsl == "run.cost > 1"
    for blank in (None, "", "  "):
        with pytest.raises(ConditionError) as caught:
            reconcile(blank, catalog=CATALOG)
        assert caught.value.diagnostics[0].code == "empty_expression"
