"""All that the loop of a run looks at, in one statement: the run, its nodes, its plan, and in the end its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from models.errors import PlanNotFoundError, RunNotFoundError
from models.events.log import EventLog
from models.prepared import Prepared
from models.repositories.plans import PlanRepository, StoredPlan
from models.repositories.runs import Run
from models.scope import Repository, Source
from models.tables import flex_runs
from planner.progress.state import SETTLED, NodeState


@dataclass(frozen=True, slots=True)
class Overview:
    """A run as it was at one moment, `run.now`, with the plan in force if it has one.

    `outputs` (node id → facet → value) are there once every node of a run that has not ended is settled. `row_version`
    is another one after any change of the run; who changes a node changes its run in the same transaction.
    """

    run: Run
    nodes: Mapping[str, NodeState]
    stored: StoredPlan | None
    outputs: Mapping[str, Any]
    row_version: str

    @property
    def asks(self) -> bool:
        """Whether a node waits for a person's answer."""
        return any(node.status == "awaiting_hitl" for node in self.nodes.values())


class OverviewRepository(Repository):
    """Overviews of one tenant's runs."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog, plans: PlanRepository) -> None:
        super().__init__(connection, tenant_id)
        self._log = log
        self._plans = plans

    def read(self, run_id: str) -> Overview:
        """Return all that there is to know before the next step. Raises RunNotFoundError.

        It takes no lock. Whoever holds the run's has all that was committed before.
        """
        known = self._plans.known(run_id)
        version = 0 if known is None else known.plan.version
        row = _OVERVIEW.one(self.connection, run_id=run_id, tenant=self.tenant_id, known=version)
        if row is None:
            raise RunNotFoundError(data={"runId": run_id})
        run = Run(**{name: row[name] for name in _RUN})
        self._log.know_status(run_id, run.status)
        if row["snapshot"] is not None:
            known = self._plans.remember(run_id, row["snapshot"], row["intake"])
        elif run.plan_version != version:
            raise PlanNotFoundError(data={"runId": run_id, "planVersion": run.plan_version})
        nodes = {values[0]: _state(values) for values in row["nodes"] or ()}
        return Overview(run, nodes, known, row["outputs"] or {}, row["row_version"])


def _state(values: list[Any]) -> NodeState:
    for place in _MOMENTS:
        if values[place] is not None:
            values[place] = datetime.fromisoformat(values[place])
    values[_FINDINGS] = tuple(values[_FINDINGS])
    return NodeState(*values)


_RUN = tuple(field.name for field in fields(Run))
_STATE = [field.name for field in fields(NodeState)]
_MOMENTS = [_STATE.index(name) for name in ("lease_until", "deadline", "started_at", "retry_at", "dispatched_at")]
_FINDINGS = _STATE.index("findings")

_OVERVIEW = Prepared(
    "overview",
    f"""
    SELECT {", ".join(f"run.{column.name}" for column in flex_runs.c)}, clock_timestamp() AS now,
           CAST(run.xmin AS text) AS row_version, node.states AS nodes,
           CASE WHEN node.settled AND run.finished_at IS NULL
                THEN (SELECT json_object_agg(done.node_id, done.output) FROM flex_plan_nodes AS done
                       WHERE done.run_id = run.run_id AND done.status = 'completed' AND done.output IS NOT NULL)
            END AS outputs,
           CAST(plan.snapshot AS text) AS snapshot, plan.intake
      FROM flex_runs AS run
     CROSS JOIN LATERAL (
               SELECT json_agg(json_build_array({", ".join(_STATE)})) AS states,
                      bool_and(status IN ({", ".join(f"'{status}'" for status in sorted(SETTLED))})) AS settled
                 FROM flex_plan_nodes
                WHERE run_id = run.run_id
           ) AS node
      LEFT JOIN flex_plan_snapshots AS plan
        ON plan.run_id = run.run_id AND plan.plan_version = nullif(run.plan_version, %(known)s)
     WHERE run.run_id = %(run_id)s AND (CAST(%(tenant)s AS text) IS NULL OR run.tenant_id = %(tenant)s)
    """,  # noqa: S608 - names of columns and statuses, which are ours
)
"""Nodes are told as one value: eight rows of sixteen columns cost the reader twice as much."""
