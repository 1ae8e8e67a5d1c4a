"""API keys, hashed, and the replies kept for idempotency keys."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY

from models.tables.base import created, document, metadata, moment, tenant

flex_api_keys = Table(
    "flex_api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    tenant(),
    Column("prefix", Text, nullable=False, unique=True, comment="what a person may see of the key"),
    Column("key_hash", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    created(),
    moment("expires_at"),
    moment("revoked_at"),
    moment("last_used_at"),
)

flex_idempotency_keys = Table(
    "flex_idempotency_keys",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("request_hash", Text, nullable=False),
    Column("status_code", Integer, nullable=False),
    document("response", nullable=True),
    Column("run_id", Text),
    created(),
    moment("expires_at", nullable=False),
    UniqueConstraint("tenant_id", "run_id"),
    Index("ix_flex_idempotency_keys_expires_at", "expires_at"),
)
