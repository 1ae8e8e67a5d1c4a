"""Create the tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


SNAPSHOTS_NEVER_CHANGE = """
CREATE FUNCTION flex_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a plan version never changes; store the next one';
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "flex_api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False, comment="what a person may see of the key"),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_flex_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_flex_api_keys_prefix")),
    )
    op.create_table(
        "flex_canaries",
        sa.Column("canary_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("canary_id", name=op.f("pk_flex_canaries")),
    )
    op.create_index("ix_flex_canaries_queue_finished_at", "flex_canaries", ["queue", "finished_at"], unique=False)
    op.create_table(
        "flex_capabilities",
        sa.Column(
            "tenant_id", sa.Text(), nullable=False, comment="'*' holds the built-in ones, which every tenant sees"
        ),
        sa.Column("capability_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("agent_type", sa.Text(), nullable=False),
        sa.Column("builtin", sa.Boolean(), server_default="false", nullable=False),
        sa.Column(
            "record", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("endpoint_secret", sa.Text(), nullable=True, comment="kept apart from the record, which is shown"),
        sa.Column(
            "registered_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("agent_type IN ('ai', 'human')", name=op.f("ck_flex_capabilities_agent_type")),
        sa.CheckConstraint(
            "kind IN ('structuring', 'execution', 'validation', 'transformation', 'routing')",
            name=op.f("ck_flex_capabilities_kind"),
        ),
        sa.CheckConstraint("status IN ('active', 'inactive')", name=op.f("ck_flex_capabilities_status")),
        sa.PrimaryKeyConstraint("tenant_id", "capability_id", name=op.f("pk_flex_capabilities")),
    )
    op.create_index("ix_flex_capabilities_tenant_id_status", "flex_capabilities", ["tenant_id", "status"], unique=False)
    op.create_table(
        "flex_idempotency_keys",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_hash", sa.Text(), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=False),
        sa.Column("response", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_flex_idempotency_keys")),
        sa.UniqueConstraint("tenant_id", "run_id", name=op.f("uq_flex_idempotency_keys_tenant_id_run_id")),
    )
    op.create_table(
        "flex_runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it ended or waits; an open vocabulary"),
        sa.Column("waiting_for", sa.Text(), nullable=True, comment="one sentence: who or what the run waits for"),
        sa.Column("objective", sa.Text(), nullable=False),
        sa.Column(
            "envelope", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("schema_hash", sa.Text(), nullable=True),
        sa.Column(
            "metadata", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("thread_id", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("epoch", sa.Integer(), server_default="1", nullable=False, comment="fences dispatch"),
        sa.Column(
            "last_seq", sa.BigInteger(), server_default="0", nullable=False, comment="its row lock is the run's mutex"
        ),
        sa.Column("wake_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "nudges", sa.Integer(), server_default="0", nullable=False, comment="wake-ups that nobody has answered yet"
        ),
        sa.Column("planner", sa.Text(), nullable=True, comment="the worker that plans"),
        sa.Column("planning_lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("planning_attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("planning_crashes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatch_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "final_attempts",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="outputs that broke the contract",
        ),
        sa.Column("prompt_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("completion_tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost", sa.Float(), server_default="0", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'planning', 'running', 'awaiting_hitl', 'awaiting_human', 'paused', 'cancelling', 'completed', 'failed', 'cancelled')",
            name=op.f("ck_flex_runs_status"),
        ),
        sa.CheckConstraint(
            "wake_at IS NOT NULL OR status IN ('completed', 'failed', 'cancelled', 'paused', 'awaiting_hitl', 'awaiting_human')",
            name=op.f("ck_flex_runs_has_a_reason_to_move"),
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_flex_runs")),
    )
    op.create_index(
        "ix_flex_runs_planner", "flex_runs", ["planner"], unique=False, postgresql_where=sa.text("status = 'planning'")
    )
    op.create_index(
        "ix_flex_runs_tenant_id_client_id_created_at",
        "flex_runs",
        ["tenant_id", "client_id", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_flex_runs_tenant_id_created_at_run_id", "flex_runs", ["tenant_id", "created_at", "run_id"], unique=False
    )
    op.create_index(
        "ix_flex_runs_tenant_id_status_created_at", "flex_runs", ["tenant_id", "status", "created_at"], unique=False
    )
    op.create_index("ix_flex_runs_tenant_id_thread_id", "flex_runs", ["tenant_id", "thread_id"], unique=False)
    op.create_index(
        "ix_flex_runs_wake_at",
        "flex_runs",
        ["wake_at"],
        unique=False,
        postgresql_where=sa.text("status NOT IN ('completed', 'failed', 'cancelled')"),
    )
    op.create_table(
        "flex_events",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="1, 2, 3 … without gaps per run"),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("payload", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("facet_provenance", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("timestamp", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.CheckConstraint("seq > 0", name=op.f("ck_flex_events_seq_starts_at_one")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_flex_events_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_flex_events")),
    )
    op.create_index("ix_flex_events_tenant_id_timestamp", "flex_events", ["tenant_id", "timestamp"], unique=False)
    op.create_index(
        "ix_flex_events_type_plan_version",
        "flex_events",
        ["type", "plan_version"],
        unique=False,
        postgresql_where=sa.text(
            "type IN ('plan_requested', 'plan_rejected', 'plan_updated', 'node_retry', 'validation_error', 'policy_triggered', 'feedback_resolution')"
        ),
    )
    op.create_table(
        "flex_plan_nodes",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("identity", sa.Text(), nullable=False, comment="what keeps the node the same node across versions"),
        sa.Column("plan_version", sa.Integer(), nullable=False, comment="the version that last touched the row"),
        sa.Column("changed_by_policy", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("capability_id", sa.Text(), nullable=True),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False, comment="parents that have not settled"),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "tries", sa.Integer(), server_default="0", nullable=False, comment="failed tries of the present candidate"
        ),
        sa.Column(
            "repair", sa.Integer(), server_default="0", nullable=False, comment="attempts made because of findings"
        ),
        sa.Column(
            "crashes", sa.Integer(), server_default="0", nullable=False, comment="leases that ended without a result"
        ),
        sa.Column(
            "candidate", sa.Integer(), server_default="0", nullable=False, comment="n-th alternative; 0 as planned"
        ),
        sa.Column("timeout_seconds", sa.Float(), nullable=False, comment="how long one attempt may take"),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatch_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "findings", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.Column("output", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "provenance", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("error", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "usage", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("duration_ms", sa.Float(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "kind IN ('structuring', 'branch', 'routing', 'execution', 'transformation', 'validation', 'fallback')",
            name=op.f("ck_flex_plan_nodes_kind"),
        ),
        sa.CheckConstraint(
            "status <> 'running' OR (worker IS NOT NULL AND lease_until IS NOT NULL)",
            name=op.f("ck_flex_plan_nodes_running_holds_a_lease"),
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'running', 'retrying', 'completed', 'skipped', 'superseded', 'cancelled', 'awaiting_hitl', 'awaiting_human', 'error')",
            name=op.f("ck_flex_plan_nodes_status"),
        ),
        sa.CheckConstraint("waiting >= 0", name=op.f("ck_flex_plan_nodes_waiting_is_a_count")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_flex_plan_nodes_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "node_id", name=op.f("pk_flex_plan_nodes")),
    )
    op.create_index("ix_flex_plan_nodes_tenant_id", "flex_plan_nodes", ["tenant_id"], unique=False)
    op.create_index(
        "ix_flex_plan_nodes_worker",
        "flex_plan_nodes",
        ["worker"],
        unique=False,
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_table(
        "flex_plan_snapshots",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("plan_hash", sa.Text(), nullable=False),
        sa.Column("schema_hash", sa.Text(), nullable=True),
        sa.Column(
            "snapshot", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "intake", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_flex_plan_snapshots_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "plan_version", name=op.f("pk_flex_plan_snapshots")),
        comment="one row per plan version; a trigger refuses every update",
    )
    op.create_table(
        "flex_run_outputs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("schema_hash", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("output", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "facets", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "provenance", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "goal_condition_results",
            postgresql.JSON(none_as_null=True, astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column(
            "post_condition_results",
            postgresql.JSON(none_as_null=True, astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column(
            "recorded_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("status IN ('completed', 'failed', 'cancelled')", name=op.f("ck_flex_run_outputs_status")),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_flex_run_outputs_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_flex_run_outputs")),
    )
    op.create_table(
        "flex_timers",
        sa.Column("timer_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "payload", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("fired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_flex_timers_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("timer_id", name=op.f("pk_flex_timers")),
    )
    op.create_index(
        "ix_flex_timers_due_at", "flex_timers", ["due_at"], unique=False, postgresql_where=sa.text("fired_at IS NULL")
    )
    op.create_index(op.f("ix_flex_timers_run_id"), "flex_timers", ["run_id"], unique=False)
    op.create_table(
        "hitl_requests",
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("node_id", sa.Text(), nullable=True),
        sa.Column("thread_id", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False, comment="what an answer leads to"),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("origin_agent", sa.Text(), nullable=True),
        sa.Column(
            "payload", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("operator_prompt", sa.Text(), nullable=True),
        sa.Column(
            "contract_summary",
            postgresql.JSON(none_as_null=True, astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("denial_reason", sa.Text(), nullable=True),
        sa.Column("plan_version", sa.Integer(), nullable=False),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("kind IN ('approval', 'clarify')", name=op.f("ck_hitl_requests_kind")),
        sa.CheckConstraint(
            "purpose IN ('output', 'clarify', 'approval', 'final_output')", name=op.f("ck_hitl_requests_purpose")
        ),
        sa.CheckConstraint(
            "status IN ('pending', 'resolved', 'denied', 'cancelled')", name=op.f("ck_hitl_requests_status")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["flex_runs.run_id"], name=op.f("fk_hitl_requests_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_hitl_requests")),
    )
    op.create_index("ix_hitl_requests_run_id_created_at", "hitl_requests", ["run_id", "created_at"], unique=False)
    op.create_index(
        "ix_hitl_requests_tenant_id_created_at",
        "hitl_requests",
        ["tenant_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_table(
        "hitl_responses",
        sa.Column("response_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("response_type", sa.Text(), nullable=False),
        sa.Column("responder_id", sa.Text(), nullable=True),
        sa.Column(
            "response", postgresql.JSON(none_as_null=True, astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint(
            "response_type IN ('option', 'approval', 'rejection', 'freeform')",
            name=op.f("ck_hitl_responses_response_type"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["hitl_requests.request_id"], name=op.f("fk_hitl_responses_request_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("response_id", name=op.f("pk_hitl_responses")),
    )
    op.create_index(op.f("ix_hitl_responses_request_id"), "hitl_responses", ["request_id"], unique=False)
    op.execute(SNAPSHOTS_NEVER_CHANGE)
    op.execute(
        "CREATE TRIGGER flex_plan_snapshots_never_change BEFORE UPDATE ON flex_plan_snapshots "
        "FOR EACH ROW EXECUTE FUNCTION flex_refuse_change()"
    )
