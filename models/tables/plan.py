"""Plan versions, which never change, and the nodes of the current one, which do."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, Integer, Table, Text

from models.tables.base import created, document, metadata, moment, one_of, tenant
from planner.assembly.reachability import REASONS
from planner.plan.graph import NODE_KINDS
from planner.progress.state import NODE_STATUSES

flex_plan_nodes = Table(
    "flex_plan_nodes",
    metadata,
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", Text, primary_key=True),
    tenant(),
    Column("identity", Text, nullable=False, comment="what keeps the node the same node across versions"),
    Column("plan_version", Integer, nullable=False, comment="the version that last touched the row"),
    Column("changed_by_policy", Text),
    Column("kind", Text, nullable=False),
    Column("capability_id", Text),
    Column("label", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("waiting", Integer, nullable=False, comment="parents that have not settled"),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("tries", Integer, nullable=False, server_default="0", comment="failed tries of the present candidate"),
    Column("repair", Integer, nullable=False, server_default="0", comment="attempts made because of findings"),
    Column("crashes", Integer, nullable=False, server_default="0", comment="leases that ended without a result"),
    Column(
        "candidate",
        Integer,
        nullable=False,
        server_default="0",
        comment="n-th alternative; 0 as planned",
    ),
    Column("timeout_seconds", Float, nullable=False, comment="how long one attempt may take"),
    Column("worker", Text),
    moment("lease_until"),
    moment("deadline"),
    moment("retry_at"),
    moment("dispatched_at"),
    Column("dispatch_count", Integer, nullable=False, server_default="0"),
    document("findings", default="[]"),
    document("output", nullable=True),
    document("provenance"),
    document("error", nullable=True),
    document("usage"),
    Column("duration_ms", Float),
    moment("started_at"),
    moment("completed_at"),
    created(),
    created("updated_at"),
    one_of("status", NODE_STATUSES),
    one_of("kind", NODE_KINDS),
    CheckConstraint("waiting >= 0", name="waiting_is_a_count"),
    CheckConstraint(
        "status <> 'running' OR (worker IS NOT NULL AND lease_until IS NOT NULL)", name="running_holds_a_lease"
    ),
)
"""No index but the key: a node changes with every move, and is always looked for by its run (migration 0008)."""

flex_plan_snapshots = Table(
    "flex_plan_snapshots",
    metadata,
    Column("run_id", Text, ForeignKey("flex_runs.run_id", ondelete="CASCADE"), primary_key=True),
    Column("plan_version", Integer, primary_key=True),
    tenant(),
    Column("plan_hash", Text, nullable=False),
    Column("schema_hash", Text),
    document("snapshot"),
    document("intake"),
    created(),
    Column("crcs_rows", Integer, comment="of the reachable set, in the snapshot's metadata"),
    Column("crcs_row_cap", Integer),
    Column("crcs_mrcs", Integer, comment="capabilities of the whole reachable set"),
    Column("crcs_missing_pinned", Integer),
    *(Column(f"crcs_{reason}", Integer, comment="rows for this reason; null for none") for reason in REASONS),
    comment="one row per plan version; a trigger refuses every update",
)
"""The columns `crcs_…` repeat what the snapshot says, so that `/metrics` need not read all of it (migration 0009)."""
