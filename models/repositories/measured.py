"""How capabilities have done lately: calls, failures, seconds, read from the nodes of a tenant's last runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Float, Integer, Select, and_, case, cast, func, select, true

from models.scope import Repository
from models.tables import flex_plan_nodes, flex_runs
from models.tables.base import clock
from planner.assembly.scoring import Measured

LAST_RUNS = 500
LAST_DAYS = 14
KEPT_SECONDS = 30.0
"""How long a process uses what it has read: planning asks each time, and a few runs more or less change little."""

nodes = flex_plan_nodes.c
runs = flex_runs.c


class _Kept:
    """What this process has read lately, by tenant; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[str | None, tuple[float, Mapping[str, Measured]]] = {}

    def get(self, tenant_id: str | None) -> Mapping[str, Measured] | None:
        with self._lock:
            until, found = self._found.get(tenant_id, (0.0, {}))
            return found if until > time.monotonic() else None

    def put(self, tenant_id: str | None, found: Mapping[str, Measured]) -> None:
        with self._lock:
            self._found[tenant_id] = (time.monotonic() + KEPT_SECONDS, found)

    def forget(self) -> None:
        with self._lock:
            self._found.clear()


_kept = _Kept()


class MeasuredRepository(Repository):
    """What has been measured of capabilities in one tenant's runs."""

    def snapshot(self, *, fresh: bool = False) -> Mapping[str, Measured]:
        """Return what is known by capability, from the last runs of the last days, at most half a minute old.

        A call is an attempt at a node; one that a lost worker cut short is none, since that was not the capability's
        fault. A node that went on to an alternative counts as one failed call of the planned capability, and says
        nothing of the alternative. The seconds are the median over the calls that gave an accepted output.
        """
        known = None if fresh else _kept.get(self.tenant_id)
        if known is None:
            known = self._read()
            _kept.put(self.tenant_id, known)
        return known

    def _read(self) -> dict[str, Measured]:
        return {
            row.capability_id: Measured(
                calls=row.calls,
                failures=row.calls - row.successes,
                seconds=None if row.median_ms is None else row.median_ms / 1000,
            )
            for row in self.connection.execute(self.statement())
        }

    def statement(self) -> Select[Any]:
        """Return the query; both tables are read by the indexes that they have for other reasons."""
        recent = (
            select(runs.run_id)
            .where(self.mine(flex_runs), runs.created_at > clock - timedelta(days=LAST_DAYS))
            .order_by(runs.created_at.desc())
            .limit(LAST_RUNS)
            .cte("recent")
        )
        # A lateral with an offset is joined run by run, by the primary key, however many other nodes there are.
        found = (
            select(nodes.capability_id, nodes.attempt, nodes.crashes, nodes.candidate, nodes.duration_ms)
            .where(
                nodes.run_id == recent.c.run_id,
                nodes.capability_id.is_not(None),
                nodes.attempt > 0,
                nodes.status.not_in(("running", "cancelled")),
            )
            .offset(0)
            .lateral("calls")
        )
        calls = found.c
        planned = calls.candidate == 0
        # Only an agent's accepted output sets the duration; one that a person gave leaves it empty.
        success = cast(and_(planned, calls.duration_ms.is_not(None)), Integer)
        number = func.sum(case((planned, func.greatest(calls.attempt - calls.crashes, success)), else_=1))
        median = func.percentile_cont(0.5).within_group(calls.duration_ms).filter(planned)
        return (
            select(
                calls.capability_id,
                number.label("calls"),
                func.sum(success).label("successes"),
                cast(median, Float).label("median_ms"),
            )
            .select_from(recent.join(found, true()))
            .group_by(calls.capability_id)
            .having(number > 0)
        )
