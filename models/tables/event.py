"""The log of each run: what clients are told, in the order in which it became true."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, text

from models.tables.base import created, document, metadata, tenant

COUNTED = (
    "plan_requested",
    "plan_rejected",
    "plan_updated",
    "node_retry",
    "validation_error",
    "policy_triggered",
    "feedback_resolution",
)
"""Types whose frames `/metrics` counts, because no other table knows their number."""

_COUNTED = ", ".join(f"'{kind}'" for kind in COUNTED)

flex_events = Table(
    "flex_events",
    metadata,
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True, comment="1, 2, 3 … without gaps per run"),
    tenant(),
    Column("type", Text, nullable=False),
    Column("node_id", Text),
    Column("plan_version", Integer, nullable=False),
    Column("correlation_id", Text, nullable=False),
    Column("message", Text),
    document("payload", nullable=True),
    document("facet_provenance", nullable=True),
    created("timestamp"),
    CheckConstraint("seq > 0", name="seq_starts_at_one"),
    Index("ix_flex_events_tenant_id_timestamp", "tenant_id", "timestamp"),
    Index("ix_flex_events_type_plan_version", "type", "plan_version", postgresql_where=text(f"type IN ({_COUNTED})")),
)
