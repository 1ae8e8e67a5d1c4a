"""Let a request to a person wait until one of its run's open ones has been answered."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

STATUSES = "status IN ('pending', 'waiting', 'resolved', 'denied', 'cancelled')"


def upgrade() -> None:
    name = op.f("ck_hitl_requests_status")
    op.drop_constraint(name, "hitl_requests", type_="check")
    op.create_check_constraint(name, "hitl_requests", STATUSES)
