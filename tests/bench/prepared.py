"""Runs that are planned already, so that a benchmark times their execution alone."""

from __future__ import annotations

from functools import cache

from models.catalogue import catalogue
from models.migrate import upgrade
from models.repositories.runs import seconds
from models.settings import get_settings
from models.tables.base import clock
from models.unit_of_work import open_unit
from planner.contracts.capabilities import check_registration
from planner.envelope import check_envelope
from tests.bench.graph import CAPABILITY, FACET, eight_nodes

WAKE_SECONDS = 3600.0
"""When a run that nobody has begun wakes by itself: not while it waits to be measured."""
ENVELOPE = {
    "objective": "Measure",
    "inputs": {},
    "outputContract": {"mode": "facets", "facets": [FACET]},
}
REGISTRATION = {
    "capabilityId": CAPABILITY,
    "version": "1.0.0",
    "displayName": "Bench node",
    "summary": "Does nothing, to be measured.",
    "kind": "execution",
    "outputContract": {"mode": "facets", "facets": [FACET]},
}


def prepare(count: int) -> list[str]:
    """Store `count` runs of the eight-node plan, ready to be advanced; return their ids."""
    _set_up()
    envelope, plan, made = check_envelope(ENVELOPE, catalogue()), eight_nodes(), []
    with open_unit("default") as unit:
        for _ in range(count):
            run = unit.runs.create(envelope=envelope, correlation_id="bench")
            unit.plans.add(run, plan, intake={"objective": "Measure", "specialInstructions": [], "values": {}})
            unit.nodes.install(run, plan)
            # A run that is due already would be begun by the sweep, before or beside whoever measures it.
            unit.runs.change(run.run_id, status="running", plan_version=1, wake_at=clock + seconds(WAKE_SECONDS))
            made.append(run.run_id)
    return made


def ended(run_ids: set[str]) -> list[str]:
    """Return those of `run_ids` that have ended."""
    with open_unit("default") as unit:
        return [run_id for run_id in run_ids if unit.runs.get(run_id).terminal]


@cache
def _set_up() -> None:
    upgrade(get_settings().database_url or "")
    with open_unit("default") as unit:
        unit.capabilities.register(check_registration(REGISTRATION, catalogue()))
