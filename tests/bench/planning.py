"""How long it takes to plan the LinkedIn envelope in a warm process: the search with its proof, and the whole task."""

from __future__ import annotations

import time
from collections.abc import Callable

from models.builtins import register_builtins
from models.catalogue import catalogue
from models.migrate import upgrade
from models.repositories.runs import seconds
from models.settings import get_settings
from models.tables.base import clock
from models.unit_of_work import open_unit
from planner.assembly.assemble import assemble_plan
from planner.envelope import check_envelope
from tasks.planning import plan_and_store
from tests.bench.statistic import percentiles
from tests.support.envelopes import linkedin_envelope

WARM_UP = 5
A_DAY = 86_400.0


def planning(count: int) -> dict[str, dict[str, float]]:
    """Return p50 and p95 in milliseconds of each step, over `count` plans one after another."""
    upgrade(get_settings().database_url or "")
    register_builtins()
    with open_unit("default") as unit:
        registry = unit.capabilities.snapshot(fresh=True)
    body, known = linkedin_envelope(), catalogue()
    envelope = check_envelope(body, known)
    runs = [_new_run() for _ in range(WARM_UP + count)]
    left = iter(runs)
    steps: dict[str, Callable[[], object]] = {
        "check_envelope": lambda: check_envelope(body, known),
        "assemble_plan": lambda: assemble_plan(envelope, registry, known),
        "plan_and_store": lambda: _plan(*next(left)),
    }
    took = {name: percentiles(_timed(step, count)) for name, step in steps.items()}
    _park([run_id for run_id, _ in runs])
    return took


def _timed(action: Callable[[], object], count: int) -> list[float]:
    for _ in range(WARM_UP):
        action()
    took = []
    for _ in range(count):
        began = time.perf_counter()
        action()
        took.append((time.perf_counter() - began) * 1000)
    return took


def _new_run() -> tuple[str, int]:
    with open_unit("default") as unit:
        run = unit.runs.create(envelope=check_envelope(linkedin_envelope(), catalogue()), correlation_id="bench")
    return run.run_id, run.epoch


def _plan(run_id: str, epoch: int) -> None:
    if not plan_and_store(run_id, epoch):
        raise RuntimeError("the envelope of the benchmark was not planned")


def _park(run_ids: list[str]) -> None:
    """Put off the runs, which nobody is to walk: the sweep of the workers that come later must not wake them."""
    with open_unit("default") as unit:
        for run_id in run_ids:
            unit.runs.change(run_id, wake_at=clock + seconds(A_DAY))
