"""Keep the sizes of the reachable set beside each plan, so that they are counted without reading the plan.

Plans that are there already keep none: a stored version never changes.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

COLUMNS = {
    "crcs_rows": "of the reachable set, in the snapshot's metadata",
    "crcs_row_cap": None,
    "crcs_mrcs": "capabilities of the whole reachable set",
    "crcs_missing_pinned": None,
    "crcs_path": "rows for this reason; null for none",
    "crcs_policy_reference": "rows for this reason; null for none",
    "crcs_goal_condition": "rows for this reason; null for none",
}


def upgrade() -> None:
    for name, comment in COLUMNS.items():
        op.add_column("flex_plan_snapshots", sa.Column(name, sa.Integer(), nullable=True, comment=comment))
