"""Whole plans held against kept ones: facets, schemas with provenance, scores, reasons, edges.

`python -m tests.support.goldens` writes them anew; read the difference before you keep it.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from planner.plan.codec import plan_from_json, plan_hash
from tests.support.goldens import FOLDER, goldens, normalised, refusal

NAMES = sorted(goldens())


def kept(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_is_the_kept_one(name: str) -> None:
    found = normalised(goldens()[name].plan())
    assert found == kept(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_plan_can_be_read_and_runs_alike(name: str) -> None:
    plan = goldens()[name].plan()
    assert plan_hash(plan_from_json(normalised(plan))) == plan_hash(plan)


def test_the_refusal_is_the_kept_one() -> None:
    assert refusal() == kept("refusal")


def test_no_plan_is_kept_that_nobody_makes() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == {*NAMES, "refusal"}
