"""Output contracts: the three modes, and every fault at its pointer."""

from __future__ import annotations

import pytest

from planner.contracts.facets import load_catalogue
from planner.contracts.json_schema import schema_hash
from planner.contracts.output_contract import check_output_contract

CATALOGUE = load_catalogue()
AT = "/outputContract"


def check(raw):
    return check_output_contract(raw, AT, CATALOGUE)


@pytest.mark.parametrize(
    "raw",
    [
        {"mode": "json_schema", "schema": {"type": "object"}},
        {"mode": "json_schema", "schema": {}, "example": [1], "hints": {"any": "thing"}},
        {"mode": "facets", "facets": ["copyVariants", "qaFindings"]},
        {"mode": "freeform", "instructions": "Write a poem", "expectedFormat": "markdown", "example": "Roses"},
        {
            "mode": "json_schema",
            "schema": {},
            "constraints": [
                {"constraintId": "a", "dsl": "x > 1", "level": "hard", "rationale": "r"},
                {"constraintId": "b", "expr": {"==": [1, 1]}, "level": "soft"},
            ],
        },
    ],
)
def test_a_good_contract_is_read_and_written_back_as_it_was(raw):
    contract, problems = check(raw)
    assert problems == []
    assert contract.as_json() == raw


def test_a_schema_without_a_mode_is_a_json_schema_contract_with_a_hash():
    contract, _ = check({"schema": {"type": "object"}})
    assert contract.mode == "json_schema"
    assert contract.schema_hash == schema_hash({"type": "object"})


@pytest.mark.parametrize(
    ("raw", "pointers"),
    [
        (None, {""}),
        ([], {""}),
        ({}, {"/mode"}),
        ({"mode": "poem"}, {"/mode"}),
        ({"mode": ["facets"]}, {"/mode"}),
        ({"mode": "json_schema"}, {"/schema"}),
        ({"mode": "json_schema", "schema": True}, {"/schema"}),
        ({"mode": "json_schema", "schema": {"type": "x", "$ref": "http://a"}}, {"/schema/type", "/schema/$ref"}),
        ({"mode": "freeform", "schema": {}}, {"/instructions", "/schema"}),
        ({"mode": "facets", "facets": ["qaFindings"], "schema": {}}, {"/schema"}),
        ({"mode": "facets"}, {"/facets"}),
        ({"mode": "facets", "facets": []}, {"/facets"}),
        ({"mode": "facets", "facets": "qaFindings"}, {"/facets"}),
        (
            {"mode": "facets", "facets": ["qaFinding", "objectiveBrief", 3, "qaFindings", "qaFindings"]},
            {"/facets/0", "/facets/1", "/facets/2", "/facets/4"},
        ),
        ({"schema": {}, "hints": []}, {"/hints"}),
        ({"schema": {}, "colour": "red"}, {"/colour"}),
        (
            {"schema": {}, "constraints": [{"constraintId": "a", "level": "loud", "expr": 3}, 4, {"level": "hard"}]},
            {
                *("/constraints/0/level", "/constraints/0/expr", "/constraints/1"),
                *("/constraints/2", "/constraints/2/constraintId"),
            },
        ),
        (
            {"schema": {}, "constraints": [{"constraintId": "a", "level": "hard", "dsl": "x"}] * 2},
            {"/constraints/1/constraintId"},
        ),
    ],
)
def test_every_fault_is_told_at_its_place(raw, pointers):
    contract, problems = check(raw)
    assert contract is None
    assert {problem.pointer for problem in problems} == {AT + pointer for pointer in pointers}


def test_a_schema_that_nothing_satisfies_is_told_apart_from_one_that_is_no_schema():
    schema = {
        "type": "object",
        "required": ["posts"],
        "properties": {"posts": {"type": "array", "minItems": 3, "maxItems": 2}},
    }
    contract, problems = check({"schema": schema})
    assert contract is None
    assert [(p.pointer, p.code) for p in problems] == [("/outputContract/schema", "contract_unsatisfiable")]
    assert "/posts" in problems[0].message


def test_a_mistyped_facet_is_met_with_the_right_name():
    _, problems = check({"mode": "facets", "facets": ["copyVariant"]})
    assert "`copyVariants`" in problems[0].message
    assert problems[0].code == "unknown_facet"
