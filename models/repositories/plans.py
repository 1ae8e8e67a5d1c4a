"""Plan versions: stored once, read from memory ever after, since they never change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, insert, select

from models.errors import PlanNotFoundError
from models.events.frames import timestamp_text
from models.repositories.runs import Run
from models.scope import Repository
from models.tables import flex_plan_snapshots
from planner.plan.codec import plan_from_json, plan_hash, plan_to_json
from planner.plan.graph import PlanGraph

_KEPT = 512
_Key = tuple[str | None, str, int]


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan with what its nodes need of the envelope: {objective, specialInstructions, values: {facet: value}}."""

    plan: PlanGraph
    intake: Mapping[str, Any]

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the facet values that the envelope gave."""
        given: Mapping[str, Any] = self.intake["values"]
        return given


class _Recent:
    """The plans used last, by who reads them, run and version; safe between threads."""

    def __init__(self) -> None:
        self._plans: OrderedDict[_Key, StoredPlan] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _Key) -> StoredPlan | None:
        with self._lock:
            found = self._plans.get(key)
            if found is not None:
                self._plans.move_to_end(key)
            return found

    def put(self, key: _Key, plan: StoredPlan) -> None:
        with self._lock:
            self._plans[key] = plan
            if len(self._plans) > _KEPT:
                self._plans.popitem(last=False)


_recent = _Recent()


class PlanRepository(Repository):
    """Plan versions of one tenant's runs."""

    def add(self, run: Run, plan: PlanGraph, *, intake: Mapping[str, Any]) -> None:
        """Store a version of a run's plan."""
        self.connection.execute(
            insert(flex_plan_snapshots).values(
                run_id=run.run_id,
                plan_version=plan.version,
                tenant_id=run.tenant_id,
                plan_hash=plan_hash(plan),
                schema_hash=run.schema_hash,
                snapshot=plan_to_json(plan),
                intake=dict(intake),
            )
        )

    def stored(self, run_id: str, version: int) -> StoredPlan:
        """Return a version as a value. Raises PlanNotFoundError."""
        key = (self.tenant_id, run_id, version)
        found = _recent.get(key)
        if found is None:
            row = self._row(run_id, version)
            found = StoredPlan(plan_from_json(row["snapshot"]), row["intake"])
            _recent.put(key, found)
        return found

    def get(self, run_id: str, version: int) -> dict[str, Any]:
        """Return a version as JSON. Raises PlanNotFoundError."""
        return dict(self._row(run_id, version)["snapshot"])

    def versions(self, run_id: str) -> list[dict[str, Any]]:
        """Return every version of a run's plan, oldest first."""
        rows = self.connection.execute(
            select(flex_plan_snapshots)
            .where(flex_plan_snapshots.c.run_id == run_id, self.mine(flex_plan_snapshots))
            .order_by(flex_plan_snapshots.c.plan_version)
        )
        return [
            {
                "version": row.plan_version,
                "planHash": row.plan_hash,
                "schemaHash": row.schema_hash,
                "createdAt": timestamp_text(row.created_at),
                "metadata": row.snapshot["metadata"],
                "snapshot": row.snapshot,
            }
            for row in rows
        ]

    def _row(self, run_id: str, version: int) -> RowMapping:
        statement = select(flex_plan_snapshots).where(
            flex_plan_snapshots.c.run_id == run_id,
            flex_plan_snapshots.c.plan_version == version,
            self.mine(flex_plan_snapshots),
        )
        row = self.connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise PlanNotFoundError(data={"runId": run_id, "planVersion": version})
        return row
