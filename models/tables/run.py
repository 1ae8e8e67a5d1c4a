"""Runs and their outputs."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)

from models.tables.base import created, document, metadata, moment, one_of, tenant
from planner.progress.state import RUN_STATUSES

_OPEN = text("status NOT IN ('completed', 'failed', 'cancelled')")

flex_runs = Table(
    "flex_runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    tenant(),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("reason", Text, comment="why it ended or waits; an open vocabulary"),
    Column("waiting_for", Text, comment="one sentence: who or what the run waits for"),
    Column("objective", Text, nullable=False),
    document("envelope"),
    Column("schema_hash", Text),
    document("metadata"),
    Column("client_id", Text),
    Column("thread_id", Text),
    Column("correlation_id", Text, nullable=False),
    Column("plan_version", Integer, nullable=False, server_default="0"),
    Column("epoch", Integer, nullable=False, server_default="1", comment="fences dispatch"),
    Column("last_seq", BigInteger, nullable=False, server_default="0", comment="its row lock is the run's mutex"),
    moment("wake_at"),
    Column("nudges", Integer, nullable=False, server_default="0", comment="wake-ups that nobody has answered yet"),
    Column("planner", Text, comment="the worker that plans"),
    moment("planning_lease_until"),
    Column("planning_attempt", Integer, nullable=False, server_default="0"),
    Column("planning_crashes", Integer, nullable=False, server_default="0"),
    moment("dispatched_at"),
    Column("dispatch_count", Integer, nullable=False, server_default="0"),
    document("replan", nullable=True, comment="why a new version is being planned"),
    document("situation", comment="what planning knows beyond the envelope"),
    Column("final_attempts", Integer, nullable=False, server_default="0", comment="outputs that broke the contract"),
    Column("prompt_tokens", BigInteger, nullable=False, server_default="0"),
    Column("completion_tokens", BigInteger, nullable=False, server_default="0"),
    Column("cost", Float, nullable=False, server_default="0"),
    created(),
    created("updated_at"),
    moment("finished_at"),
    one_of("status", RUN_STATUSES),
    CheckConstraint(
        "wake_at IS NOT NULL OR status IN "
        "('completed', 'failed', 'cancelled', 'paused', 'awaiting_hitl', 'awaiting_human')",
        name="has_a_reason_to_move",
    ),
    Index("ix_flex_runs_wake_at", "wake_at", postgresql_where=_OPEN),
    Index("ix_flex_runs_planner", "planner", postgresql_where=text("status = 'planning'")),
    Index("ix_flex_runs_tenant_id_created_at_run_id", "tenant_id", "created_at", "run_id"),
    Index("ix_flex_runs_tenant_id_status_created_at", "tenant_id", "status", "created_at"),
    Index("ix_flex_runs_tenant_id_client_id_created_at", "tenant_id", "client_id", "created_at"),
    Index("ix_flex_runs_tenant_id_thread_id", "tenant_id", "thread_id"),
)

flex_run_outputs = Table(
    "flex_run_outputs",
    metadata,
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), primary_key=True),
    tenant(),
    Column("plan_version", Integer, nullable=False),
    Column("schema_hash", Text),
    Column("status", Text, nullable=False),
    document("output", nullable=True),
    document("facets"),
    document("provenance"),
    document("goal_condition_results", default="[]"),
    document("post_condition_results", default="[]"),
    created("recorded_at"),
    created("updated_at"),
    one_of("status", ("completed", "failed", "cancelled")),
)
