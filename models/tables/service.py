"""What the service keeps for itself: timers, and the canaries that prove the workers alive."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, Text, text

from models.tables.base import created, document, metadata, moment, tenant

flex_timers = Table(
    "flex_timers",
    metadata,
    Column("timer_id", Text, primary_key=True),
    tenant(),
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("node_id", Text),
    Column("kind", Text, nullable=False),
    moment("due_at", nullable=False),
    document("payload"),
    moment("fired_at"),
    created(),
    Index("ix_flex_timers_due_at", "due_at", postgresql_where=text("fired_at IS NULL")),
)

flex_canaries = Table(
    "flex_canaries",
    metadata,
    Column("canary_id", Text, primary_key=True),
    tenant(),
    Column("queue", Text, nullable=False),
    created("sent_at"),
    moment("finished_at"),
    Column("worker", Text),
    Index("ix_flex_canaries_queue_finished_at", "queue", "finished_at"),
)
