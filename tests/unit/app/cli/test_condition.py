"""`flex condition`: carets under faults, the other forms of what is valid."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from app.cli.condition import condition


def flex_condition(*arguments: str) -> Result:
    return CliRunner().invoke(condition, arguments)


def test_a_valid_condition_is_shown_in_its_other_forms() -> None:
    result = flex_condition("run.cost>1.0")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "canonical   run.cost > 1",
        'JSON-Logic  {">": [{"var": "run.cost"}, 1]}',
        "reads       run.cost",
    ]


def test_each_fault_has_a_caret_under_it() -> None:
    result = flex_condition("facets.post_copy < 5 &&\n  run.cots > 1")

    assert result.exit_code == 1
    assert result.output.splitlines()[1:3] == ["  facets.post_copy < 5 &&", "  " + " " * 17 + "^"]
    assert result.output.splitlines()[-3:] == ["    run.cots > 1", "    ^^^^^^^^", "  did you mean run.cost?"]


@pytest.mark.parametrize(("text", "offset"), [("true &&", 6), ("(true", 0), ("", 0)])
def test_faults_as_json_are_those_of_the_api(text: str, offset: int) -> None:
    result = flex_condition(text, "--json")

    assert result.exit_code == 1
    assert json.loads(result.output)["errors"][0]["range"]["start"]["offset"] == offset


def test_a_payload_gets_a_verdict() -> None:
    result = flex_condition("run.cost > 1", "--payload", "{}")

    assert "verdict     unknown (run.cost > 1: null and number have no order)" in result.output
    assert "observed    run.cost = null" in result.output


def test_bare_names_are_members_of_the_facet() -> None:
    result = flex_condition("length(value) > 3", "--facet", "post_copy", "--payload", '"Hello"', "--json")

    assert json.loads(result.output)["verdict"] == {"value": True, "observed": {"value": "Hello"}}


@pytest.mark.parametrize("arguments", [("true", "--facet", "post_cpy"), ("true", "--payload", "{"), ()])
def test_wrong_use_is_told_apart_from_a_wrong_condition(arguments: tuple[str, ...]) -> None:
    assert flex_condition(*arguments).exit_code == 2
