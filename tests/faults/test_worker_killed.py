"""A worker that is killed at any place of any node costs time, and nothing else."""

from __future__ import annotations

import signal
import threading
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from app.programs import wait_until
from tests.faults.listener import Listener
from tests.faults.outside import Outside
from tests.support.crew import Crew, Member
from tests.support.invariants import Frame, assert_sound

SOME = ("briefing", "linkedinVariants~b", "contentReview~a")
"""Before, in and behind the branches."""
OTHERS = ("linkedinVariants~a", "contentReview~b")
"""The rest: a node dies with its neighbour too, and with all five it may die three times, which makes it poison."""


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

    def end(self, deaths: int) -> None:
        """Stop once so many have died: a run may have ended a moment before its worker does."""
        wait_until(lambda: len(self.deaths) >= deaths, 5)
        self._over.set()
        self.join()
        self.member.send(signal.SIGKILL)
        self.member.process.wait()


def run_under(
    crew: Crew, faults: str, folder: Path, *, deaths: int, envelope: dict[str, Any] | None = None
) -> tuple[list[Frame], list[int]]:
    """Run an envelope with a worker that has these faults; return its frames and how its workers died."""
    keeper = Keeper(crew, FLEX_FAULT=faults, FLEX_DATA_DIR=str(folder))
    keeper.start()
    try:
        frames = Listener(crew, envelope).finished()
    finally:
        keeper.end(deaths)
    return frames, keeper.deaths


def longest_silence(frames: list[Frame]) -> float:
    """Return the seconds of the longest silence in a run's log."""
    return max(when(after) - when(before) for before, after in pairwise(frames))


def when(frame: Frame) -> float:
    return datetime.fromisoformat(frame["timestamp"]).timestamp()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("point", "nodes"),
    [("after_claim", SOME), ("after_effect", SOME), ("after_effect", OTHERS), ("after_settle", SOME)],
)
def test_a_run_completes_although_its_worker_dies_in_its_nodes(
    crew: Crew, point: str, nodes: tuple[str, ...], tmp_path: Path
) -> None:
    """Seen to fail with `Reclaim` taken out of `next_step`: the first node that died with its worker is nobody's."""
    # Given a worker that is killed with SIGKILL at this point of AI nodes, once per node
    faults = ",".join(f"{point}@{node}:kill9" for node in nodes)

    # When the LinkedIn envelope runs
    frames, deaths = run_under(crew, faults, tmp_path, deaths=1)

    # Then nodes killed their worker; two that came to that place at the same moment shared a death
    visited = {visit.name for visit in (tmp_path / "faults").iterdir()}
    killers = {node for node in nodes if f"{point}@{node}.1" in visited}
    assert nodes[0] in killers
    assert deaths == [-signal.SIGKILL] * len(deaths)
    assert 1 <= len(deaths) <= len(nodes)
    # And the log is whole, with one result per node
    assert_sound(frames)
    # And a node that died with its worker says so before it starts again; a settled one never does
    lost = {f["nodeId"] for f in frames if f["type"] == "node_retry" and f["payload"]["reason"] == "lease_lost"}
    assert point == "after_settle" or killers <= lost
    # And nobody waited for longer than a lease, a sweep and the start of a worker take
    assert longest_silence(frames) < 25


def test_what_a_dead_worker_did_in_the_world_is_done_once(crew: Crew, tmp_path: Path) -> None:
    """Seen to fail with the attempt's number put into the bundle's idempotency key: two effects."""
    # Given a worker that dies when the outside world has done what it asked for
    with Outside() as outside:
        envelope = outside.envelope(crew)
        fault = f"after_effect@{outside.node_of(crew, envelope)}:kill9"
        frames, deaths = run_under(crew, fault, tmp_path, deaths=1, envelope=envelope)
        # Then the world was asked again with the same key, and did it once
        assert deaths == [-signal.SIGKILL]
        assert_sound(frames)
        assert list(outside.asked.values()) == [2]
        assert len(outside.effects) == 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["before_publish", "after_publish"])
def test_lanes_are_walked_once_although_their_publisher_dies(crew: Crew, point: str, tmp_path: Path) -> None:
    """Seen to fail with the republishing of unclaimed nodes taken out of `next_step`: lanes are never offered again."""
    # Given a worker that is killed between the commit of its lanes and their messages, or right behind those
    frames, deaths = run_under(crew, f"{point}:kill9", tmp_path, deaths=1)
    # Then every lane is walked, and each node has started as often as it was lost, and once more
    assert deaths == [-signal.SIGKILL]
    assert_sound(frames)
    starts = [f["nodeId"] for f in frames if f["type"] == "node_start"]
    lost = [f["nodeId"] for f in frames if f["type"] == "node_retry"]
    assert len(starts) == len(set(starts)) + len(lost)
    assert longest_silence(frames) < 10


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["before_commit", "after_commit"])
def test_a_run_completes_although_its_worker_dies_at_its_commits(crew: Crew, point: str, tmp_path: Path) -> None:
    """Seen to fail, behind a commit, with `Reclaim` taken out of `next_step`: the node that was begun is nobody's;
    before one, with the lease's end taken out of `PlanningRepository.claim`: the plan that was lost is made by nobody.
    """
    # Given a worker that is killed right before or right behind two of its transactions end
    visits = (3, 7)
    faults = ",".join(f"{point}:kill9:{visit}" for visit in visits)
    frames, deaths = run_under(crew, faults, tmp_path, deaths=len(visits))
    # Then what was not committed is done again, and what was is not
    assert deaths == [-signal.SIGKILL] * len(visits)
    assert_sound(frames)
    assert longest_silence(frames) < 25


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["after_planning_claim", "after_plan_stored"])
def test_a_run_completes_although_its_planner_dies(crew: Crew, point: str, tmp_path: Path) -> None:
    """Seen to fail with the lease's end taken out of `PlanningRepository.claim`: nobody may plan the run again."""
    # Given a worker that is killed while it plans, or right after it has stored the plan
    # When an envelope runs
    frames, deaths = run_under(crew, f"{point}:kill9", tmp_path, deaths=1)

    # Then the run has one plan and completes
    assert deaths == [-signal.SIGKILL]
    assert_sound(frames)
    assert [f["type"] for f in frames].count("plan_generated") == 1


@pytest.mark.timeout(120)
def test_a_node_that_kills_every_worker_fails_as_poison(crew: Crew, tmp_path: Path) -> None:
    """Seen to fail with MAX_CRASHES raised to 30: the node goes on to the next worker, and the next."""
    # Given a node that kills its worker on each of three visits
    faults = ",".join(f"before_effect@briefing:kill9:{visit}" for visit in (1, 2, 3))

    # When an envelope runs
    frames, deaths = run_under(crew, faults, tmp_path, deaths=3)

    # Then it is not handed to a fourth worker: the run fails and says why
    assert deaths == [-signal.SIGKILL] * 3
    assert_sound(frames, status="failed")
    assert frames[-1]["payload"]["reason"] == "poison"
    assert frames[-1]["payload"]["error"]["nodeId"] == "briefing"
    assert when(frames[-1]) - when(frames[0]) < 60
