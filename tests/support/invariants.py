"""What is true of every run, whatever was killed, cut or flushed meanwhile: of its frames, its rows and its clients."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg2
import redis

Frame = dict[str, Any]

SETTLING = {"node_complete", "node_skipped"}
PLANS = {"plan_generated", "plan_updated"}
FINAL = "complete"
TERMINAL = ("completed", "failed", "cancelled")

LASTING_KEYS = ("flex:live", "flex:nodes", "flex:bulk", "flex:control", "flex:_kombu.", "_kombu.", "flex:unacked")
"""Beginnings of the keys that may stand in Redis without an end: the live stream, the queues and their bindings."""


def assert_sound(frames: Sequence[Frame], *, status: str = "completed") -> None:
    """Hold a run's whole log against the promises: numbered 1..n, one end, one result per node, parents first."""
    assert [frame["id"] for frame in frames] == [str(number) for number in range(1, len(frames) + 1)]
    assert [frame["type"] for frame in frames].count(FINAL) == 1
    assert frames[-1]["type"] == FINAL
    assert frames[-1]["payload"]["status"] == status, frames[-1]["payload"]
    _assert_one_result_per_node(frames)
    _assert_attempts_in_order(frames)
    _assert_parents_first(frames)


def _assert_one_result_per_node(frames: Sequence[Frame]) -> None:
    results = Counter(frame["nodeId"] for frame in frames if frame["type"] == "node_complete")
    assert not [node for node, count in results.items() if count > 1], results


def _assert_attempts_in_order(frames: Sequence[Frame]) -> None:
    starts: dict[str, list[int]] = {}
    for frame in frames:
        if frame["type"] == "node_start":
            starts.setdefault(frame["nodeId"], []).append(frame["payload"]["attempt"])
    for node, attempts in starts.items():
        assert attempts == list(range(1, len(attempts) + 1)), (node, attempts)


def _assert_parents_first(frames: Sequence[Frame]) -> None:
    parents: dict[str, set[str]] = {}
    settled: set[str] = set()
    for frame in frames:
        if frame["type"] in PLANS:
            parents = _parents(frame["payload"].get("plan") or frame["payload"])
        elif frame["type"] == "node_start":
            assert parents.get(frame["nodeId"], set()) <= settled, f"{frame['nodeId']} before its parents"
        elif frame["type"] in SETTLING:
            settled.add(frame["nodeId"])


def _parents(plan: dict[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for edge in plan["edges"]:
        found.setdefault(edge["to"], set()).add(edge["from"])
    return found


BROKEN_BY_ROWS = {
    "I1 a run neither ended nor waits with a reason": """
        SELECT run_id, status FROM flex_runs
         WHERE status NOT IN ('completed', 'failed', 'cancelled') AND waiting_for IS NULL""",
    "I2 the log has a gap, or the run counts otherwise": """
        SELECT run_id, last_seq, count(seq), max(seq) FROM flex_runs LEFT JOIN flex_events USING (run_id)
         GROUP BY run_id, last_seq HAVING count(seq) <> last_seq OR coalesce(max(seq), 0) <> last_seq""",
    "I2 not one last frame, or one that says otherwise than the row": """
        SELECT run_id, run.status FROM flex_runs AS run LEFT JOIN flex_events AS e USING (run_id)
         GROUP BY run_id, run.status, run.last_seq
        HAVING count(*) FILTER (WHERE type = 'complete')
               <> CASE WHEN run.status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END
            OR bool_or(type = 'complete' AND (seq <> run.last_seq OR payload->>'status' <> run.status))""",
    "I2 a node's row is not what its last frame says": """
        SELECT run_id, node_id, node.status, told.type FROM flex_plan_nodes AS node
          JOIN LATERAL (SELECT type FROM flex_events AS e WHERE e.run_id = node.run_id AND e.node_id = node.node_id
                           AND type IN ('node_start', 'node_complete', 'node_error', 'node_retry', 'hitl_request')
                         ORDER BY seq DESC LIMIT 1) AS told ON true
         WHERE (told.type = 'node_complete') <> (node.status = 'completed') AND node.status <> 'superseded'
            OR (told.type = 'node_error' AND node.status NOT IN ('error', 'awaiting_hitl', 'cancelled'))""",
    "I3 a node has two results, neither of which was asked for again": """
        SELECT run_id, node_id, count(*) FROM flex_events WHERE type = 'node_complete'
         GROUP BY run_id, node_id, plan_version
        HAVING count(*) > 1 + (SELECT count(*) FROM flex_events AS e WHERE e.run_id = flex_events.run_id
                                  AND e.type = 'validation_error')""",
    "I6 a run has not consumed what its frames and drafts tell": """
        SELECT run_id, prompt_tokens, completion_tokens, cost, told FROM flex_runs
          JOIN (SELECT run_id, array[sum((usage->>'promptTokens')::float), sum((usage->>'completionTokens')::float),
                                     sum((usage->>'cost')::float)] AS told
                  FROM (SELECT run_id, '{"promptTokens": 0, "completionTokens": 0, "cost": 0}' AS usage FROM flex_runs
                        UNION ALL SELECT run_id, payload->'usage' FROM flex_events WHERE type <> 'complete'
                        UNION ALL SELECT run_id, usage FROM flex_plan_drafts) AS one
                 GROUP BY run_id) AS sums USING (run_id)
          LEFT JOIN (SELECT run_id, payload->'usage' AS usage FROM flex_events WHERE type = 'complete') AS last
               USING (run_id)
         WHERE EXISTS (SELECT FROM unnest(array[prompt_tokens, completion_tokens, cost], told,
                                          array[(usage->>'promptTokens')::float, (usage->>'completionTokens')::float,
                                                (usage->>'cost')::float]) AS one (booked, told, at_the_end)
                        WHERE abs(coalesce(at_the_end, booked) - told) > 1e-6 OR booked < told - 1e-6)""",
    "I5 a lease is over and nobody has looked": """
        SELECT run_id, node_id FROM flex_plan_nodes JOIN flex_runs USING (run_id)
         WHERE flex_plan_nodes.status = 'running' AND lease_until < clock_timestamp() - interval '20 s'
            OR flex_plan_nodes.status = 'running' AND flex_runs.status IN ('completed', 'failed', 'cancelled')""",
    "I5 nobody has looked at a run that was due": """
        SELECT run_id, status FROM flex_runs
         WHERE status NOT IN ('completed', 'failed', 'cancelled') AND wake_at < clock_timestamp() - interval '30 s'""",
}
"""One query per promise; each row that it finds is a breach.

I6: what comes back behind the last frame of a run is paid for all the same, so that a run that has ended may have
consumed more than its last frame tells, and that alone.
"""


def broken_by_rows(database_url: str) -> list[str]:
    """Return what the tables hold that must not be; sessions that were forgotten inside a transaction too."""
    with closing(psycopg2.connect(database_url.replace("+psycopg2", ""))) as connection:
        connection.set_session(readonly=True, isolation_level="REPEATABLE READ")
        with connection.cursor() as cursor:
            found = []
            for promise, query in BROKEN_BY_ROWS.items():
                cursor.execute(query)
                found += [f"{promise}: {row}" for row in cursor.fetchall()]
            cursor.execute(
                "SELECT pid, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND state LIKE 'idle in transaction%' AND state_change < clock_timestamp() - interval '10 s'"
            )
            return found + [f"I9 a transaction was left open: {row}" for row in cursor.fetchall()]


def broken_in_redis(redis_url: str) -> list[str]:
    """Return the keys that would stay for ever.

    A worker that is killed between taking a message and acknowledging it leaves one in `flex:unacked` for an hour,
    after which it is delivered to no effect: its run has gone on without it long before.
    """
    with closing(redis.Redis.from_url(redis_url, socket_timeout=5)) as client:
        keys = [key.decode() for key in client.scan_iter(count=1000)]
        lasting = [key for key in keys if client.ttl(key) == -1 and not key.startswith(LASTING_KEYS)]
        return [f"I7 a key without an end: {key}" for key in lasting]


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client asked and was told; None when it heard nothing: it may have happened or not."""

    name: str
    run_id: str | None
    told: Any


@dataclass
class History:
    """What clients asked and were told, from any thread, to be held against what is stored."""

    operations: list[Operation] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, name: str, run_id: str | None, told: Any) -> None:
        with self._lock:
            self.operations.append(Operation(name, run_id, told))

    def of(self, name: str) -> list[Operation]:
        return [operation for operation in self.operations if operation.name == name]

    def broken(self, stored: dict[str, Sequence[Frame]]) -> list[str]:
        """Return the breaches; `stored` is what each run's log holds in the end.

        Acknowledged runs exist; a client never reads a number that is not above its last one; of the decisions of one
        request at most one was accepted.
        """
        lost = {o.run_id for o in self.of("start") if o.told} - set(stored)
        found = [f"an acknowledged run is not there: {run_id}" for run_id in lost]
        for read in self.of("read"):
            ids = [int(frame["id"]) for frame in read.told or ()]
            if ids != list(range(1, len(ids) + 1)):
                found.append(f"{read.run_id} was read as {ids}")
            kept = [frame["id"] for frame in stored.get(read.run_id or "", ())]
            if kept[: len(ids)] != [str(number) for number in ids]:
                found.append(f"{read.run_id} told frames that are not stored")
        decided = Counter(o.run_id for o in self.of("decide") if o.told is True)
        return found + [f"{run_id} was decided {count} times" for run_id, count in decided.items() if count > 1]
