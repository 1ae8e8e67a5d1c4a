"""What workers do to a run's tables, one transaction per move, without a loop around it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from models.database import engine
from models.events.frames import Draft, Frame
from models.repositories.claims import Claim, Result
from models.unit_of_work import open_unit
from planner.progress.state import NodeState

NOTHING: dict[str, Any] = {}


def claim(run_id: str, node_id: str, *, worker: str = "w1", epoch: int = 1, lease: float = 15) -> Claim:
    """Claim a node and tell of it. Raises ClaimRefusedError."""
    with open_unit(None) as unit:
        held, at = unit.claims.take(run_id, node_id, epoch=epoch, worker=worker, lease=lease)
        start = Draft("node_start", {"attempt": held.attempt}, node_id=node_id)
        unit.events.record(run_id, [start], at=at, wake_within=lease, usage=NOTHING)
        return held


def complete(held: Claim, *successors: str, output: dict[str, Any] | None = None) -> frozenset[str]:
    """Store a result and tell of it; return the joins that this closed. Raises LeaseLostError."""
    with open_unit(None) as unit:
        result = Result(output or {}, {}, {"promptTokens": 1, "completionTokens": 2, "cost": 0.5}, 1.0)
        settled = unit.claims.complete(held, result, successors=successors)
        told = Draft("node_complete", {"output": output or {}}, node_id=held.node_id)
        unit.events.record(held.run_id, [told], at=settled.at, wake_within=15, usage=result.usage)
        return settled.closed


def leave(held: Claim, **values: Any) -> None:
    """Give an attempt up. Raises LeaseLostError."""
    with open_unit(None) as unit:
        unit.claims.leave(held, [Draft("log")], usage=NOTHING, values={"status": "retrying", **values})


def states(run_id: str) -> dict[str, NodeState]:
    with open_unit(None) as unit:
        return unit.nodes.states(run_id)


def frames(run_id: str) -> list[Frame]:
    with open_unit(None) as unit:
        return unit.events.page(run_id, limit=5000)


def statement(sql: str, **values: Any) -> Any:
    """Run one statement in a transaction of its own; return its rows, if it has any."""
    with engine().begin() as connection:
        result = connection.execute(text(sql), values)
        return result.all() if result.returns_rows else None
