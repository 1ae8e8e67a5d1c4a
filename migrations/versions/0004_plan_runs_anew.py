"""Let runs be planned anew, let people decide about fallbacks, and tell what was deregistered from what is silent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"

_PURPOSES = "'output', 'clarify', 'approval', 'final_output'"


def upgrade() -> None:
    kind = postgresql.JSON(none_as_null=True, astext_type=sa.Text())
    op.add_column("flex_runs", sa.Column("replan", kind, nullable=True, comment="why a new version is being planned"))
    situation = sa.Column(
        "situation", kind, server_default="{}", nullable=False, comment="what planning knows beyond the envelope"
    )
    op.add_column("flex_runs", situation)
    op.add_column("flex_capabilities", sa.Column("deregistered_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_constraint(op.f("ck_hitl_requests_purpose"), "hitl_requests")
    op.create_check_constraint(
        op.f("ck_hitl_requests_purpose"), "hitl_requests", f"purpose IN ({_PURPOSES}, 'fallback')"
    )
