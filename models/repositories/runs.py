"""Runs: created with their first frame, locked by whoever moves them, found by whoever sweeps."""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, tuple_, update

from models.errors import InvalidRunStateError, RunNotFoundError
from models.events.frames import Draft, timestamp_text
from models.events.log import EventLog
from models.prepared import Prepared
from models.scope import Repository, Source
from models.tables import flex_runs
from models.tables.base import clock
from planner.envelope import TaskEnvelope
from planner.progress.state import TERMINAL
from policies.errors import InvalidInputError, Problem

Item = TypeVar("Item")

NUDGE_SECONDS = 5.0
"""The first pause after an unanswered wake-up; it doubles up to `NUDGE_SECONDS_AT_MOST`."""
NUDGE_SECONDS_AT_MOST = 300.0
SUBMITTED_AT_ONCE = 1000
"""More submissions than are ever under way at once: each has a connection, and a server has no more than hundreds."""
LOCK_SEED = 6_190_347
"""Keeps the locks of those who submit apart from other advisory locks of the database."""

Held = tuple[str, str, int]
"""What a worker holds a lease on: run id, node id, attempt; planning stands under the node id `""`."""


_OWN_ID = re.compile(r"\A[\x21-\x7e]{1,200}\Z")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A part of a list, and where the next part begins."""

    data: list[Item]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One row of `flex_runs`; `usage` is {promptTokens, completionTokens, cost}."""

    run_id: str
    tenant_id: str
    status: str
    reason: str | None
    waiting_for: str | None
    objective: str
    envelope: Mapping[str, Any]
    schema_hash: str | None
    metadata: Mapping[str, Any]
    client_id: str | None
    thread_id: str | None
    correlation_id: str
    plan_version: int
    epoch: int
    last_seq: int
    wake_at: datetime | None
    nudges: int
    planner: str | None
    planning_lease_until: datetime | None
    planning_attempt: int
    planning_crashes: int
    dispatched_at: datetime | None
    dispatch_count: int
    replan: Mapping[str, Any] | None
    situation: Mapping[str, Any]
    final_attempts: int
    prompt_tokens: int
    completion_tokens: int
    cost: float
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    now: datetime | None = field(default=None, compare=False)

    @property
    def seen_at(self) -> datetime:
        """Return the database's clock at the moment when the run was read, to be moved."""
        if self.now is None:
            raise LookupError("the run was read without the clock")
        return self.now

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def usage(self) -> dict[str, Any]:
        return {
            "promptTokens": self.prompt_tokens,
            "completionTokens": self.completion_tokens,
            "cost": round(self.cost, 8),
        }

    def summary(self) -> dict[str, Any]:
        """Return the run as lists and replies show it."""
        body: dict[str, Any] = {"runId": self.run_id, "status": self.status}
        if self.reason:
            body["reason"] = self.reason
        if self.waiting_for and not self.terminal:
            body["waitingFor"] = self.waiting_for
        return {
            **body,
            "planVersion": self.plan_version,
            "objective": self.objective,
            "createdAt": timestamp_text(self.created_at),
            "updatedAt": timestamp_text(self.updated_at),
        }


class Due(NamedTuple):
    """A run whose wake-up was due; `nudges` are those that nobody has answered, this one included."""

    run_id: str
    nudges: int
    correlation_id: str


class RunRepository(Repository):
    """Runs of one tenant."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def create(
        self,
        *,
        envelope: TaskEnvelope,
        correlation_id: str,
        client_id: str | None = None,
        run_id: str | None = None,
    ) -> Run:
        """Store a pending run and its `start` frame; it wakes by itself if nobody is told."""
        run_id = run_id or f"flex_{uuid.uuid4().hex}"
        created = self.connection.execute(
            insert(flex_runs)
            .values(
                run_id=run_id,
                tenant_id=self.owner,
                objective=envelope.objective,
                envelope=dict(envelope.raw),
                schema_hash=envelope.output_contract.schema_hash,
                metadata=dict(envelope.metadata),
                client_id=client_id or envelope.metadata.get("clientId"),
                thread_id=envelope.thread_id,
                correlation_id=correlation_id,
                wake_at=clock + seconds(NUDGE_SECONDS),
                waiting_for="a worker to plan it",
            )
            .returning(*STATUS_COLUMNS, clock.label("now"))
        )
        self._log.note_status(run_id, created.one())
        payload = {"runId": run_id, "threadId": envelope.thread_id, "correlationId": correlation_id}
        self._log.append(run_id, Draft("start", payload))
        return self.get(run_id)

    def get(self, run_id: str) -> Run:
        """Return the run. Raises RunNotFoundError, also for another tenant's run."""
        row = self.connection.execute(select(flex_runs).where(flex_runs.c.run_id == run_id, self.mine(flex_runs)))
        return _one(row.mappings().one_or_none(), run_id)

    def lock(self, run_id: str) -> Run:
        """Return the run and hold its lock until the transaction ends; `now` is the database's clock."""
        run = _one(_LOCK.one(self.connection, run_id=run_id, tenant=self.tenant_id), run_id)
        self._log.know_status(run_id, run.status)
        return run

    def change(self, run_id: str, **values: Any) -> None:
        """Set columns of a run whose lock is held."""
        statement = (
            update(flex_runs)
            .where(flex_runs.c.run_id == run_id, self.mine(flex_runs))
            .values(updated_at=clock, **values)
        )
        if "status" not in values:
            self.connection.execute(statement)
            return
        changed = self.connection.execute(statement.returning(*STATUS_COLUMNS, clock.label("now"))).one_or_none()
        if changed is not None:
            self._log.note_status(run_id, changed)

    def wake(self, run_id: str) -> None:
        """Let the next sweep look at a run."""
        self.change(run_id, wake_at=clock, nudges=0)

    def list(
        self,
        *,
        status: str | None = None,
        q: str | None = None,
        client: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Run]:
        """Return runs, newest first; `q` is looked for in the objective. Raises InvalidInputError for a bad cursor."""
        conditions: list[ColumnElement[bool]] = [self.mine(flex_runs)]
        if status:
            conditions.append(flex_runs.c.status == status)
        if q:
            conditions.append(flex_runs.c.objective.icontains(q, autoescape=True))
        if client:
            conditions.append(flex_runs.c.client_id == client)
        if since:
            conditions.append(flex_runs.c.created_at >= since)
        if cursor:
            conditions.append(tuple_(flex_runs.c.created_at, flex_runs.c.run_id) < tuple_(*_position(cursor)))
        statement = (
            select(flex_runs)
            .where(*conditions)
            .order_by(flex_runs.c.created_at.desc(), flex_runs.c.run_id.desc())
            .limit(limit + 1)
        )
        runs = [Run(**row) for row in self.connection.execute(statement).mappings()]
        more = len(runs) > limit
        return Page(runs[:limit], _cursor(runs[limit - 1]) if more else None)

    def cancel(self, run_id: str, *, operator: Mapping[str, Any] | None = None, note: str | None = None) -> Run:
        """Store the intent to cancel; the run loop ends the run. Repeating it changes nothing.

        Raises InvalidRunStateError for a run that has ended otherwise.
        """
        run = self.lock(run_id)
        if run.status in {"cancelling", "cancelled"}:
            return run
        if run.terminal:
            raise InvalidRunStateError(
                f"The run has {run.status}; it cannot be cancelled.", data={"status": run.status}
            )
        self.change(
            run_id,
            status="cancelling",
            reason="cancelled",
            waiting_for="its running work to stop",
            epoch=flex_runs.c.epoch + 1,
            wake_at=clock,
            nudges=0,
            metadata={**run.metadata, "cancel": {"operator": dict(operator or {}), "note": note}},
        )
        return self.get(run_id)

    def count_waiting(self, limit: int) -> int:
        """Return how many runs wait for a planner; counting stops at `limit`.

        Near the limit the tenant's submissions take turns from here to their ends, so that no two of them count the
        same place as free. Far below it nobody waits for another.
        """
        waiting = self._waiting(limit)
        if limit - SUBMITTED_AT_ONCE < waiting < limit:
            self.connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(self.owner, LOCK_SEED))))
            waiting = self._waiting(limit)
        return waiting

    def _waiting(self, at_most: int) -> int:
        waiting = (
            select(flex_runs.c.run_id)
            .where(flex_runs.c.status == "pending", self.mine(flex_runs))
            .limit(at_most)
            .subquery()
        )
        return int(self.connection.execute(select(func.count()).select_from(waiting)).scalar_one())

    def last_seqs(self, run_ids: Iterable[str]) -> dict[str, int]:
        """Return the number of the last frame of each of these runs."""
        statement = select(flex_runs.c.run_id, flex_runs.c.last_seq).where(
            flex_runs.c.run_id.in_(list(run_ids)), self.mine(flex_runs)
        )
        return {row.run_id: row.last_seq for row in self.connection.execute(statement)}

    def due(self, limit: int = 200) -> Sequence[Due]:
        """Return runs whose wake-up is due, and move their next wake-up on."""
        picked = (
            select(flex_runs.c.run_id)
            .where(flex_runs.c.wake_at <= clock, flex_runs.c.status.not_in(tuple(TERMINAL)))
            .order_by(flex_runs.c.wake_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("picked")
        )
        # A run that nobody has moved for days must not count to where the power overflows, which would stop the sweep.
        pause = func.least(NUDGE_SECONDS * func.power(2.0, func.least(flex_runs.c.nudges, 16)), NUDGE_SECONDS_AT_MOST)
        statement = (
            update(flex_runs)
            .where(flex_runs.c.run_id == picked.c.run_id)
            .values(wake_at=clock + func.make_interval(0, 0, 0, 0, 0, 0, pause), nudges=flex_runs.c.nudges + 1)
            .returning(flex_runs.c.run_id, flex_runs.c.nudges, flex_runs.c.correlation_id)
        )
        return [Due(*row) for row in self.connection.execute(statement)]


_LOCK = Prepared(
    "lock_run",
    "SELECT "  # noqa: S608 - the names of the table's own columns
    + ", ".join(column.name for column in flex_runs.c)
    + """, clock_timestamp() AS now
      FROM flex_runs
     WHERE run_id = %(run_id)s AND (CAST(%(tenant)s AS text) IS NULL OR tenant_id = %(tenant)s)
       FOR UPDATE
    """,
)

STATUS_COLUMNS = (
    flex_runs.c.tenant_id,
    flex_runs.c.correlation_id,
    flex_runs.c.plan_version,
    flex_runs.c.status,
    flex_runs.c.reason,
    flex_runs.c.created_at,
)
"""What is told of a run that has another status."""


def seconds(amount: float) -> ColumnElement[Any]:
    """Return an interval for arithmetic with the database's clock."""
    return func.make_interval(0, 0, 0, 0, 0, 0, amount)


def _one(row: Mapping[str, Any] | RowMapping | None, run_id: str) -> Run:
    if row is None:
        raise RunNotFoundError(data={"runId": run_id})
    return Run(**row)


def _cursor(run: Run) -> str:
    text = json.dumps([run.created_at.isoformat(), run.run_id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[datetime, str]:
    try:
        moment, text = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        (run_id,) = _OWN_ID.findall(text)
        return datetime.fromisoformat(moment).astimezone(UTC), run_id
    except (ValueError, TypeError, OverflowError, binascii.Error) as error:
        problem = Problem("/cursor", "is not a cursor of this list; leave it out to start at the newest run", "cursor")
        raise InvalidInputError([problem]) from error
