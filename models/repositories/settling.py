"""The statements that every node costs, each one round trip: take a node, settle it, look at those of a run.

What they share is the order of locks: the run's row first, by `FOR UPDATE` or by updating it, then rows
of its nodes. A settled node's successors are counted down in the same statement; whoever brings one to zero has closed
the join. Parents are never counted with a SELECT: it would see the snapshot from before the lock. When the plan has a
newer version than the one that the settled attempt began under, its successors are those of the newer one.
"""

from __future__ import annotations

from models.prepared import Prepared

TAKE = Prepared(
    "take",
    """
    WITH run AS (
        SELECT run_id, tenant_id, epoch, plan_version, correlation_id FROM flex_runs
         WHERE run_id = %(run_id)s AND epoch = %(epoch)s AND status = 'running'
           FOR UPDATE
    )
    UPDATE flex_plan_nodes AS node
       SET status = 'running', worker = %(worker)s, attempt = attempt + 1, plan_version = run.plan_version,
           lease_until = clock_timestamp() + make_interval(secs => least(%(lease)s, timeout_seconds)),
           deadline = clock_timestamp() + make_interval(secs => timeout_seconds),
           dispatch_count = 0, dispatched_at = NULL, retry_at = NULL,
           started_at = clock_timestamp(), updated_at = clock_timestamp()
      FROM run
     WHERE node.run_id = run.run_id AND node.node_id = %(node_id)s
       AND node.status IN ('pending', 'retrying') AND node.waiting = 0
       AND (node.retry_at IS NULL OR node.retry_at <= clock_timestamp())
    RETURNING run.tenant_id, run.epoch, run.correlation_id, run.plan_version, node.started_at,
              node.node_id, node.status, node.waiting, node.attempt, node.tries, node.repair, node.crashes,
              node.candidate, node.lease_until, node.deadline, node.retry_at, node.dispatched_at,
              node.dispatch_count, node.findings, node.error,
              (SELECT max(last_seen_at) FROM flex_capabilities AS capability
                WHERE capability.capability_id = node.capability_id AND capability.status = 'active'
                  AND capability.tenant_id IN (run.tenant_id, '*')) AS capability_seen_at
    """,
)

SETTLE = Prepared(
    "settle",
    """
    WITH run AS (
        SELECT run_id, plan_version FROM flex_runs WHERE run_id = %(run_id)s FOR UPDATE
    ), done AS (
        UPDATE flex_plan_nodes AS node
           SET status = 'completed', output = CAST(%(output)s AS json), provenance = CAST(%(provenance)s AS json),
               usage = CAST(%(usage)s AS json), duration_ms = %(duration_ms)s, error = NULL, findings = '[]',
               worker = NULL, lease_until = NULL, deadline = NULL,
               completed_at = clock_timestamp(), updated_at = clock_timestamp()
          FROM run
         WHERE node.run_id = run.run_id AND node.node_id = %(node_id)s AND node.status = 'running'
           AND node.worker = %(worker)s AND node.attempt = %(attempt)s
        RETURNING node.run_id, run.plan_version
    ), counted AS (
        UPDATE flex_plan_nodes AS node SET waiting = node.waiting - 1, updated_at = clock_timestamp()
          FROM done
         WHERE node.run_id = done.run_id AND node.node_id = ANY(CAST(%(successors)s AS text[]))
           AND done.plan_version = %(plan_version)s
        RETURNING node.node_id, node.waiting
    )
    SELECT (SELECT count(*) FROM done) AS settled,
           (SELECT coalesce(array_agg(node_id), '{}') FROM counted WHERE waiting = 0) AS closed,
           (SELECT plan_version FROM done) AS plan_version,
           clock_timestamp() AS now
    """,
)

GO_ON = Prepared(
    "go_on",
    """
    SELECT move.number, moved.*
      FROM json_to_recordset(%(moves)s) AS move (
               number integer, run_id text, epoch integer, plan_version integer, worker text, lease double precision,
               node_id text, attempt integer, output json, provenance json, usage json, duration_ms double precision,
               told json, successors text[], ahead text, tried integer, start json, wanted text[],
               beside text[], wake_within double precision, wake_anew boolean, wake_until timestamptz, waiting_for text,
               row_version text
           ),
           LATERAL flex_go_on(
               move.run_id, move.epoch, move.plan_version, move.worker, move.lease,
               move.node_id, move.attempt, move.output, move.provenance, move.usage, move.duration_ms,
               move.told, move.successors, move.ahead, move.tried, move.start, move.wanted,
               move.beside, move.wake_within, move.wake_anew, move.wake_until, move.waiting_for, move.row_version,
               %(patient)s
           ) AS moved
    """,
)
"""Settles nodes, begins the next, notes what is offered to others and tells of it; the function is a migration's.

Moves happen in their order. One that is not `patient` is 'busy' where somebody else holds its run; one with a
`row_version` is 'changed' where the run is another than was seen.
"""

EXTEND = Prepared(
    "extend",
    """
    WITH mine AS (
        SELECT node.run_id, node.node_id
          FROM flex_plan_nodes AS node
          JOIN unnest(CAST(%(run_ids)s AS text[]), CAST(%(node_ids)s AS text[]), CAST(%(attempts)s AS integer[]))
               AS held (run_id, node_id, attempt) USING (run_id, node_id, attempt)
         WHERE node.worker = %(worker)s AND node.status = 'running'
         ORDER BY node.run_id COLLATE "C", node.node_id COLLATE "C"
           FOR NO KEY UPDATE OF node
    )
    UPDATE flex_plan_nodes AS node
       SET lease_until = least(clock_timestamp() + make_interval(secs => %(lease)s), node.deadline)
      FROM mine
     WHERE node.run_id = mine.run_id AND node.node_id = mine.node_id
    RETURNING node.run_id, node.node_id, node.attempt
    """,
)
"""Extends leases by their keys: no index tells which nodes a worker holds.

Rows are locked in the order in which a group of moves settles them, or the two could wait for each other.
"""

STATES = Prepared(
    "states",
    """
    SELECT node_id, status, waiting, attempt, tries, repair, crashes, candidate, lease_until, deadline, started_at,
           retry_at, dispatched_at, dispatch_count, findings, error
      FROM flex_plan_nodes
     WHERE run_id = %(run_id)s AND (CAST(%(tenant)s AS text) IS NULL OR tenant_id = %(tenant)s)
    """,
)

NOTE_DISPATCH = Prepared(
    "note_dispatch",
    """
    UPDATE flex_plan_nodes
       SET dispatched_at = clock_timestamp(), dispatch_count = dispatch_count + 1, updated_at = clock_timestamp()
     WHERE run_id = %(run_id)s AND node_id = ANY(CAST(%(node_ids)s AS text[]))
    """,
)

OUTPUTS = Prepared(
    "outputs",
    """
    SELECT node_id, output
      FROM flex_plan_nodes
     WHERE run_id = %(run_id)s AND status = 'completed' AND output IS NOT NULL
       AND (CAST(%(tenant)s AS text) IS NULL OR tenant_id = %(tenant)s)
       AND (CAST(%(node_ids)s AS text[]) IS NULL OR node_id = ANY(CAST(%(node_ids)s AS text[])))
    """,
)
