"""What the steps of a run act on, and what each of them may ask of the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from models.events.frames import Draft
from models.repositories.nodes import NO_LEASE
from models.repositories.plans import StoredPlan
from models.repositories.runs import Run
from models.tables.base import clock
from models.unit_of_work import UnitOfWork
from planner.plan.graph import Node
from planner.progress.state import RunState
from tasks.beginning import Begun


@dataclass(frozen=True, slots=True)
class Context:
    """What a step acts on: the open unit, the locked run, what the loop saw, and the plan if there is one."""

    unit: UnitOfWork
    run: Run
    state: RunState
    stored: StoredPlan | None
    keep: bool

    @property
    def plan(self) -> StoredPlan:
        if self.stored is None:
            raise LookupError("the run has no plan yet")
        return self.stored


@dataclass(frozen=True, slots=True)
class Again:
    """The run has changed: ask for the next step."""


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
