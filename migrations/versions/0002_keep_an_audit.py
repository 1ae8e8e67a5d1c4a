"""Keep an audit of every mutation, and find expired idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


AUDIT_NEVER_CHANGES = """
CREATE FUNCTION flex_refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit is only ever added to';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "flex_audit",
        sa.Column("audit_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=True, comment="null for callers without a key"),
        sa.Column("key_prefix", sa.Text(), nullable=True, comment="what a person may see of the key"),
        sa.Column("operator", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("operation", sa.Text(), nullable=False, comment="the operationId of the API, or the command"),
        sa.Column("target", sa.Text(), nullable=True, comment="the id of what was to change"),
        sa.Column("status", sa.Integer(), nullable=False, comment="the HTTP status of the outcome"),
        sa.Column("peer", sa.Text(), nullable=True, comment="the address that the request came from"),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", name=op.f("pk_flex_audit")),
        comment="append-only: a trigger refuses every update and delete",
    )
    op.create_index("ix_flex_audit_tenant_id_audit_id", "flex_audit", ["tenant_id", "audit_id"], unique=False)
    op.create_index("ix_flex_idempotency_keys_expires_at", "flex_idempotency_keys", ["expires_at"], unique=False)
    op.execute(AUDIT_NEVER_CHANGES)
    op.execute(
        "CREATE TRIGGER flex_audit_only_grows BEFORE UPDATE OR DELETE ON flex_audit "
        "FOR EACH ROW EXECUTE FUNCTION flex_refuse_audit_change()"
    )
    op.execute(
        "CREATE TRIGGER flex_audit_is_kept BEFORE TRUNCATE ON flex_audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION flex_refuse_audit_change()"
    )
