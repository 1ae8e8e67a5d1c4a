"""The nodes of runs: installed with a plan, carried over to its next version, counted down, read.

Every change of a node stands in a transaction that took the run's lock first (`EventLog.reserve`). What a worker does
with a node that it holds is in `claims`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from models.events.frames import timestamp_text
from models.events.log import EventLog
from models.repositories.runs import Run
from models.repositories.settling import NOTE_DISPATCH, OUTPUTS, STATES
from models.scope import Repository, Source
from models.tables import flex_plan_nodes, flex_runs
from models.tables.base import clock
from models.telemetry import NodeEnd
from planner.plan.delta import Delta
from planner.plan.graph import Node, PlanGraph
from planner.progress.state import STARTABLE, NodeState

nodes = flex_plan_nodes.c

UNTOLD = frozenset({"cancelled", "superseded"})
"""Statuses that no frame of the node's own gives it: the frame of its run's end, or of the new plan, speaks for all."""

NO_LEASE: Mapping[str, Any] = {"worker": None, "lease_until": None, "deadline": None}


class NodeRepository(Repository):
    """Nodes of one tenant's runs."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def install(self, run: Run, plan: PlanGraph) -> None:
        """Store the nodes of a run's first plan, each with the count of parents that it waits for."""
        rows = [_new_row(run, plan, plan.node(node_id)) for node_id in plan.order]
        self.connection.execute(insert(flex_plan_nodes), rows)

    def follow(self, run: Run, delta: Delta) -> None:
        """Go over to the next version of a run's plan: retire what it does not hold, add what is new, keep the rest.

        Finished work stays as it is. What runs keeps its lease and its attempt. What is still to run takes the form
        that it has now and, if that is another one, starts with its first candidate.
        """
        plan, known = delta.plan, self.states(run.run_id)
        retired = [node_id for node_id in delta.retired if node_id in known]
        if retired:
            self.change(run.run_id, retired, status="superseded", **NO_LEASE)
        changed = {change.node_id for change in delta.diff.changed}
        for node_id in plan.order:
            if node_id in known and node_id not in delta.locked:
                self.change(run.run_id, [node_id], **_carried_on(plan, delta, node_id, anew=node_id in changed))
        rows = [_new_row(run, plan, plan.node(node_id)) for node_id in plan.order if node_id not in known]
        if rows:
            self.connection.execute(
                insert(flex_plan_nodes), [{**row, "waiting": delta.waiting[row["node_id"]]} for row in rows]
            )

    def states(self, run_id: str) -> dict[str, NodeState]:
        """Return the state of every node of a run."""
        rows = STATES.run(self.connection, run_id=run_id, tenant=self.tenant_id)
        return {row["node_id"]: node_state(row) for row in rows}

    def statuses(self, run_id: str) -> dict[str, str]:
        """Return the status of every node of a run, those of earlier plan versions too."""
        statement = select(nodes.node_id, nodes.status).where(nodes.run_id == run_id, self.mine(flex_plan_nodes))
        return {row.node_id: row.status for row in self.connection.execute(statement)}

    def outputs(self, run_id: str, node_ids: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the outputs (facet → value) of completed nodes, of all or of `node_ids`."""
        wanted = None if node_ids is None else list(node_ids)
        rows = OUTPUTS.run(self.connection, run_id=run_id, tenant=self.tenant_id, node_ids=wanted)
        return {row["node_id"]: row["output"] for row in rows}

    def list(self, run_id: str) -> list[dict[str, Any]]:
        """Return the rows of a run's nodes as the debug reply shows them, in the order in which they were made."""
        statement = (
            select(flex_plan_nodes)
            .where(nodes.run_id == run_id, self.mine(flex_plan_nodes))
            .order_by(nodes.created_at, nodes.node_id)
        )
        return [_as_json(row) for row in self.connection.execute(statement).mappings()]

    def count_down(self, run_id: str, successors: Sequence[str]) -> tuple[str, ...]:
        """Tell `successors` that one more parent has settled; return those that now wait for nobody."""
        if not successors:
            return ()
        statement = (
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.node_id.in_(list(successors)))
            .values(waiting=nodes.waiting - 1)
            .returning(nodes.node_id, nodes.waiting)
        )
        return tuple(row.node_id for row in self.connection.execute(statement) if row.waiting == 0)

    def change(self, run_id: str, node_ids: Sequence[str], **values: Any) -> None:
        """Set columns of nodes of a run whose lock is held."""
        statement = (
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.node_id.in_(node_ids), self.mine(flex_plan_nodes))
            .values(updated_at=clock, **values)
        )
        if values.get("status") in UNTOLD:
            self._log.ended.extend(map(_node_end, self.connection.execute(statement.returning(*_ENDED)).mappings()))
        else:
            self.connection.execute(statement)

    def forget_dispatch(self, run_id: str) -> None:
        """Let what has been published and not been claimed be published anew: nobody can claim it any more."""
        self.connection.execute(
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.status.in_(tuple(STARTABLE)), self.mine(flex_plan_nodes))
            .values(dispatched_at=None, dispatch_count=0)
        )

    def note_dispatch(self, run_id: str, node_ids: Sequence[str]) -> None:
        """Remember that a message for these nodes is about to be published."""
        NOTE_DISPATCH.run(self.connection, run_id=run_id, node_ids=list(node_ids))


STATE_COLUMNS = (
    nodes.node_id,
    nodes.status,
    nodes.waiting,
    nodes.attempt,
    nodes.tries,
    nodes.repair,
    nodes.crashes,
    nodes.candidate,
    nodes.lease_until,
    nodes.deadline,
    nodes.started_at,
    nodes.retry_at,
    nodes.dispatched_at,
    nodes.dispatch_count,
    nodes.findings,
    nodes.error,
)


def node_state(row: Mapping[str, Any] | RowMapping) -> NodeState:
    values = {column.name: row[column.name] for column in STATE_COLUMNS}
    return NodeState(**{**values, "findings": tuple(values["findings"])})


_ENDED = (
    nodes.run_id,
    nodes.tenant_id,
    select(flex_runs.c.correlation_id)
    .where(flex_runs.c.run_id == nodes.run_id)
    .scalar_subquery()
    .label("correlation_id"),
    nodes.plan_version,
    nodes.node_id,
    nodes.kind,
    nodes.capability_id,
    nodes.status,
    nodes.attempt,
)
"""What a `NodeEnd` says."""


def _node_end(row: RowMapping) -> NodeEnd:
    return NodeEnd(**row)


def _new_row(run: Run, plan: PlanGraph, node: Node) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "tenant_id": run.tenant_id,
        "node_id": node.id,
        "identity": node.identity.key,
        "plan_version": plan.version,
        "kind": node.kind,
        "capability_id": node.capability_id,
        "label": node.label,
        "timeout_seconds": node.timeout_seconds,
        "waiting": len(plan.parents(node.id)),
    }


def _carried_on(plan: PlanGraph, delta: Delta, node_id: str, *, anew: bool) -> dict[str, Any]:
    node = plan.node(node_id)
    form = {"kind": node.kind, "label": node.label, "timeout_seconds": node.timeout_seconds}
    first: dict[str, Any] = {
        "capability_id": node.capability_id,
        "candidate": 0,
        "tries": 0,
        "crashes": 0,
        "findings": [],
    }
    place = {"waiting": delta.waiting[node_id], "dispatched_at": None, "dispatch_count": 0}
    return {**form, **place, **(first if anew else {}), "plan_version": plan.version}


def _as_json(row: RowMapping) -> dict[str, Any]:
    def moment(value: datetime | None) -> str | None:
        return None if value is None else timestamp_text(value)

    return {
        "nodeId": row["node_id"],
        "identity": row["identity"],
        "kind": row["kind"],
        "capabilityId": row["capability_id"],
        "label": row["label"],
        "status": row["status"],
        "planVersion": row["plan_version"],
        "changedByPolicy": row["changed_by_policy"],
        "waiting": row["waiting"],
        "attempt": row["attempt"],
        "output": row["output"],
        "provenance": row["provenance"],
        "error": row["error"],
        "usage": row["usage"],
        "durationMs": row["duration_ms"],
        "startedAt": moment(row["started_at"]),
        "completedAt": moment(row["completed_at"]),
    }
