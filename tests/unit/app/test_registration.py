"""Registrations of remote agents: only at addresses that this server would call."""

from __future__ import annotations

from typing import Any

import pytest

from app.registration import check_callable
from models.catalogue import catalogue
from planner.refusals import InvalidConditionError
from policies.errors import InvalidInputError
from tests.support.envelopes import writer_registration

HOSTS = ("agents.example", "127.0.0.1:8700")
BAD_CONDITION = [{"facet": "copyVariants", "path": "/", "condition": {"dsl": "1 >"}}]


def refusal(**members: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as refused:
        check_callable(writer_registration(**members), catalogue(), HOSTS)
    return refused.value


@pytest.mark.parametrize("url", ["https://agents.example/write", "http://127.0.0.1:8700/"])
def test_a_listed_host_is_taken(url: str) -> None:
    found = check_callable(writer_registration(endpoint={"url": url}), catalogue(), HOSTS)

    assert found.endpoint == {"url": url}


def test_who_is_called_nowhere_needs_no_host() -> None:
    assert check_callable(writer_registration(), catalogue(), ()).endpoint is None


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/",
        "http://127.0.0.1:8701/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
    ],
)
def test_another_host_is_refused_at_its_place(url: str) -> None:
    (problem,) = refusal(endpoint={"url": url}).problems

    assert (problem.pointer, problem.code) == ("/endpoint/url", "egress_refused")


def test_the_remedy_is_named() -> None:
    assert "add it to FLEX_AGENT_HOSTS" in refusal(endpoint={"url": "https://other.example/"}).message


def test_everything_else_that_is_wrong_is_told_too() -> None:
    # Given a host that is not listed, a secret that is none, and a summary that is missing
    problems = refusal(endpoint={"url": "https://other.example/", "secret": "c2VjcmV0"}, summary=None).problems

    assert {problem.pointer for problem in problems} == {"/endpoint/url", "/endpoint/secret", "/summary"}


def test_a_url_that_is_none_is_told_once() -> None:
    (problem,) = refusal(endpoint={"url": "ftp://other.example/"}).problems

    assert problem.pointer == "/endpoint/url"


def test_a_condition_that_cannot_be_read_beside_it_is_no_mere_matter_of_wording() -> None:
    # Given conditions that alone would be refused as such
    with pytest.raises(InvalidConditionError):
        check_callable(writer_registration(postConditions=BAD_CONDITION), catalogue(), HOSTS)

    # Then with a host beside them both are told
    found = refusal(postConditions=BAD_CONDITION, endpoint={"url": "https://other.example/"})
    assert not isinstance(found, InvalidConditionError)
    assert {problem.pointer.split("/")[1] for problem in found.problems} == {"endpoint", "postConditions"}
