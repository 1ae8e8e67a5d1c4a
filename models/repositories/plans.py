"""Plan versions: stored once, read from memory ever after, since they never change."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import insert, select

from models.errors import PlanNotFoundError
from models.events.frames import timestamp_text
from models.prepared import Prepared
from models.repositories.runs import Run
from models.scope import Repository
from models.tables import flex_plan_snapshots
from planner.assembly.reachability import REASONS
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
        self._newest: dict[tuple[str | None, str], int] = {}
        self._lock = threading.Lock()

    def get(self, key: _Key) -> StoredPlan | None:
        with self._lock:
            return self._find(key)

    def newest(self, tenant_id: str | None, run_id: str) -> StoredPlan | None:
        """Return the newest version of a run's plan that is remembered."""
        with self._lock:
            version = self._newest.get((tenant_id, run_id))
            return None if version is None else self._find((tenant_id, run_id, version))

    def put(self, key: _Key, plan: StoredPlan) -> None:
        tenant_id, run_id, version = key
        with self._lock:
            self._plans[key] = plan
            self._newest[tenant_id, run_id] = max(version, self._newest.get((tenant_id, run_id), 0))
            if len(self._plans) > _KEPT:
                forgotten, _ = self._plans.popitem(last=False)
                if self._newest.get(forgotten[:2]) == forgotten[2]:
                    del self._newest[forgotten[:2]]

    def _find(self, key: _Key) -> StoredPlan | None:
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
        return found


_recent = _Recent()


@lru_cache(maxsize=128)
def _graph(text: str) -> PlanGraph:
    """Return the plan of a stored text: many runs have the very same, which is read once.

    The hash of a plan tells less than its text: it leaves out the version, and what does not change the way it runs.
    """
    return plan_from_json(json.loads(text))


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
                **_reach(plan),
            )
        )

    def stored(self, run_id: str, version: int) -> StoredPlan:
        """Return a version as a value. Raises PlanNotFoundError."""
        found = _recent.get((self.tenant_id, run_id, version))
        return self.remember(run_id, **self._row(run_id, version)) if found is None else found

    def latest(self, run_id: str) -> StoredPlan | None:
        """Return the version that is in force as far as this process knows, None for a run without a plan.

        A newer one may have taken over since this one was remembered: whoever acts on it says which version it means.
        """
        found = self.known(run_id)
        if found is None:
            row = _IN_FORCE.one(self.connection, run_id=run_id, tenant=self.tenant_id)
            found = None if row is None else self.remember(run_id, **row)
        return found

    def known(self, run_id: str) -> StoredPlan | None:
        """Return the newest version that this process remembers."""
        return _recent.newest(self.tenant_id, run_id)

    def remember(self, run_id: str, snapshot: str, intake: Mapping[str, Any]) -> StoredPlan:
        """Keep a version that was read, its snapshot as the text that is stored, and return it as a value."""
        plan = StoredPlan(_graph(snapshot), intake)
        _recent.put((self.tenant_id, run_id, plan.plan.version), plan)
        return plan

    def get(self, run_id: str, version: int) -> dict[str, Any]:
        """Return a version as JSON. Raises PlanNotFoundError."""
        snapshot: dict[str, Any] = json.loads(self._row(run_id, version)["snapshot"])
        return snapshot

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

    def _row(self, run_id: str, version: int) -> Mapping[str, Any]:
        row = _VERSION.one(self.connection, run_id=run_id, plan_version=version, tenant=self.tenant_id)
        if row is None:
            raise PlanNotFoundError(data={"runId": run_id, "planVersion": version})
        return row


def _reach(plan: PlanGraph) -> dict[str, int | None]:
    """Return what is counted of the reachable set that the plan was searched in; nothing where it was given."""
    told = plan.metadata.get("crcs")
    if told is None:
        return {}
    reasons = {f"crcs_{reason}": told["reasonCounts"].get(reason) for reason in REASONS}
    return {
        "crcs_rows": told["totalRows"],
        "crcs_row_cap": told["rowCap"],
        "crcs_mrcs": told["mrcsSize"],
        "crcs_missing_pinned": told["missingPinnedCapabilities"],
        **reasons,
    }


_VERSION = Prepared(
    "plan_version",
    """
    SELECT CAST(snapshot AS text) AS snapshot, intake FROM flex_plan_snapshots
     WHERE run_id = %(run_id)s AND plan_version = %(plan_version)s
       AND (CAST(%(tenant)s AS text) IS NULL OR tenant_id = %(tenant)s)
    """,
)

_IN_FORCE = Prepared(
    "plan_in_force",
    """
    SELECT CAST(plan.snapshot AS text) AS snapshot, plan.intake
      FROM flex_runs AS run JOIN flex_plan_snapshots AS plan USING (run_id, plan_version)
     WHERE run_id = %(run_id)s AND (CAST(%(tenant)s AS text) IS NULL OR run.tenant_id = %(tenant)s)
    """,
)
