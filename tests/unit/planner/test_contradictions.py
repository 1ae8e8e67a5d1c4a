"""What contradicts itself is refused at the door, at both ends."""

from __future__ import annotations

from typing import Any

import pytest

from planner.contracts.facets import load_catalogue
from planner.envelope import ContractUnsatisfiableError, check_envelope
from tests.support.planning import linkedin, object_contract, variants

CATALOGUE = load_catalogue()
LONG = {"type": "object", "required": ["body"], "properties": {"body": {"type": "string", "minLength": 2000}}}


def goal(facet: str, path: str, dsl: str) -> dict[str, Any]:
    return {"facet": facet, "path": path, "condition": {"dsl": dsl}}


def goals(*found: dict[str, Any]) -> dict[str, Any]:
    return {"goal_condition": list(found)}


CHANNEL = {"policies": {"channels": {"linkedin": {"maxLength": 1300}}}}
BRANCHES = {"policies": {"planner": {"directives": {"branches": ["a", "b", "c"]}}}}


@pytest.mark.parametrize(
    ("raw", "pointers"),
    [
        (
            linkedin(object_contract(copyVariants=variants(item=LONG)), **CHANNEL),
            {
                "/policies/channels/linkedin/maxLength",
                "/outputContract/schema/properties/copyVariants/items/properties/body/minLength",
            },
        ),
        (
            linkedin(inputs={"variantCount": None}, **BRANCHES),
            {"/policies/planner/directives/branches", "/outputContract/schema/properties/copyVariants/maxItems"},
        ),
        (
            linkedin(
                **goals(
                    goal("planKnobs", "/hookIntensity", "hookIntensity > 0.8"),
                    goal("planKnobs", "/hookIntensity", "hookIntensity < 0.2"),
                )
            ),
            {"/goal_condition/0/condition", "/goal_condition/1/condition"},
        ),
        (
            linkedin(**goals(goal("planKnobs", "#", "hookIntensity > 0.8 && hookIntensity < 0.2"))),
            {"/goal_condition/0/condition"},
        ),
        (
            linkedin(
                object_contract(qaFindings={"type": "object", "properties": {"overallStatus": {"const": "fail"}}}),
                inputs={"variantCount": None},
                **goals(goal("qaFindings", "/overallStatus", 'overallStatus == "pass"')),
            ),
            {"/goal_condition/0/condition", "/outputContract/schema/properties/qaFindings"},
        ),
    ],
    ids=["channel and contract", "branches and contract", "two goals", "one goal", "goal and contract"],
)
def test_both_ends_of_a_contradiction_are_named(raw: dict[str, Any], pointers: set[str]) -> None:
    with pytest.raises(ContractUnsatisfiableError) as refused:
        check_envelope(raw, CATALOGUE)
    assert {problem.pointer for problem in refused.value.problems} == pointers


@pytest.mark.parametrize(
    "raw",
    [
        linkedin(**CHANNEL),
        linkedin(object_contract(copyVariants=variants(item=LONG)), policies={"channels": {"blog": {"maxLength": 9}}}),
    ],
)
def test_what_can_be_satisfied_passes(raw: dict[str, Any]) -> None:
    assert check_envelope(raw, CATALOGUE).raw == raw
