"""Questions to people, and what they answered."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from models.tables.base import created, document, metadata, moment, one_of, tenant

hitl_requests = Table(
    "hitl_requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    tenant(),
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), nullable=False),
    Column("node_id", Text),
    Column("thread_id", Text),
    Column("kind", Text, nullable=False),
    Column("purpose", Text, nullable=False, comment="what an answer leads to"),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("origin_agent", Text),
    document("payload"),
    Column("operator_prompt", Text),
    document("contract_summary"),
    Column("denial_reason", Text),
    Column("plan_version", Integer, nullable=False),
    Column("resolved_by", Text),
    Column("note", Text),
    moment("expires_at"),
    moment("resolved_at"),
    created(),
    created("updated_at"),
    one_of("kind", ("approval", "clarify")),
    one_of("purpose", ("output", "clarify", "approval", "final_output", "fallback")),
    one_of("status", ("pending", "waiting", "resolved", "denied", "cancelled")),
    Index("ix_hitl_requests_run_id_created_at", "run_id", "created_at"),
    Index(
        "ix_hitl_requests_tenant_id_created_at", "tenant_id", "created_at", postgresql_where=text("status = 'pending'")
    ),
)

hitl_responses = Table(
    "hitl_responses",
    metadata,
    Column("response_id", Text, primary_key=True),
    tenant(),
    Column("request_id", Text, ForeignKey("hitl_requests.request_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("response_type", Text, nullable=False),
    Column("responder_id", Text),
    document("response"),
    created(),
    one_of("response_type", ("option", "approval", "rejection", "freeform")),
)
