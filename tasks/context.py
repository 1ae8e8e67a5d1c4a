"""What the steps of a run act on, and what each of them may ask of the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.events.frames import Draft
from models.repositories.nodes import NO_LEASE
from models.repositories.overviews import Overview
from models.repositories.plans import StoredPlan
from models.repositories.runs import Run
from models.tables.base import clock
from models.unit_of_work import UnitOfWork
from planner.plan.graph import Node
from planner.progress.state import RunState
from tasks.beginning import Begun


@dataclass(frozen=True, slots=True)
class Context:
    """What a step acts on: the open unit, the run as the loop saw it, and whether that holds the run's lock.

    Without the lock a step is one statement, which changes nothing unless the run still has this `row_version`.
    """

    unit: UnitOfWork
    seen: Overview
    state: RunState
    locked: bool
    keep: bool

    @property
    def run(self) -> Run:
        return self.seen.run

    @property
    def row_version(self) -> str | None:
        return None if self.locked else self.seen.row_version

    @property
    def plan(self) -> StoredPlan:
        if self.seen.stored is None:
            raise LookupError("the run has no plan yet")
        return self.seen.stored


@dataclass(frozen=True, slots=True)
class Again:
    """Look at the run again, under its lock: it has changed, or the step can only be taken there."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more to do here; `begun` is the lane whose first node this worker has taken, to be walked by it."""

    begun: Begun | None = None


Next = Again | Stop


def settle_in_place(context: Context, node: Node, *drafts: Draft, **values: Any) -> None:
    """Complete a node that no worker holds: a virtual one, or one that a person answered for."""
    context.unit.events.append(context.run.run_id, *drafts)
    settled: dict[str, Any] = {
        "status": "completed",
        "error": None,
        "findings": [],
        "completed_at": clock,
        "duration_ms": 0.0,
    }
    context.unit.nodes.change(context.run.run_id, [node.id], **{**NO_LEASE, **settled, "duration_ms": 0.0, **values})
