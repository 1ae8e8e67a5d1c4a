"""The reference page tells the truth: its conditions are valid, and it names every operator and code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.contracts.facets import load_catalogue
from policies.conditions import build_catalog, evaluate, parse
from policies.conditions.catalog import OPERATORS, SIGNALS

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/reference/conditions.md").read_text("utf-8")
SOURCE = "".join(path.read_text("utf-8") for path in (ROOT / "policies/conditions").glob("*.py"))
SIGNAL_PATHS = [path for path, _, _ in SIGNALS]
CODES = re.findall(r'(?:Fault|report|Warning)\(\s*"([a-z_]+)"', SOURCE)
WORKED = re.findall(r"```condition\n(.*?)\n```", PAGE, re.DOTALL)


def test_there_are_ten_worked_conditions():
    assert len(WORKED) == 10


@pytest.mark.parametrize("text", WORKED)
def test_a_worked_condition_is_valid_against_the_built_in_facets(text):
    condition = parse(text, build_catalog(load_catalogue().schemas()))

    assert condition.warnings == ()
    assert evaluate(condition, {}).value in {True, False, "unknown"}


@pytest.mark.parametrize("name", sorted({*OPERATORS["any"], "exists", "some", "all", *SIGNAL_PATHS}))
def test_every_operator_and_signal_is_named(name):
    assert f"`{name}" in PAGE or f" {name} " in PAGE


@pytest.mark.parametrize("code", sorted(set(CODES)))
def test_every_code_is_named(code):
    assert f"`{code}`" in PAGE
