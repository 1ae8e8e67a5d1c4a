"""Drafts of plans that a model proposed: what was asked, what came back, and what was wrong with it."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, Table, Text

from models.tables.base import created, document, metadata, one_of, tenant

PHASES = ("initial", "replan")
OUTCOMES = ("accepted", "refused", "too_costly", "failed")

flex_plan_drafts = Table(
    "flex_plan_drafts",
    metadata,
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("planning_attempt", Integer, primary_key=True, comment="which planning of the run asked"),
    Column("attempt", Integer, primary_key=True, comment="1, 2, 3 within that planning"),
    tenant(),
    Column("phase", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("model", Text),
    document("draft", nullable=True),
    document("diagnostics", default="[]"),
    document("prompt_sizes"),
    document("usage"),
    Column("duration_ms", Float, nullable=False),
    created(),
    one_of("phase", PHASES),
    one_of("outcome", OUTCOMES),
    Index("ix_flex_plan_drafts_tenant_id", "tenant_id"),
    comment="one row per attempt, also where nothing came back",
)
