"""The one writer of a run's log: it takes the run's lock, numbers the frames and stores them.

`reserve` is always the first statement of a transaction that changes a run. The row lock that its UPDATE takes is the
run's mutex for every writer, taken before any node's row, so that writers of one run queue up and never deadlock, and
the numbers are assigned in the order in which the facts become true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, case, func, insert, literal, select, update

from models.database import dumps
from models.events.frames import Draft, Frame
from models.prepared import Prepared
from models.scope import Repository, Source
from models.tables import flex_events, flex_runs
from models.tables.base import clock
from models.telemetry.facts import NodeEnd, StatusChange

_RECORD = Prepared(
    "record",
    """
    WITH run AS (
        UPDATE flex_runs
           SET last_seq = last_seq + %(count)s, updated_at = clock_timestamp(), nudges = 0,
               wake_at = least(wake_at, clock_timestamp() + make_interval(secs => %(wake_within)s)),
               prompt_tokens = prompt_tokens + %(prompt_tokens)s,
               completion_tokens = completion_tokens + %(completion_tokens)s, cost = cost + %(cost)s
         WHERE run_id = %(run_id)s
        RETURNING run_id, tenant_id, plan_version, correlation_id, last_seq
    )
    INSERT INTO flex_events
           (run_id, seq, tenant_id, type, node_id, plan_version, correlation_id, message, payload, facet_provenance,
            timestamp)
    SELECT run.run_id, run.last_seq - %(count)s + row_number() OVER (), run.tenant_id, draft.type, draft.node_id,
           coalesce(draft.plan_version, run.plan_version), run.correlation_id, draft.message, draft.payload,
           draft.facet_provenance, CAST(%(at)s AS timestamptz)
      FROM run, json_to_recordset(CAST(%(drafts)s AS json)) AS draft (
               type text, node_id text, plan_version integer, message text, payload json, facet_provenance json
           )
    RETURNING seq, tenant_id, plan_version, correlation_id
    """,
)
"""What `EventLog.record` does."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The run as its lock holder sees it, with `count` numbers reserved that end at `last_seq`."""

    run_id: str
    tenant_id: str
    status: str
    epoch: int
    plan_version: int
    correlation_id: str
    last_seq: int
    count: int
    now: datetime


class EventLog(Repository):
    """Frames of runs, by run and number.

    `written` are those of this transaction, `moved` its changes of status, `ended` its nodes that ended without a
    frame.
    """

    def __init__(self, connection: Source, tenant_id: str | None) -> None:
        super().__init__(connection, tenant_id)
        self.written: list[Frame] = []
        self.moved: list[StatusChange] = []
        self.ended: list[NodeEnd] = []
        self._status: dict[str, str] = {}

    def reserve(
        self,
        run_id: str,
        count: int,
        *,
        when: ColumnElement[bool] | None = None,
        more: tuple[ColumnElement[bool], int] | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> Reservation | None:
        """Lock the run and reserve `count` numbers; `changes` are further columns to set on the run.

        With `when`, nothing happens and None is returned unless it holds. With `more = (condition, extra)`, that many
        further numbers are reserved if the condition holds at this moment.
        """
        total: ColumnElement[int] = literal(count, Integer)
        if more is not None:
            total = total + case((more[0], more[1]), else_=0)
        statement = (
            update(flex_runs)
            .where(flex_runs.c.run_id == run_id, self.mine(flex_runs))
            .values(last_seq=flex_runs.c.last_seq + total, updated_at=clock, **(changes or {}))
            .returning(
                flex_runs.c.tenant_id,
                flex_runs.c.status,
                flex_runs.c.epoch,
                flex_runs.c.plan_version,
                flex_runs.c.correlation_id,
                flex_runs.c.last_seq,
                flex_runs.c.reason,
                flex_runs.c.created_at,
                total.label("reserved"),
                clock.label("now"),
            )
        )
        if when is not None:
            statement = statement.where(when)
        row = self.connection.execute(statement).one_or_none()
        if row is None:
            return None
        if changes and "status" in changes:
            self.note_status(run_id, row)
        return Reservation(
            run_id,
            row.tenant_id,
            row.status,
            row.epoch,
            row.plan_version,
            row.correlation_id,
            row.last_seq,
            row.reserved,
            row.now,
        )

    def know_status(self, run_id: str, status: str) -> None:
        """Remember which status a run had when its lock was taken."""
        self._status[run_id] = status

    def note_status(self, run_id: str, row: Any) -> None:
        """Note the status that a run has now, by its row and the clock, unless it is the one that it had before."""
        previous = self._status.get(run_id)
        self._status[run_id] = row.status
        if previous == row.status:
            return
        self.moved.append(
            StatusChange(
                run_id=run_id,
                tenant_id=row.tenant_id,
                correlation_id=row.correlation_id,
                plan_version=row.plan_version,
                status=row.status,
                previous=previous,
                reason=row.reason,
                age_ms=(row.now - row.created_at).total_seconds() * 1000,
                at=row.now,
            )
        )

    def write(self, held: Reservation, drafts: Sequence[Draft]) -> list[Frame]:
        """Store exactly as many frames as were reserved; they are published when the transaction has committed."""
        if len(drafts) != held.count:
            raise ValueError(f"{held.count} numbers were reserved and {len(drafts)} frames came")
        if not drafts:
            return []
        first = held.last_seq - held.count + 1
        frames = [
            Frame(
                run_id=held.run_id,
                seq=first + offset,
                type=draft.type,
                timestamp=held.now,
                correlation_id=held.correlation_id,
                plan_version=held.plan_version if draft.plan_version is None else draft.plan_version,
                tenant_id=held.tenant_id,
                node_id=draft.node_id,
                message=draft.message,
                payload=draft.stamped(held.now),
                facet_provenance=draft.facet_provenance,
            )
            for offset, draft in enumerate(drafts)
        ]
        self.connection.execute(insert(flex_events), [_row(frame) for frame in frames])
        self.written.extend(frames)
        return frames

    def append(self, run_id: str, *drafts: Draft, changes: Mapping[str, Any] | None = None) -> list[Frame]:
        """Lock the run, number the frames and store them. Raises LookupError for a run that is not there."""
        held = self.reserve(run_id, len(drafts), changes=changes)
        if held is None:
            raise LookupError(run_id)
        return self.write(held, drafts)

    def record(
        self, run_id: str, drafts: Sequence[Draft], *, at: datetime, wake_within: float, usage: Mapping[str, Any]
    ) -> None:
        """Store frames of a run whose lock is held and number them, in one round trip.

        `at` is the database's clock; the next wake-up is at most `wake_within` seconds away; `usage` is added to what
        the run has consumed.
        """
        told = [
            {
                "type": draft.type,
                "node_id": draft.node_id,
                "plan_version": draft.plan_version,
                "message": draft.message,
                "payload": draft.stamped(at),
                "facet_provenance": draft.facet_provenance,
            }
            for draft in drafts
        ]
        given = {
            "run_id": run_id,
            "count": len(told),
            "at": at,
            "wake_within": wake_within,
            "prompt_tokens": usage.get("promptTokens", 0),
            "completion_tokens": usage.get("completionTokens", 0),
            "cost": usage.get("cost", 0.0),
            "drafts": dumps(told),
        }
        rows = _RECORD.run(self.connection, **given)
        for row, frame in zip(rows, told, strict=True):
            self.written.append(Frame(run_id=run_id, timestamp=at, **{**frame, **row}))

    def note_written(self, run_id: str, drafts: Sequence[Draft], row: Mapping[str, Any]) -> None:
        """Note frames that a statement of its own has stored, numbered up to `o_last_seq`, at `o_at`."""
        first = row["o_last_seq"] - len(drafts) + 1
        self.written.extend(
            Frame(
                run_id=run_id,
                seq=first + offset,
                type=draft.type,
                timestamp=row["o_at"],
                correlation_id=row["o_correlation_id"],
                plan_version=row["plan_version"],
                tenant_id=row["o_tenant_id"],
                node_id=draft.node_id,
                payload=draft.stamped(row["o_at"]),
                facet_provenance=draft.facet_provenance,
            )
            for offset, draft in enumerate(drafts)
        )

    def page(self, run_id: str, *, after: int = 0, limit: int = 500, types: Sequence[str] | None = None) -> list[Frame]:
        """Return up to `limit` frames behind number `after`, in order; `types` keeps only those."""
        statement = (
            select(flex_events)
            .where(flex_events.c.run_id == run_id, flex_events.c.seq > after, self.mine(flex_events))
            .order_by(flex_events.c.seq)
            .limit(limit)
        )
        if types:
            statement = statement.where(flex_events.c.type.in_(types))
        return [Frame(**row._mapping) for row in self.connection.execute(statement)]  # noqa: SLF001 - SQLAlchemy's public name

    def now(self) -> datetime:
        """Return the database's clock."""
        found: datetime = self.connection.execute(select(clock)).scalar_one()
        return found

    def recent(self, within: float) -> dict[str, int]:
        """Return the runs with a frame within the last seconds, each with the number of its first one since."""
        since = clock - func.make_interval(0, 0, 0, 0, 0, 0, within)
        statement = (
            select(flex_events.c.run_id, func.min(flex_events.c.seq).label("first"))
            .where(flex_events.c.timestamp > since, self.mine(flex_events))
            .group_by(flex_events.c.run_id)
        )
        return {row.run_id: row.first for row in self.connection.execute(statement)}


def _row(frame: Frame) -> dict[str, object]:
    return {
        "run_id": frame.run_id,
        "seq": frame.seq,
        "type": frame.type,
        "timestamp": frame.timestamp,
        "correlation_id": frame.correlation_id,
        "plan_version": frame.plan_version,
        "tenant_id": frame.tenant_id,
        "node_id": frame.node_id,
        "message": frame.message,
        "payload": frame.payload,
        "facet_provenance": frame.facet_provenance,
    }
