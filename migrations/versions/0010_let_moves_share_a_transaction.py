"""Let a move say whether it waits for its run, and which run it means, so that moves of several share a transaction.

A move that does not wait leaves a run alone that somebody else holds; one with a version of the run's row leaves it
alone when it is another. It takes the place of the `flex_go_on` without
`p_patient`, which stays for workers of the version before.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

GO_ON = """
CREATE FUNCTION flex_go_on(
    p_run_id text, p_epoch integer, p_plan_version integer, p_worker text, p_lease double precision,
    p_node_id text, p_attempt integer, p_output json, p_provenance json, p_usage json, p_duration_ms double precision,
    p_told json, p_successors text[],
    p_ahead text, p_tried integer, p_start json, p_wanted text[],
    p_beside text[], p_wake_within double precision, p_wake_anew boolean, p_wake_until timestamptz,
    p_waiting_for text, p_row_version text, p_patient boolean,
    OUT o_outcome text, OUT o_closed text[], OUT o_taken boolean, OUT o_beside text[], OUT o_last_seq bigint,
    OUT o_at timestamptz, OUT o_tenant_id text, OUT o_correlation_id text, OUT o_deadline timestamptz,
    OUT o_capability_seen_at timestamptz, OUT o_outputs json
) LANGUAGE plpgsql AS $$
DECLARE
    run record;
    ahead text;
    movable boolean;
    touched text[];
    stamp text;
BEGIN
    o_taken := false;
    o_closed := '{}';
    o_beside := '{}';
    IF p_patient THEN
        SELECT tenant_id, epoch, status, plan_version, correlation_id, CAST(xmin AS text) AS row_version INTO run
          FROM flex_runs WHERE run_id = p_run_id FOR UPDATE;
    ELSE
        SELECT tenant_id, epoch, status, plan_version, correlation_id, CAST(xmin AS text) AS row_version INTO run
          FROM flex_runs WHERE run_id = p_run_id FOR UPDATE SKIP LOCKED;
    END IF;
    IF NOT FOUND THEN
        o_outcome := CASE WHEN p_patient THEN 'lost' ELSE 'busy' END;
        RETURN;
    ELSIF run.row_version <> p_row_version THEN
        o_outcome := 'changed';
        RETURN;
    ELSIF run.plan_version <> p_plan_version THEN
        o_outcome := 'overtaken';
        RETURN;
    END IF;
    o_at := clock_timestamp();
    o_tenant_id := run.tenant_id;
    o_correlation_id := run.correlation_id;
    movable := run.status = 'running' AND run.epoch = p_epoch;
    IF p_node_id IS NOT NULL THEN
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
    END IF;
    -- Nodes of a run change under its lock, so what is read here is what the next statement finds.
    IF movable AND p_ahead IS NOT NULL THEN
        SELECT node.node_id, o_at + make_interval(secs => node.timeout_seconds),
               (SELECT max(last_seen_at) FROM flex_capabilities AS capability
                 WHERE capability.capability_id = node.capability_id AND capability.status = 'active'
                   AND capability.tenant_id IN (run.tenant_id, '*'))
          INTO ahead, o_deadline, o_capability_seen_at
          FROM flex_plan_nodes AS node
         WHERE node.run_id = p_run_id AND node.node_id = p_ahead AND node.status IN ('pending', 'retrying')
           AND node.attempt = p_tried AND (node.retry_at IS NULL OR node.retry_at <= o_at)
           AND node.waiting = CAST(p_ahead = ANY(p_successors) AS integer);
        o_taken := FOUND;
    END IF;
    touched := p_successors;
    IF movable THEN
        touched := touched || p_beside;
    END IF;
    IF o_taken THEN
        touched := touched || ahead;
    END IF;
    IF cardinality(touched) > 0 THEN
        WITH moved AS (
            UPDATE flex_plan_nodes
               SET waiting = waiting - CAST(node_id = ANY(p_successors) AS integer),
                   status = CASE WHEN node_id = ahead THEN 'running' ELSE status END,
                   worker = CASE WHEN node_id = ahead THEN p_worker ELSE worker END,
                   attempt = attempt + CAST(node_id IS NOT DISTINCT FROM ahead AS integer),
                   plan_version = CASE WHEN node_id = ahead THEN p_plan_version ELSE plan_version END,
                   lease_until = CASE WHEN node_id = ahead
                                      THEN least(o_at + make_interval(secs => p_lease), o_deadline)
                                      ELSE lease_until END,
                   deadline = CASE WHEN node_id = ahead THEN o_deadline ELSE deadline END,
                   started_at = CASE WHEN node_id = ahead THEN o_at ELSE started_at END,
                   retry_at = CASE WHEN node_id = ahead THEN NULL ELSE retry_at END,
                   dispatched_at = CASE WHEN node_id = ahead THEN NULL
                                        WHEN movable AND node_id = ANY(p_beside) THEN o_at
                                        ELSE dispatched_at END,
                   dispatch_count = CASE WHEN node_id = ahead THEN 0
                                         WHEN movable AND node_id = ANY(p_beside) THEN dispatch_count + 1
                                         ELSE dispatch_count END,
                   updated_at = o_at
             WHERE run_id = p_run_id AND node_id = ANY(touched)
            RETURNING node_id, waiting, status
        )
        SELECT coalesce(array_agg(node_id) FILTER (WHERE waiting = 0 AND node_id = ANY(p_successors)), '{}'),
               coalesce(array_agg(node_id) FILTER (WHERE waiting = 0 AND status IN ('pending', 'retrying')
                                                     AND movable AND node_id = ANY(p_beside)), '{}')
          INTO o_closed, o_beside FROM moved;
    END IF;
    IF o_taken AND cardinality(p_wanted) > 0 THEN
        SELECT json_object_agg(node_id, output) INTO o_outputs
          FROM flex_plan_nodes
         WHERE run_id = p_run_id AND node_id = ANY(p_wanted) AND status = 'completed' AND output IS NOT NULL;
    END IF;
    IF p_node_id IS NULL AND NOT o_taken AND cardinality(o_beside) = 0 THEN
        o_outcome := 'refused';
        RETURN;
    END IF;
    UPDATE flex_runs
       SET last_seq = last_seq + CAST(p_node_id IS NOT NULL AS integer) + CAST(o_taken AS integer),
           updated_at = o_at, nudges = 0,
           wake_at = CASE WHEN p_wake_anew THEN least(o_at + make_interval(secs => p_wake_within), p_wake_until)
                          ELSE least(wake_at, o_at + make_interval(secs => p_wake_within)) END,
           waiting_for = coalesce(p_waiting_for, waiting_for),
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
     WHERE p_node_id IS NOT NULL
     UNION ALL
    SELECT p_run_id, o_last_seq, run.tenant_id, 'node_start', p_ahead, run.plan_version, run.correlation_id,
           CAST(left(CAST(p_start->'payload' AS text), -1) || ',"startedAt":"' || stamp || '"}' AS json), NULL, o_at
     WHERE o_taken;
    o_outcome := 'done';
END
$$
"""


def upgrade() -> None:
    op.execute(GO_ON)
