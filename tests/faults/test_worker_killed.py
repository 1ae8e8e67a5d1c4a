"""A worker that is killed at any place of any node costs time, and nothing else."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from tests.support.crew import Crew, Member
from tests.support.invariants import assert_sound
from tests.support.stack import example

NODES = ("briefing", "linkedinVariants~a", "linkedinVariants~b", "contentReview~a", "contentReview~b")


class Keeper(threading.Thread):
    """Starts the worker again whenever it has died, as the supervisor does, and counts its deaths."""

    def __init__(self, crew: Crew, **settings: str) -> None:
        super().__init__(daemon=True)
        self._crew, self._settings = crew, settings
        self._over = threading.Event()
        self.member: Member = crew.worker(**settings)
        self.deaths: list[int] = []

    def run(self) -> None:
        while not self._over.is_set():
            if self.member.died(0.2) and not self._over.is_set():
                self.deaths.append(self.member.process.returncode)
                self.member = self._crew.worker(**self._settings)

    def end(self) -> None:
        self._over.set()
        self.join()
        self.member.send(signal.SIGKILL)
        self.member.process.wait()


def run_under(crew: Crew, faults: str, folder: Any) -> tuple[list[dict[str, Any]], list[int]]:
    keeper = Keeper(crew, FLEX_FAULT=faults, FLEX_DATA_DIR=str(folder))
    keeper.start()
    try:
        with crew.client() as client:
            frames = list(client.run_stream(example("linkedin")))
    finally:
        keeper.end()
    return frames, keeper.deaths


@pytest.mark.timeout(240)
@pytest.mark.parametrize("point", ["after_claim", "after_effect", "after_settle"])
def test_a_run_completes_although_its_worker_dies_in_every_node(crew: Crew, point: str, tmp_path: Any) -> None:
    # Given a worker that is killed with SIGKILL at this point of each AI node, once per node
    faults = ",".join(f"{point}@{node}:kill9" for node in NODES)

    # When the LinkedIn envelope runs
    frames, deaths = run_under(crew, faults, tmp_path)

    # Then every kill happened, and the log is whole, with one result per node
    assert deaths == [-signal.SIGKILL] * len(NODES)
    assert_sound(frames)
    # And a node that died with its worker says so before it starts again; a settled one never does
    lost = [f["nodeId"] for f in frames if f["type"] == "node_retry" and f["payload"]["reason"] == "lease_lost"]
    assert point == "after_settle" or set(NODES) <= set(lost)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["after_planning_claim", "after_plan_stored"])
def test_a_run_completes_although_its_planner_dies(crew: Crew, point: str, tmp_path: Any) -> None:
    # Given a worker that is killed while it plans, or right after it has stored the plan
    # When an envelope runs
    frames, deaths = run_under(crew, f"{point}:kill9", tmp_path)

    # Then the run has one plan and completes
    assert deaths == [-signal.SIGKILL]
    assert_sound(frames)
    assert [f["type"] for f in frames].count("plan_generated") == 1


@pytest.mark.timeout(120)
def test_a_node_that_kills_every_worker_fails_as_poison(crew: Crew, tmp_path: Any) -> None:
    # Given a node that kills its worker on each of three visits
    faults = ",".join(f"before_effect@briefing:kill9:{visit}" for visit in (1, 2, 3))

    # When an envelope runs
    frames, deaths = run_under(crew, faults, tmp_path)

    # Then it is not handed to a fourth worker: the run fails and says why
    assert deaths == [-signal.SIGKILL] * 3
    assert_sound(frames, status="failed")
    assert frames[-1]["payload"]["reason"] == "poison"
    assert frames[-1]["payload"]["error"]["nodeId"] == "briefing"
