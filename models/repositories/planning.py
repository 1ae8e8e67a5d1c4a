"""The planning of runs: asked for, leased to one worker at a time, and asked for anew when a plan will not do."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, case, literal, or_, tuple_, update

from models.errors import InvalidRunStateError
from models.events.log import EventLog
from models.repositories.runs import STATUS_COLUMNS, Held, Run, seconds
from models.scope import Repository, Source
from models.tables import flex_runs
from models.tables.base import clock
from planner.progress.replanning import Replanning

runs = flex_runs.c


class PlanningRepository(Repository):
    """Leases on the planning of one tenant's runs. A run in status `planning` is planned, whatever version it is at."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def claim(self, run_id: str, epoch: int, worker: str, lease_seconds: float) -> Run | None:
        """Take the lease on planning a run; None when it is not to be planned or somebody else plans it."""
        free = or_(runs.planning_lease_until.is_(None), runs.planning_lease_until <= clock)
        claimed = self.connection.execute(
            update(flex_runs)
            .where(
                runs.run_id == run_id,
                runs.epoch == epoch,
                or_(runs.status == "pending", and_(runs.status == "planning", free)),
            )
            .values(
                status="planning",
                planner=worker,
                planning_attempt=runs.planning_attempt + 1,
                # A lease that somebody let run out counts against the run: it may be what kills its planners.
                planning_crashes=runs.planning_crashes + case((runs.planning_lease_until.is_(None), 0), else_=1),
                planning_lease_until=clock + seconds(lease_seconds),
                wake_at=clock + seconds(lease_seconds),
                waiting_for="the planner",
                nudges=0,
                dispatched_at=None,
                dispatch_count=0,
                updated_at=clock,
            )
            .returning(*runs, clock.label("now"))
        ).one_or_none()
        if claimed is None:
            return None
        first = claimed.planning_attempt == 1 and claimed.replan is None
        self._log.know_status(run_id, "pending" if first else "planning")
        self._log.note_status(run_id, claimed)
        return Run(**claimed._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    def extend(self, worker: str, lease_seconds: float, held: Collection[Held]) -> set[Held]:
        """Extend those planning leases of `worker` that it says it works on; return those still held."""
        key = tuple_(runs.run_id, literal(""), runs.planning_attempt)
        statement = (
            update(flex_runs)
            .where(runs.planner == worker, runs.status == "planning", key.in_(list(held)))
            .values(planning_lease_until=clock + seconds(lease_seconds))
            .returning(runs.run_id, runs.planning_attempt)
        )
        return {(row.run_id, "", row.planning_attempt) for row in self.connection.execute(statement)}

    def request(self, run: Run, why: Replanning) -> bool:
        """Have a run planned anew because somebody from outside asks; False when it is being planned anyway.

        The run's lock is held. Raises InvalidRunStateError for a run that has ended, or that is not to move.
        """
        if run.status in {"pending", "planning"}:
            return False
        if not self.ask_again(run.run_id, why):
            message = f"The run is {run.status}; only one that moves or waits for a person can be planned anew."
            raise InvalidRunStateError(message, data={"runId": run.run_id, "status": run.status})
        return True

    def ask_again(self, run_id: str, why: Replanning) -> bool:
        """Have a run planned anew whose lock is held; nothing of it is dispatched until that is done.

        False for a run that does not move, or that is planned anew already: whoever stores that version looks again.
        """
        changed = self.connection.execute(
            update(flex_runs)
            .where(runs.run_id == run_id, runs.status.in_(("running", "awaiting_hitl", "awaiting_human")))
            .values(
                status="planning",
                replan=why.as_json(),
                epoch=runs.epoch + 1,
                planner=None,
                planning_lease_until=None,
                planning_crashes=0,
                dispatched_at=None,
                dispatch_count=0,
                wake_at=clock,
                waiting_for="a worker to plan it anew",
                nudges=0,
                updated_at=clock,
            )
            .returning(*STATUS_COLUMNS, clock.label("now"))
        ).one_or_none()
        if changed is not None:
            self._log.note_status(run_id, changed)
        return changed is not None
