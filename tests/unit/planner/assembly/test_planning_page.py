"""The page on planning says what the code does."""

from __future__ import annotations

import re

from planner.assembly.request import BUILT_KINDS
from planner.assembly.scoring import MINIMUM_SCORE
from tests.support.goldens import goldens
from tests.support.planning_page import PAGE, page_with_table


def test_the_weights_are_those_of_the_code() -> None:
    assert PAGE.read_text() == page_with_table()


def test_the_minimum_and_every_node_kind_are_told_with_an_example_from_a_kept_plan() -> None:
    # Given
    text, plans = PAGE.read_text(), {name: golden.plan() for name, golden in goldens().items()}
    rows = re.findall(r"^\| `(\w+)` \|.*\| `([\w~]+)` in `(\w+)\.json` \|$", text, re.MULTILINE)
    # Then
    assert f"is {MINIMUM_SCORE}" in text
    assert {kind for kind, _, _ in rows} == BUILT_KINDS
    assert all(plans[plan].node(node).kind == kind for kind, node, plan in rows)
