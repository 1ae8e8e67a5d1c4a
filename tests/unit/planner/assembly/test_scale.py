"""Large registries: what a request costs does not grow with all that is registered."""

from __future__ import annotations

import random
import statistics
import time

import pytest

from planner.assembly.assemble import assemble_plan
from planner.assembly.index import index_of
from planner.assembly.scoring import tokens
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.plan.graph import PlanGraph
from tests.support.planning import capability, envelope, facet_contract, text_facets

CHAIN = tuple(f"f{place:02}" for place in range(30))
CATALOGUE = text_facets(("start", *CHAIN))
ROUNDS = 7
MOST_MILLISECONDS = 250
"""Far above what it takes: this is to notice a search that has become slow, on a machine that has other work too."""


def chained(size: int) -> RegistrySnapshot:
    """Return capabilities each of which makes the next facet of a chain of thirty."""
    rng = random.Random(size)
    made: list[Capability] = []
    for number in range(size):
        place = number % len(CHAIN)
        needs = [CHAIN[place - 1]] if place else ["start"]
        cost = {"estimatedTokens": rng.randint(100, 9000)}
        made.append(capability(f"c{number:05}", needs, [CHAIN[place]], cost=cost))
    return RegistrySnapshot(tuple(made))


def planned(registry: RegistrySnapshot) -> tuple[PlanGraph, float]:
    """Return the plan of thirty nodes, and its milliseconds of this thread's processor time."""
    raw = {"objective": "Make it", "inputs": {"start": "given"}, "outputContract": facet_contract(CHAIN[-1])}
    task = envelope(raw, CATALOGUE)
    began = time.thread_time()
    return assemble_plan(task, registry, CATALOGUE), (time.thread_time() - began) * 1000


@pytest.mark.parametrize("size", [300, 10_000])
def test_ten_thousand_capabilities_are_planned_from_in_a_moment(size: int) -> None:
    # Given a warm registry
    registry = chained(size)
    index_of(registry)
    # When
    found = [planned(registry) for _ in range(ROUNDS)]
    # Then
    assert statistics.median(spent for _, spent in found) < MOST_MILLISECONDS
    plan = found[0][0]
    assert len(plan.nodes) == len(CHAIN)
    assert plan.metadata["search"]["exact"]
    # And of each facet the cheapest capability was chosen
    cheapest = {c.output_facets[0]: c for c in sorted(registry.capabilities, key=tokens, reverse=True)}
    for node in plan.nodes:
        chosen = registry.get(node.capability_id or "")
        assert chosen is not None
        assert tokens(chosen) <= tokens(cheapest[node.output_facets[0]]) + 40
        # And the plan tells of a few of the others only
        assert len(node.score["runnersUp"]) <= 10
        assert len(node.alternatives) <= 10
