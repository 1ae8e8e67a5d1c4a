"""Let rows that change with every node be changed within their page: no index on what changes, and room beside them.

An index on the worker or on the status of a node made PostgreSQL write each version of it into every index of the table.
Whoever looks for a worker's nodes knows their keys.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.drop_index("ix_flex_plan_nodes_worker", table_name="flex_plan_nodes")
    op.drop_index("ix_flex_plan_nodes_tenant_id", table_name="flex_plan_nodes")
    op.execute("ALTER TABLE flex_plan_nodes SET (fillfactor = 50)")
    op.execute("ALTER TABLE flex_runs SET (fillfactor = 70)")
