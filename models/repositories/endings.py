"""The end of a run, in one statement: its questions are closed, its result is kept, its last frame is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from models.database import dumps
from models.events.frames import Draft
from models.events.log import EventLog
from models.prepared import Prepared
from models.repositories.runs import Run
from models.scope import Repository, Source


@dataclass(frozen=True, slots=True)
class Final:
    """A result as it is kept: `output` in the caller's form, `facets` by name, `provenance` by node."""

    output: Any
    facets: Mapping[str, Any]
    provenance: Mapping[str, Any]


class _Ended(NamedTuple):
    tenant_id: str
    correlation_id: str
    plan_version: int
    status: str
    reason: str | None
    created_at: datetime
    now: datetime


class EndingRepository(Repository):
    """Ends of one tenant's runs."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def end(
        self,
        run: Run,
        *,
        status: str,
        reason: str | None,
        told: Draft,
        final: Final | None,
        row_version: str | None = None,
    ) -> bool:
        """End a run; `told` is its `complete`, `final` the result, in place of an earlier one.

        What is still on its way under the old epoch finds itself stale, unless the run has come to its natural end.
        The run's lock is held; or `row_version` tells as what the run was seen, and nothing happens and False is
        returned when it has changed since.
        """
        row = _END.one(
            self.connection,
            run_id=run.run_id,
            status=status,
            reason=reason,
            raised=0 if status == "completed" else 1,
            payload=dumps(told.payload),
            keeps=final is not None,
            output=None if final is None or final.output is None else dumps(final.output),
            facets=None if final is None else dumps(final.facets),
            provenance=None if final is None else dumps(final.provenance),
            row_version=row_version,
        )
        if row is None:
            if row_version is None:
                raise LookupError(run.run_id)
            return False
        known = {"o_tenant_id": run.tenant_id, "o_correlation_id": run.correlation_id}
        stored = {"o_last_seq": row["seq"], "o_at": row["timestamp"], "plan_version": row["plan_version"]}
        self._log.note_written(run.run_id, [told], {**known, **stored})
        ended = _Ended(
            tenant_id=run.tenant_id,
            correlation_id=run.correlation_id,
            plan_version=row["plan_version"],
            status=status,
            reason=reason,
            created_at=run.created_at,
            now=row["timestamp"],
        )
        self._log.note_status(run.run_id, ended)
        return True


_END = Prepared(
    "end_run",
    """
    WITH run AS (
        UPDATE flex_runs
           SET status = %(status)s, reason = %(reason)s, waiting_for = NULL, wake_at = NULL, planner = NULL,
               planning_lease_until = NULL, epoch = epoch + %(raised)s, last_seq = last_seq + 1,
               finished_at = clock_timestamp(), updated_at = clock_timestamp()
         WHERE run_id = %(run_id)s AND xmin = coalesce(CAST(%(row_version)s AS xid), xmin)
        RETURNING *
    ), closed AS (
        UPDATE hitl_requests SET status = 'cancelled', updated_at = clock_timestamp()
         WHERE run_id = (SELECT run_id FROM run) AND status IN ('pending', 'waiting')
    ), kept AS (
        INSERT INTO flex_run_outputs
               (run_id, tenant_id, plan_version, schema_hash, status, output, facets, provenance)
        SELECT run_id, tenant_id, plan_version, schema_hash, status,
               CAST(%(output)s AS json), CAST(%(facets)s AS json), CAST(%(provenance)s AS json)
          FROM run WHERE CAST(%(keeps)s AS boolean)
            ON CONFLICT (run_id) DO UPDATE
           SET plan_version = excluded.plan_version, schema_hash = excluded.schema_hash, status = excluded.status,
               output = excluded.output, facets = excluded.facets, provenance = excluded.provenance,
               updated_at = clock_timestamp()
    )
    INSERT INTO flex_events (run_id, seq, tenant_id, type, plan_version, correlation_id, payload, timestamp)
    SELECT run_id, last_seq, tenant_id, 'complete', plan_version, correlation_id, CAST(%(payload)s AS json), finished_at
      FROM run
    RETURNING seq, timestamp, plan_version
    """,
)
