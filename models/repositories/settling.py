"""The statements that every node costs, each one round trip: take a node, and settle it.

They are written out once as text, because composing them anew for every node costs more than running them. What they
share is the order of locks: the run's row first, by `FOR UPDATE` or by updating it, then rows of its nodes. A settled
node's successors are counted down in the same statement; whoever brings one to zero has closed the join. Parents are
never counted with a SELECT: it would see the snapshot from before the lock.
"""

from __future__ import annotations

from sqlalchemy import text

TAKE = text(
    """
    WITH run AS (
        SELECT run_id, tenant_id, epoch, plan_version, correlation_id FROM flex_runs
         WHERE run_id = :run_id AND epoch = :epoch AND status = 'running'
           FOR UPDATE
    )
    UPDATE flex_plan_nodes AS node
       SET status = 'running', worker = :worker, attempt = attempt + 1, plan_version = run.plan_version,
           lease_until = clock_timestamp() + make_interval(secs => least(:lease, timeout_seconds)),
           deadline = clock_timestamp() + make_interval(secs => timeout_seconds),
           dispatch_count = 0, dispatched_at = NULL, retry_at = NULL,
           started_at = clock_timestamp(), updated_at = clock_timestamp()
      FROM run
     WHERE node.run_id = run.run_id AND node.node_id = :node_id
       AND node.status IN ('pending', 'retrying') AND node.waiting = 0
       AND (node.retry_at IS NULL OR node.retry_at <= clock_timestamp())
    RETURNING run.tenant_id, run.epoch, run.correlation_id, node.*,
              (SELECT max(last_seen_at) FROM flex_capabilities AS capability
                WHERE capability.capability_id = node.capability_id AND capability.status = 'active'
                  AND capability.tenant_id IN (run.tenant_id, '*')) AS capability_seen_at
    """
)

SETTLE = text(
    """
    WITH run AS (
        SELECT run_id, epoch, status FROM flex_runs WHERE run_id = :run_id FOR UPDATE
    ), done AS (
        UPDATE flex_plan_nodes AS node
           SET status = 'completed', output = CAST(:output AS json), provenance = CAST(:provenance AS json),
               usage = CAST(:usage AS json), duration_ms = :duration_ms, error = NULL, findings = '[]',
               worker = NULL, lease_until = NULL, deadline = NULL,
               completed_at = clock_timestamp(), updated_at = clock_timestamp()
          FROM run
         WHERE node.run_id = run.run_id AND node.node_id = :node_id AND node.status = 'running'
           AND node.worker = :worker AND node.attempt = :attempt
        RETURNING node.run_id
    ), counted AS (
        UPDATE flex_plan_nodes AS node SET waiting = node.waiting - 1, updated_at = clock_timestamp()
          FROM done
         WHERE node.run_id = done.run_id AND node.node_id = ANY(:successors)
        RETURNING node.node_id, node.waiting
    )
    SELECT (SELECT count(*) FROM done) AS settled,
           (SELECT coalesce(array_agg(node_id), '{}') FROM counted WHERE waiting = 0) AS closed,
           clock_timestamp() AS now
    """
)
