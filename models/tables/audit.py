"""Who changed what, and who tried to: written once, never altered."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Integer, Table, Text

from models.tables.base import created, document, metadata, tenant

flex_audit = Table(
    "flex_audit",
    metadata,
    Column("audit_id", BigInteger, Identity(always=True), primary_key=True),
    tenant(),
    created("at"),
    Column("key_id", Text, comment="null for callers without a key"),
    Column("key_prefix", Text, comment="what a person may see of the key"),
    document("operator", nullable=True),
    Column("operation", Text, nullable=False, comment="the operationId of the API, or the command"),
    Column("target", Text, comment="the id of what was to change"),
    Column("status", Integer, nullable=False, comment="the HTTP status of the outcome"),
    Column("peer", Text, comment="the address that the request came from"),
    Column("correlation_id", Text),
    Index("ix_flex_audit_tenant_id_audit_id", "tenant_id", "audit_id"),
    comment="append-only: a trigger refuses every update and delete",
)
