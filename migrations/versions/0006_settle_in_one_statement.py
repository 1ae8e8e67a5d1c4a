"""Settle a node, take the next one and tell of both in one statement, which is a transaction by itself."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"

SETTLE = """
CREATE FUNCTION flex_settle_node(
    p_run_id text, p_node_id text, p_worker text, p_attempt integer, p_plan_version integer, p_epoch integer,
    p_output json, p_provenance json, p_usage json, p_duration_ms double precision, p_successors text[],
    p_ahead text, p_lease double precision, p_told json, p_start json,
    OUT o_outcome text, OUT o_closed text[], OUT o_taken boolean, OUT o_last_seq bigint, OUT o_at timestamptz,
    OUT o_tenant_id text, OUT o_correlation_id text, OUT o_capability_seen_at timestamptz
) LANGUAGE plpgsql AS $$
DECLARE
    run record;
    stamp text;
BEGIN
    o_taken := false;
    SELECT tenant_id, epoch, status, plan_version, correlation_id INTO run
      FROM flex_runs WHERE run_id = p_run_id FOR UPDATE;
    IF NOT FOUND THEN
        o_outcome := 'lost';
        RETURN;
    ELSIF run.plan_version <> p_plan_version THEN
        o_outcome := 'overtaken';
        RETURN;
    END IF;
    o_at := clock_timestamp();
    UPDATE flex_plan_nodes
       SET status = 'completed', output = p_output, provenance = p_provenance, usage = p_usage,
           duration_ms = p_duration_ms, error = NULL, findings = '[]', worker = NULL, lease_until = NULL,
           deadline = NULL, completed_at = o_at, updated_at = o_at
     WHERE run_id = p_run_id AND node_id = p_node_id AND status = 'running' AND worker = p_worker
       AND attempt = p_attempt;
    IF NOT FOUND THEN
        o_outcome := 'lost';
        RETURN;
    END IF;
    WITH counted AS (
        UPDATE flex_plan_nodes SET waiting = waiting - 1, updated_at = o_at
         WHERE run_id = p_run_id AND node_id = ANY(p_successors)
        RETURNING node_id, waiting
    )
    SELECT coalesce(array_agg(node_id) FILTER (WHERE waiting = 0), '{}') INTO o_closed FROM counted;
    IF p_ahead = ANY(o_closed) AND run.status = 'running' AND run.epoch = p_epoch THEN
        -- One that was tried before is left to those who look at what its attempts have left behind.
        UPDATE flex_plan_nodes
           SET status = 'running', worker = p_worker, attempt = 1, plan_version = run.plan_version,
               lease_until = o_at + make_interval(secs => least(p_lease, timeout_seconds)),
               deadline = o_at + make_interval(secs => timeout_seconds),
               dispatch_count = 0, dispatched_at = NULL, started_at = o_at, updated_at = o_at
         WHERE run_id = p_run_id AND node_id = p_ahead AND status = 'pending' AND attempt = 0 AND retry_at IS NULL;
        o_taken := FOUND;
    END IF;
    IF o_taken THEN
        SELECT max(last_seen_at) INTO o_capability_seen_at
          FROM flex_capabilities AS capability JOIN flex_plan_nodes AS node USING (capability_id)
         WHERE node.run_id = p_run_id AND node.node_id = p_ahead AND capability.status = 'active'
           AND capability.tenant_id IN (run.tenant_id, '*');
    END IF;
    UPDATE flex_runs
       SET last_seq = last_seq + 1 + CAST(o_taken AS integer), updated_at = o_at, nudges = 0,
           wake_at = least(wake_at, o_at + make_interval(secs => p_lease)),
           prompt_tokens = prompt_tokens + coalesce(CAST(p_usage->>'promptTokens' AS bigint), 0),
           completion_tokens = completion_tokens + coalesce(CAST(p_usage->>'completionTokens' AS bigint), 0),
           cost = cost + coalesce(CAST(p_usage->>'cost' AS double precision), 0)
     WHERE run_id = p_run_id
    RETURNING last_seq INTO o_last_seq;
    -- The moment is put behind the last member, since a payload keeps its members in their order.
    stamp := to_char(o_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
    INSERT INTO flex_events (run_id, seq, tenant_id, type, node_id, plan_version, correlation_id, payload,
                             facet_provenance, timestamp)
    SELECT p_run_id, o_last_seq - CAST(o_taken AS integer), run.tenant_id, 'node_complete', p_node_id,
           run.plan_version, run.correlation_id,
           CAST(left(CAST(p_told->'payload' AS text), -1) || ',"completedAt":"' || stamp || '"}' AS json),
           p_told->'facet_provenance', o_at
     UNION ALL
    SELECT p_run_id, o_last_seq, run.tenant_id, 'node_start', p_ahead, run.plan_version, run.correlation_id,
           CAST(left(CAST(p_start->'payload' AS text), -1) || ',"startedAt":"' || stamp || '"}' AS json), NULL, o_at
     WHERE o_taken;
    o_outcome := 'settled';
    o_tenant_id := run.tenant_id;
    o_correlation_id := run.correlation_id;
END
$$
"""


def upgrade() -> None:
    op.execute(SETTLE)
