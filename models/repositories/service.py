"""Canaries: tasks that do nothing but prove that a queue is being worked on."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from models.repositories.runs import seconds
from models.scope import EVERY_TENANT, Repository
from models.tables import flex_canaries
from models.tables.base import clock

canaries = flex_canaries.c
KEPT_SECONDS = 3600.0


class CanaryRepository(Repository):
    """Canaries of the service; they belong to no tenant."""

    def send(self, queue: str) -> str:
        """Store a canary that a task on `queue` is to finish, and forget old ones."""
        canary_id = uuid.uuid4().hex
        self.connection.execute(delete(flex_canaries).where(canaries.sent_at < clock - seconds(KEPT_SECONDS)))
        self.connection.execute(insert(flex_canaries).values(canary_id=canary_id, tenant_id=EVERY_TENANT, queue=queue))
        return canary_id

    def finish(self, canary_id: str, worker: str) -> None:
        """Mark a canary as finished by `worker`; a second time changes nothing."""
        self.connection.execute(
            update(flex_canaries)
            .where(canaries.canary_id == canary_id, canaries.finished_at.is_(None))
            .values(finished_at=clock, worker=worker)
        )

    def last_finished(self, queue: str) -> tuple[datetime, float] | None:
        """Return when the last canary of `queue` was finished, and its age in seconds."""
        row = self.connection.execute(
            select(
                func.max(canaries.finished_at).label("finished_at"),
                func.extract("epoch", clock - func.max(canaries.finished_at)).label("age"),
            ).where(canaries.queue == queue)
        ).one()
        return None if row.finished_at is None else (row.finished_at, float(row.age))
