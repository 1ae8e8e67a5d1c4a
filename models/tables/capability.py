"""The registry: who can do what, as registered."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, Text

from models.tables.base import created, document, metadata, moment, one_of

flex_capabilities = Table(
    "flex_capabilities",
    metadata,
    Column("tenant_id", Text, primary_key=True, comment="'*' holds the built-in ones, which every tenant sees"),
    Column("capability_id", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    Column("kind", Text, nullable=False),
    Column("agent_type", Text, nullable=False),
    Column("builtin", Boolean, nullable=False, server_default="false"),
    document("record"),
    Column("endpoint_secret", Text, comment="kept apart from the record, which is shown"),
    created("registered_at"),
    moment("last_seen_at", nullable=False),
    moment("deregistered_at"),
    created("updated_at"),
    one_of("status", ("active", "inactive")),
    one_of("kind", ("structuring", "execution", "validation", "transformation", "routing")),
    one_of("agent_type", ("ai", "human")),
    Index("ix_flex_capabilities_tenant_id_status", "tenant_id", "status"),
)
