"""Where conditions share operators with JsonLogic they answer alike, but for the differences that are meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policies.conditions import evaluate
from tests.support.conditions import truthy

ROOT = Path(__file__).parents[4]
CASES = json.loads((ROOT / "tests/support/jsonlogic/shared.json").read_text("utf-8"))
REFERENCE = (ROOT / "docs/reference/conditions.md").read_text("utf-8")


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{json.dumps(case['rule'])} {json.dumps(case['data'])}" for case in CASES]
)
def test_the_answer_is_the_official_one_or_a_stated_difference(case):
    verdict = evaluate(case["rule"], case["data"])

    if "difference" in case:
        assert verdict.value == case["ours"]
    else:
        assert verdict.value == truthy(case["official"])


@pytest.mark.parametrize("reason", sorted({case["difference"] for case in CASES if "difference" in case}))
def test_each_difference_stands_in_the_reference(reason):
    assert f"| {reason} |" in REFERENCE
