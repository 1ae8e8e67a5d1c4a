"""Keep the drafts of plans that a model proposed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "flex_plan_drafts",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("planning_attempt", sa.Integer(), nullable=False, comment="which planning of the run asked"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="1, 2, 3 within that planning"),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("draft", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        _document("diagnostics", "[]"),
        _document("prompt_sizes", "{}"),
        _document("usage", "{}"),
        sa.Column("duration_ms", sa.Float(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("phase IN ('initial', 'replan')", name=op.f("ck_flex_plan_drafts_phase")),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'refused', 'too_costly', 'failed')", name=op.f("ck_flex_plan_drafts_outcome")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_flex_plan_drafts_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "planning_attempt", "attempt", name=op.f("pk_flex_plan_drafts")),
        comment="one row per attempt, also where nothing came back",
    )
    op.create_index("ix_flex_plan_drafts_tenant_id", "flex_plan_drafts", ["tenant_id"], unique=False)


def _document(name: str, default: str) -> sa.Column[object]:
    kind = postgresql.JSON(none_as_null=True, astext_type=sa.Text())
    return sa.Column(name, kind, server_default=default, nullable=False)
