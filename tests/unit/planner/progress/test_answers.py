"""What people answer, what it means, and what is no answer."""

from __future__ import annotations

from typing import Any

import pytest

from planner.progress.answers import Decision, check_answer, decision_of, response_type
from policies.errors import InvalidInputError

SCHEMA = {
    "type": "object",
    "required": ["post", "title"],
    "properties": {"post": {"type": "string", "minLength": 5}, "title": {"type": "string"}},
}
GOOD = {"post": "long enough", "title": "t"}


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        ({"responseType": "freeform", "approved": True}, "freeform"),
        ({"approved": True}, "approval"),
        ({"approved": False}, "rejection"),
        ({"selectedOptionId": "b"}, "option"),
        ({"output": GOOD}, "approval"),
        ({"freeformText": "because"}, "freeform"),
        ({}, "freeform"),
        ({"responseType": "unheard of", "approved": False}, "rejection"),
    ],
)
def test_the_type_of_a_response_is_stated_or_inferred(response: dict[str, Any], kind: str) -> None:
    assert response_type(response) == kind


def test_any_rejection_rejects() -> None:
    decision = decision_of([{"approved": False, "freeformText": "too long"}, {"approved": True}])
    assert decision == Decision("rejection", None, "too long")


def test_the_last_output_counts_and_texts_are_joined() -> None:
    responses = [{"output": {"a": 1}, "freeformText": "one"}, {"output": {"a": 2}, "freeformText": "two"}]
    assert decision_of(responses) == Decision("approval", {"a": 2}, "one\ntwo")


def test_a_wordless_approval_says_so_to_the_agent() -> None:
    assert decision_of([{"approved": True}]).text == "approved"


def test_a_chosen_option_is_the_answer() -> None:
    assert decision_of([{"selectedOptionId": "b"}]) == Decision("option", None, "b", "b")


def pointers(purpose: str, *responses: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        check_answer(purpose, responses, SCHEMA)
    return sorted(problem.pointer for problem in caught.value.problems)


def test_every_fault_of_an_output_is_named_at_its_pointer() -> None:
    assert pointers("output", {"output": {"post": "no"}}) == ["/responses/0/output/post", "/responses/0/output/title"]


def test_faults_of_several_responses_are_named_together() -> None:
    found = pointers("output", {"output": {"post": "no", "title": ""}}, {"output": {"post": 5, "title": ""}})
    assert found == ["/responses/0/output/post", "/responses/1/output/post"]


@pytest.mark.parametrize("purpose", ["output", "final_output"])
def test_an_approval_without_the_output_that_is_asked_for_is_no_answer(purpose: str) -> None:
    assert pointers(purpose, {"approved": True}) == ["/responses/0/output"]


def test_a_response_that_contradicts_itself_is_refused() -> None:
    assert pointers("approval", {"approved": True, "responseType": "rejection"}) == ["/responses/0/approved"]


@pytest.mark.parametrize("purpose", ["output", "final_output", "clarify", "approval"])
def test_no_response_at_all_is_no_answer(purpose: str) -> None:
    assert pointers(purpose) == ["/responses"]


@pytest.mark.parametrize(
    ("purpose", "response"),
    [
        ("output", {"output": GOOD}),
        ("output", {"approved": False}),
        ("output", {"approved": False, "output": {"post": ""}}),
        ("final_output", {"approved": True, "output": GOOD}),
        ("clarify", {"freeformText": "in May"}),
        ("approval", {"approved": True}),
        ("approval", {"approved": False}),
    ],
)
def test_an_answer_that_fits_passes(purpose: str, response: dict[str, Any]) -> None:
    check_answer(purpose, [response], SCHEMA)
