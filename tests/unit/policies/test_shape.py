"""The reader of objects: strict types, every problem at its pointer, nothing unknown passes."""

from __future__ import annotations

from typing import Any

import pytest

from policies.errors import MAX_PROBLEMS, InvalidInputError, Problem
from policies.shape import MAX_ITEMS, MAX_UNKNOWN, ObjectReader, is_number, is_whole, suggest


def read(raw: Any, at: str = "") -> tuple[ObjectReader, list[Problem]]:
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, at, problems)
    assert reader is not None
    return reader, problems


@pytest.mark.parametrize("value", [None, [], "text", 1, True])
def test_what_is_no_object_is_reported_where_it_stands(value: Any) -> None:
    problems: list[Problem] = []
    assert ObjectReader.of(value, "/here", problems) is None
    assert [p.pointer for p in problems] == ["/here"]


@pytest.mark.parametrize(
    ("value", "whole", "number"),
    [(1, True, True), (1.5, False, True), (True, False, False), ("1", False, False), (float("nan"), False, False)],
)
def test_true_and_texts_are_no_numbers(value: Any, *, whole: bool, number: bool) -> None:
    assert (is_whole(value), is_number(value)) == (whole, number)


@pytest.mark.parametrize(
    ("getter", "wrong"),
    [
        (lambda r: r.text("x"), [1, None, " ", True, []]),
        (lambda r: r.integer("x", 1, 3), ["2", True, 0, 4, 1.0, None]),
        (lambda r: r.number("x", above=0), ["2", True, 0, -1, None]),
        (lambda r: r.flag("x", default=False), [1, "true", None]),
        (lambda r: r.choice("x", ("a", "b")), ["c", 1]),
        (lambda r: r.free("x"), [[], "{}", None]),
        (lambda r: r.child("x"), [[], "{}", None]),
        (lambda r: r.texts("x"), ["a", [1], [""], {}]),
        (lambda r: list(r.items("x")), ["a", {}, None]),
    ],
)
def test_every_getter_refuses_what_is_not_of_its_type(getter: Any, wrong: list[Any]) -> None:
    for value in wrong:
        reader, problems = read({"x": value}, "/at")
        getter(reader)
        assert len(problems) == 1, value
        assert problems[0].pointer.startswith("/at/x")


def test_absent_members_are_fine_unless_required() -> None:
    # Given
    reader, problems = read({})

    # When
    reader.text("a")
    reader.integer("b", 1)
    reader.text("c", required=True)
    reader.child("d", required=True)

    # Then
    assert [(p.pointer, p.code) for p in problems] == [("/c", "required"), ("/d", "required")]


def test_texts_drops_doubles_and_keeps_the_order() -> None:
    reader, problems = read({"x": ["b", "a", "b"]})
    assert reader.texts("x") == ("b", "a")
    assert problems == []


def test_close_names_the_unknown_member_the_near_one_and_all_that_are_known() -> None:
    # Given
    reader, problems = read({"objectiv": "x", "a/b": 1}, "/at")
    reader.has("objective")

    # When
    reader.close()

    # Then
    assert [p.pointer for p in problems] == ["/at/objectiv", "/at/a~1b"]
    assert "Did you mean `objective`?" in problems[0].message
    assert "This object takes: objective" in problems[1].message


def test_a_document_that_is_wrong_everywhere_is_refused_quickly_and_briefly() -> None:
    # Given members and elements by the ten thousand
    reader, problems = read({"list": ["x"] * 20_000, **{f"member{n}": n for n in range(20_000)}})

    # When
    reader.texts("list", choices=("aaaa", "bbbb"))
    reader.close()
    error = InvalidInputError(problems)

    # Then
    assert len(problems) == 1 + MAX_ITEMS + MAX_UNKNOWN + 1
    assert problems[0].code == "maxItems"
    assert problems[-1].message == f"holds {20_000 - MAX_UNKNOWN} further members that are not known here"
    assert len(error.problems) == MAX_PROBLEMS + 1
    assert "further problems" in error.problems[-1].message


def test_a_long_text_is_cut_where_it_is_quoted() -> None:
    reader, problems = read({"x": "y" * 10_000})
    reader.choice("x", ("a", "b"))
    assert len(problems[0].message) < 200


def test_no_suggestion_where_nothing_is_near() -> None:
    assert suggest("zzz", ("objective",)) == ""
