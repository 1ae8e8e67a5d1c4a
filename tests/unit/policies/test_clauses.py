"""Conditions inside documents: their shape, their wording, and what they may name."""

from __future__ import annotations

from typing import Any

import pytest

from policies.clauses import Clause, ConditionProblem, Vocabulary, check_clause, wording_problems
from policies.errors import Problem
from policies.facet_conditions import FacetCondition, check_facet_conditions, schema_at, split_path
from policies.shape import ObjectReader

KNOBS = {
    "type": "object",
    "properties": {
        "hook": {"type": "number"},
        "structure": {"type": "object", "properties": {"length": {"type": "number"}}},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}
VOCABULARY = Vocabulary.of({"knobs": KNOBS, "copy": {"type": "string"}})


def clause(raw: Any, **options: Any) -> tuple[Clause | None, list[Problem]]:
    problems: list[Problem] = []
    reader = ObjectReader({"condition": raw}, "/p", problems)
    return check_clause(reader, "condition", vocabulary=VOCABULARY, **options), problems


def goals(raw: Any) -> tuple[tuple[FacetCondition, ...], list[Problem]]:
    problems: list[Problem] = []
    reader = ObjectReader({"goal": raw}, "", problems)
    return check_facet_conditions(reader, "goal", vocabulary=VOCABULARY, at_least=1), problems


def test_a_text_is_kept_with_its_canonical_form_and_its_logic() -> None:
    found, problems = clause({"dsl": "facets.knobs.hook<0.6"})
    assert problems == []
    assert found is not None
    assert found.dsl == "facets.knobs.hook<0.6"
    assert found.canonical_dsl == "facets.knobs.hook < 0.6"
    assert found.as_json()["jsonLogic"] == found.json_logic
    assert found.variables


def test_a_stored_clause_reads_back_as_itself() -> None:
    found, _ = clause({"dsl": "facets.knobs.hook<0.6"})
    assert found is not None
    assert clause(found.as_json()) == (found, [])


@pytest.mark.parametrize(
    ("raw", "place", "code"),
    [
        ({"dsl": "run.cost <"}, "/p/condition/dsl", "syntax_error"),
        ({"dsl": ""}, "/p/condition/dsl", "empty_expression"),
        ({"dsl": "facets.knobs.hok < 1"}, "/p/condition/dsl", "unknown_variable"),
        (
            {"dsl": "run.cost < 1", "jsonLogic": {"<": [{"var": "run.cost"}, 2]}},
            "/p/condition/dsl",
            "conflicting_forms",
        ),
        ({"jsonLogic": {"cat": ["a"]}}, "/p/condition/jsonLogic", "invalid_json_logic"),
    ],
)
def test_wrong_wording_is_told_apart_from_wrong_shape(raw: Any, place: str, code: str) -> None:
    _, problems = clause(raw)
    assert [(p.pointer, p.code) for p in problems] == [(place, code)]
    assert all(isinstance(p, ConditionProblem) and p.range is not None for p in problems)


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ({}, "/p/condition"),
        ({"canonicalDsl": "true"}, "/p/condition"),
        ({"dsl": 5}, "/p/condition/dsl"),
        ("run.cost < 1", "/p/condition"),
        ({"dsl": "true", "lang": "x"}, "/p/condition/lang"),
        ({"dsl": "true", "warnings": {}}, "/p/condition/warnings"),
    ],
)
def test_wrong_shape_is_no_matter_of_wording(raw: Any, place: str) -> None:
    _, problems = clause(raw)
    assert [p.pointer for p in problems] == [place]
    assert not any(isinstance(p, ConditionProblem) for p in problems)


def test_a_near_name_is_suggested() -> None:
    _, problems = clause({"dsl": "facets.knobs.hok < 1"})
    assert "facets.knobs.hook" in problems[0].message


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("#", ()),
        ("#/", ()),
        ("/a/b", ("a", "b")),
        ("a[0]/x", ("a", "0", "x")),
        ("/variants[0]/body", ("variants", "0", "body")),
        ("/a~1b/c~0d", ("a/b", "c~d")),
    ],
)
def test_paths_are_split_as_clients_write_them(path: str, segments: tuple[str, ...]) -> None:
    assert split_path(path) == segments


@pytest.mark.parametrize(
    ("path", "members"),
    [("#", {"hook", "structure", "tags"}), ("/structure", {"length"}), ("/hook", {"hook"}), ("/tags/0", {"tags"})],
)
def test_a_part_of_a_facet_offers_its_members_and_a_plain_value_its_own_name(path: str, members: set[str]) -> None:
    assert set(schema_at(KNOBS, path)["properties"]) == members


def test_a_plain_facet_is_called_value() -> None:
    assert set(schema_at({"type": "string"}, "#")["properties"]) == {"value"}


def test_a_condition_on_a_facet_may_use_bare_and_full_names() -> None:
    condition = {"dsl": "length > 0.5 && facets.knobs.hook > 0.1"}
    found, problems = goals([{"facet": "knobs", "path": "/structure", "condition": condition}])
    assert problems == []
    assert found[0].as_json()["condition"]["dsl"] == condition["dsl"]


def test_where_the_schema_is_silent_names_are_free() -> None:
    found, problems = goals([{"facet": "copy", "path": "/variants[0]", "condition": {"dsl": "score >= 0.8"}}])
    assert problems == []
    assert len(found) == 1


def test_everything_wrong_with_conditions_on_facets_is_told_at_once() -> None:
    # When
    _, problems = goals(
        [
            {"facet": "knob", "path": "", "condition": {"dsl": "true"}},
            {"facet": "knobs", "path": "#", "condition": {"dsl": "hok > 1"}, "note": ""},
            "goal",
        ]
    )

    # Then
    assert {p.pointer for p in problems} == {
        "/goal/0/facet",
        "/goal/0/path",
        "/goal/1/condition/dsl",
        "/goal/1/note",
        "/goal/2",
    }


def test_wording_can_be_checked_without_knowing_the_names() -> None:
    assert wording_problems("length(anything) < 5", None, "/x") == ()
    assert wording_problems(None, {"==": [{"var": "a"}, 1]}, "/x") == ()
    assert [p.pointer for p in wording_problems("a <", None, "/x")] == ["/x"]
