"""Reasons to make a plan anew: as they are stored, and what they leave behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.progress.replanning import Reason, Replanning, directions_in, situation_after
from tests.support.factories import make_chain

names = st.text(min_size=1, max_size=5)
reasons = st.builds(
    Replanning,
    reason=names,
    node_id=st.none() | names,
    details=st.dictionaries(names, st.integers()),
    redo=st.lists(names).map(tuple),
)


@given(reasons)
def test_a_reason_comes_back_from_storage_as_it_was(why: Replanning) -> None:
    assert Replanning.from_json(why.as_json()) == why


@pytest.mark.parametrize(
    ("node_id", "output", "found"),
    [
        ("first", {"ideas": ["one", "two"]}, 2),
        ("first", {"ideas": ["one"]}, None),
        ("first", {"ideas": "many"}, None),
        ("first", {}, None),
        ("second", {"ideas": ["one", "two"]}, None),
    ],
)
def test_several_directions_in_the_named_place_are_a_reason(
    node_id: str, output: dict[str, Any], found: int | None
) -> None:
    plan = make_chain("first", "second")
    plan = replace(plan, metadata={**plan.metadata, "expansion": {"nodeId": "first", "facet": "ideas"}})
    why = directions_in(plan, node_id, output)
    assert (why and why.details["directions"]) == found
    assert why is None or (why.reason, why.optional) == (Reason.UPSTREAM_OUTPUT, True)


def test_a_plan_that_cannot_branch_has_no_place_for_directions() -> None:
    assert directions_in(make_chain("first"), "first", {"ideas": [1, 2]}) is None


def test_what_is_known_adds_up() -> None:
    known: dict[str, Any] = {}
    for capability_id in ("b", "a", "b"):
        known = situation_after(known, Replanning(Reason.CANDIDATE_CHOSEN, "n", {"capabilityId": capability_id}))
    known = situation_after(known, Replanning(Reason.UPSTREAM_OUTPUT, "first", {"facet": "ideas", "directions": 2}))
    known = situation_after(known, Replanning(Reason.ROUTING_NO_MATCH, "way"))
    known = situation_after(known, Replanning("operator"))
    assert known == {
        "accepted": ["a", "b"],
        "directions": {"nodeId": "first", "facet": "ideas"},
        "unrouted": True,
    }
