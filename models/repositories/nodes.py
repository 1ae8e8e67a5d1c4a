"""The nodes of runs: claimed by one worker at a time, settled once, counted down for those that wait for them.

Every change of a node stands in a transaction that took the run's lock first (`EventLog.reserve`). A claim is one
conditional UPDATE: whoever changes no row has lost and goes away quietly. A result is stored only by the worker that
still holds the lease of that very attempt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, and_, func, insert, select, tuple_, update

from models.database import dumps
from models.errors import LeaseLostError
from models.events.frames import Draft, timestamp_text
from models.events.log import EventLog
from models.repositories.runs import Held, Run, seconds
from models.repositories.settling import NOTE_DISPATCH, OUTPUTS, SETTLE, SETTLE_AT_ONCE, STATES, TAKE
from models.scope import Repository, Source
from models.tables import flex_plan_nodes, flex_runs
from models.tables.base import clock
from planner.plan.delta import Delta
from planner.plan.graph import Node, PlanGraph
from planner.progress.state import STARTABLE, NodeState

nodes = flex_plan_nodes.c

NO_LEASE: Mapping[str, Any] = {"worker": None, "lease_until": None, "deadline": None}


@dataclass(frozen=True, slots=True)
class Presence:
    """When the node's capability was last seen, by the registry `at` the claim; None when it was not active then."""

    last_seen_at: datetime | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at one node, held by one worker under the epoch in which it was dispatched.

    `capability` is not known for a further attempt that began in place.
    """

    run_id: str
    tenant_id: str
    node_id: str
    worker: str
    epoch: int
    plan_version: int
    correlation_id: str
    state: NodeState
    capability: Presence | None = None

    @property
    def attempt(self) -> int:
        return self.state.attempt


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt gave: `output` is facet → value, `usage` {promptTokens, completionTokens, cost}."""

    output: Mapping[str, Any]
    provenance: Mapping[str, Any]
    usage: Mapping[str, Any]
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Settled:
    """A stored result: `closed` are the nodes that now wait for nobody, under the plan version in force, at `at`."""

    closed: frozenset[str]
    plan_version: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """A settled node: `closed` are those that now wait for nobody, `following` is the claim on the next one."""

    closed: frozenset[str]
    following: Claim | None


class ClaimRefusedError(LeaseLostError):
    """The node is not to be had: another worker has it, it is done, or the run no longer moves."""

    code = "claim_refused"


class NodeRepository(Repository):
    """Nodes of one tenant's runs."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def install(self, run: Run, plan: PlanGraph) -> None:
        """Store the nodes of a run's first plan, each with the count of parents that it waits for."""
        rows = [_new_row(run, plan, plan.node(node_id)) for node_id in plan.order]
        self.connection.execute(insert(flex_plan_nodes), rows)

    def follow(self, run: Run, delta: Delta) -> None:
        """Go over to the next version of a run's plan: retire what it does not hold, add what is new, keep the rest.

        Finished work stays as it is. What runs keeps its lease and its attempt. What is still to run takes the form
        that it has now and, if that is another one, starts with its first candidate.
        """
        plan, known = delta.plan, self.states(run.run_id)
        retired = [node_id for node_id in delta.retired if node_id in known]
        if retired:
            self.change(run.run_id, retired, status="superseded", **NO_LEASE)
        changed = {change.node_id for change in delta.diff.changed}
        for node_id in plan.order:
            if node_id in known and node_id not in delta.locked:
                self.change(run.run_id, [node_id], **_carried_on(plan, delta, node_id, anew=node_id in changed))
        rows = [_new_row(run, plan, plan.node(node_id)) for node_id in plan.order if node_id not in known]
        if rows:
            self.connection.execute(
                insert(flex_plan_nodes), [{**row, "waiting": delta.waiting[row["node_id"]]} for row in rows]
            )

    def states(self, run_id: str) -> dict[str, NodeState]:
        """Return the state of every node of a run."""
        rows = STATES.run(self.connection, run_id=run_id, tenant=self.tenant_id)
        return {row["node_id"]: _state(row) for row in rows}

    def statuses(self, run_id: str) -> dict[str, str]:
        """Return the status of every node of a run, those of earlier plan versions too."""
        statement = select(nodes.node_id, nodes.status).where(nodes.run_id == run_id, self.mine(flex_plan_nodes))
        return {row.node_id: row.status for row in self.connection.execute(statement)}

    def outputs(self, run_id: str, node_ids: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the outputs (facet → value) of completed nodes, of all or of `node_ids`."""
        wanted = None if node_ids is None else list(node_ids)
        rows = OUTPUTS.run(self.connection, run_id=run_id, tenant=self.tenant_id, node_ids=wanted)
        return {row["node_id"]: row["output"] for row in rows}

    def list(self, run_id: str) -> list[dict[str, Any]]:
        """Return the rows of a run's nodes as the debug reply shows them, in the order in which they were made."""
        statement = (
            select(flex_plan_nodes)
            .where(nodes.run_id == run_id, self.mine(flex_plan_nodes))
            .order_by(nodes.created_at, nodes.node_id)
        )
        return [_as_json(row) for row in self.connection.execute(statement).mappings()]

    def claim(self, run_id: str, node_id: str, *, epoch: int, worker: str, lease: float) -> tuple[Claim, datetime]:
        """Take a ready node of a running run and return it with the moment; the caller records its `node_start`.

        Raises ClaimRefusedError, upon which the transaction must be given up.
        """
        row = TAKE.one(self.connection, run_id=run_id, node_id=node_id, epoch=epoch, worker=worker, lease=lease)
        if row is None:
            raise ClaimRefusedError(data={"runId": run_id, "nodeId": node_id})
        claim = Claim(
            run_id=run_id,
            tenant_id=row["tenant_id"],
            node_id=node_id,
            worker=worker,
            epoch=row["epoch"],
            plan_version=row["plan_version"],
            correlation_id=row["correlation_id"],
            state=_state(row),
            capability=Presence(row["capability_seen_at"], row["started_at"]),
        )
        return claim, row["started_at"]

    def complete(self, claim: Claim, result: Result, *, successors: Sequence[str]) -> Settled:
        """Store a result and count down the `successors`, those that wait for it in the claim's version of the plan.

        Where a newer version is in force, nothing is counted: the caller counts that one's down. It also records the
        `node_complete`. Raises LeaseLostError, upon which the transaction must be given up.
        """
        row = SETTLE.one(
            self.connection,
            run_id=claim.run_id,
            node_id=claim.node_id,
            worker=claim.worker,
            attempt=claim.attempt,
            plan_version=claim.plan_version,
            output=dumps(result.output),
            provenance=dumps(result.provenance),
            usage=dumps(result.usage),
            duration_ms=result.duration_ms,
            successors=list(successors),
        )
        if row is None or row["settled"] != 1:
            raise LeaseLostError(data={"runId": claim.run_id, "nodeId": claim.node_id, "attempt": claim.attempt})
        return Settled(frozenset(row["closed"]), row["plan_version"], row["now"])

    def settle(
        self,
        claim: Claim,
        result: Result,
        *,
        told: Draft,
        successors: Sequence[str],
        ahead: str | None,
        start: Draft | None,
        lease: float,
    ) -> Moved | None:
        """Do in one statement what `complete`, `claim` of the node `ahead` and the log's `record` do.

        `told` is the `node_complete`, `start` the first `node_start` of `ahead`, which is taken only if this closes it
        and it was never tried. None where a newer version is in force: then nothing has happened. Raises
        LeaseLostError.
        """
        row = SETTLE_AT_ONCE.one(
            self.connection,
            run_id=claim.run_id,
            node_id=claim.node_id,
            worker=claim.worker,
            attempt=claim.attempt,
            plan_version=claim.plan_version,
            epoch=claim.epoch,
            output=dumps(result.output),
            provenance=dumps(result.provenance),
            usage=dumps(result.usage),
            duration_ms=result.duration_ms,
            successors=list(successors),
            ahead=ahead,
            lease=lease,
            told=_as_told(told),
            start=None if start is None else _as_told(start),
        )
        if row is None or row["o_outcome"] == "lost":
            raise LeaseLostError(data={"runId": claim.run_id, "nodeId": claim.node_id, "attempt": claim.attempt})
        if row["o_outcome"] == "overtaken":
            return None
        drafts = [told, start] if row["o_taken"] and start is not None else [told]
        self._log.note_written(claim.run_id, drafts, {**row, "plan_version": claim.plan_version})
        following = None
        if row["o_taken"]:
            state = NodeState(str(ahead), status="running", attempt=1)
            presence = Presence(row["o_capability_seen_at"], row["o_at"])
            following = replace(claim, node_id=str(ahead), state=state, capability=presence)
        return Moved(frozenset(row["o_closed"]), following)

    def count_down(self, run_id: str, successors: Sequence[str]) -> tuple[str, ...]:
        """Tell `successors` that one more parent has settled; return those that now wait for nobody."""
        if not successors:
            return ()
        statement = (
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.node_id.in_(list(successors)))
            .values(waiting=nodes.waiting - 1)
            .returning(nodes.node_id, nodes.waiting)
        )
        return tuple(row.node_id for row in self.connection.execute(statement) if row.waiting == 0)

    def try_again(
        self,
        claim: Claim,
        drafts: Sequence[Draft],
        *,
        lease: float,
        usage: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> Claim | None:
        """Begin the node's next attempt in place, under a new lease; the last of `drafts` is its `node_start`.

        In a run that may not move any more the node is left to be retried, without that last frame, and None is
        returned. Raises LeaseLostError, upon which the transaction must be given up.
        """
        changes = {**_wake_within(lease), **_spent(usage)}
        movable = and_(flex_runs.c.epoch == claim.epoch, flex_runs.c.status == "running")
        held = self._log.reserve(claim.run_id, len(drafts) - 1, more=(movable, 1), changes=changes)
        if held is None:
            raise LeaseLostError(data={"runId": claim.run_id})
        self._log.write(held, drafts[: held.count])
        if held.count < len(drafts):
            self._store(claim, {**NO_LEASE, "status": "retrying", "dispatched_at": None, **values})
            return None
        self._store(claim, {"attempt": nodes.attempt + 1, "started_at": clock, **_lease(lease), **values})
        return replace(claim, state=self._reread(claim), capability=None)

    def leave(
        self, claim: Claim, drafts: Sequence[Draft], *, usage: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        """End the attempt without a result: the node waits, is handed on or has failed, as `values` say.

        Raises LeaseLostError, upon which the transaction must be given up.
        """
        self._log.append(claim.run_id, *drafts, changes={"wake_at": clock, **_spent(usage)})
        self._store(claim, {**NO_LEASE, **values})

    def change(self, run_id: str, node_ids: Sequence[str], **values: Any) -> None:
        """Set columns of nodes of a run whose lock is held."""
        self.connection.execute(
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.node_id.in_(node_ids), self.mine(flex_plan_nodes))
            .values(updated_at=clock, **values)
        )

    def forget_dispatch(self, run_id: str) -> None:
        """Let what has been published and not been claimed be published anew: nobody can claim it any more."""
        self.connection.execute(
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.status.in_(tuple(STARTABLE)), self.mine(flex_plan_nodes))
            .values(dispatched_at=None, dispatch_count=0)
        )

    def note_dispatch(self, run_id: str, node_ids: Sequence[str]) -> None:
        """Remember that a message for these nodes is about to be published."""
        NOTE_DISPATCH.run(self.connection, run_id=run_id, node_ids=list(node_ids))

    def extend_leases(self, worker: str, lease: float, held: Collection[Held]) -> set[Held]:
        """Extend those leases of `worker` that it says it works on, none past its deadline; return those still held.

        A node whose attempt broke is not among `held`: its lease ends although its worker lives.
        """
        key = tuple_(nodes.run_id, nodes.node_id, nodes.attempt)
        statement = (
            update(flex_plan_nodes)
            .where(nodes.worker == worker, nodes.status == "running", key.in_(list(held)))
            .values(lease_until=func.least(clock + seconds(lease), nodes.deadline))
            .returning(nodes.run_id, nodes.node_id, nodes.attempt)
        )
        return {(row.run_id, row.node_id, row.attempt) for row in self.connection.execute(statement)}

    def end_leases(self, run_id: str, node_ids: Sequence[str]) -> None:
        """End leases whose holder is known to be gone, so that nobody waits for them to run out."""
        self.connection.execute(
            update(flex_plan_nodes)
            .where(nodes.run_id == run_id, nodes.node_id.in_(node_ids), nodes.status == "running")
            .values(lease_until=clock)
        )

    def _store(self, claim: Claim, values: Mapping[str, Any]) -> None:
        changed = self.connection.execute(
            update(flex_plan_nodes)
            .where(
                nodes.run_id == claim.run_id,
                nodes.node_id == claim.node_id,
                nodes.worker == claim.worker,
                nodes.attempt == claim.attempt,
                nodes.status == "running",
            )
            .values(updated_at=clock, **values)
        )
        if changed.rowcount != 1:
            raise LeaseLostError(data={"runId": claim.run_id, "nodeId": claim.node_id, "attempt": claim.attempt})

    def _reread(self, claim: Claim) -> NodeState:
        statement = select(*_STATE_COLUMNS).where(nodes.run_id == claim.run_id, nodes.node_id == claim.node_id)
        return _state(self.connection.execute(statement).mappings().one())


_STATE_COLUMNS = (
    nodes.node_id,
    nodes.status,
    nodes.waiting,
    nodes.attempt,
    nodes.tries,
    nodes.repair,
    nodes.crashes,
    nodes.candidate,
    nodes.lease_until,
    nodes.deadline,
    nodes.retry_at,
    nodes.dispatched_at,
    nodes.dispatch_count,
    nodes.findings,
    nodes.error,
)


def _state(row: Mapping[str, Any] | RowMapping) -> NodeState:
    values = {column.name: row[column.name] for column in _STATE_COLUMNS}
    return NodeState(**{**values, "findings": tuple(values["findings"])})


def _as_told(draft: Draft) -> str:
    return dumps({"payload": draft.payload, "facet_provenance": draft.facet_provenance})


def _spent(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Add what an attempt consumed to what the run has."""
    return {
        "prompt_tokens": flex_runs.c.prompt_tokens + usage.get("promptTokens", 0),
        "completion_tokens": flex_runs.c.completion_tokens + usage.get("completionTokens", 0),
        "cost": flex_runs.c.cost + usage.get("cost", 0.0),
    }


def _wake_within(lease: float) -> dict[str, Any]:
    """Let the sweep look when this lease ends, or sooner if something else is due sooner."""
    return {"wake_at": func.least(flex_runs.c.wake_at, clock + seconds(lease)), "nudges": 0}


def _lease(lease: float) -> dict[str, Any]:
    deadline = clock + func.make_interval(0, 0, 0, 0, 0, 0, nodes.timeout_seconds)
    return {"lease_until": func.least(clock + seconds(lease), deadline), "deadline": deadline}


def _new_row(run: Run, plan: PlanGraph, node: Node) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "tenant_id": run.tenant_id,
        "node_id": node.id,
        "identity": node.identity.key,
        "plan_version": plan.version,
        "kind": node.kind,
        "capability_id": node.capability_id,
        "label": node.label,
        "timeout_seconds": node.timeout_seconds,
        "waiting": len(plan.parents(node.id)),
    }


def _carried_on(plan: PlanGraph, delta: Delta, node_id: str, *, anew: bool) -> dict[str, Any]:
    node = plan.node(node_id)
    form = {"kind": node.kind, "label": node.label, "timeout_seconds": node.timeout_seconds}
    first: dict[str, Any] = {
        "capability_id": node.capability_id,
        "candidate": 0,
        "tries": 0,
        "crashes": 0,
        "findings": [],
    }
    place = {"waiting": delta.waiting[node_id], "dispatched_at": None, "dispatch_count": 0}
    return {**form, **place, **(first if anew else {}), "plan_version": plan.version}


def _as_json(row: RowMapping) -> dict[str, Any]:
    def moment(value: datetime | None) -> str | None:
        return None if value is None else timestamp_text(value)

    return {
        "nodeId": row["node_id"],
        "identity": row["identity"],
        "kind": row["kind"],
        "capabilityId": row["capability_id"],
        "label": row["label"],
        "status": row["status"],
        "planVersion": row["plan_version"],
        "changedByPolicy": row["changed_by_policy"],
        "waiting": row["waiting"],
        "attempt": row["attempt"],
        "output": row["output"],
        "provenance": row["provenance"],
        "error": row["error"],
        "usage": row["usage"],
        "durationMs": row["duration_ms"],
        "startedAt": moment(row["started_at"]),
        "completedAt": moment(row["completed_at"]),
    }
