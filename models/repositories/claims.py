"""What a worker does with a node that it holds: takes it, tries again, settles it, gives it up.

A claim is one conditional UPDATE: whoever changes no row has lost and goes away quietly. A result is stored only by the
worker that still holds the lease of that very attempt. As with every change of a node, the run's lock comes first.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select, update

from models.database import dumps
from models.errors import LeaseLostError
from models.events.frames import Draft
from models.events.log import EventLog
from models.repositories.nodes import NO_LEASE, STATE_COLUMNS, node_state
from models.repositories.runs import Held, seconds
from models.repositories.settling import EXTEND, SETTLE, TAKE
from models.scope import Repository, Source
from models.tables import flex_plan_nodes, flex_runs
from models.tables.base import clock
from planner.progress.state import TERMINAL, NodeState

nodes = flex_plan_nodes.c


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


class ClaimRefusedError(LeaseLostError):
    """The node is not to be had: another worker has it, it is done, or the run no longer moves."""

    code = "claim_refused"


class ClaimRepository(Repository):
    """The leases that workers hold on nodes of one tenant's runs."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def take(self, run_id: str, node_id: str, *, epoch: int, worker: str, lease: float) -> tuple[Claim, datetime]:
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
            state=node_state(row),
            capability=Presence(row["capability_seen_at"], row["started_at"]),
        )
        return claim, row["started_at"]

    def complete(self, claim: Claim, result: Result, *, successors: Sequence[str]) -> Settled:
        """Store a result and count down the `successors`, those that wait for it in the claim's version of the plan.

        Where a newer version is in force, nothing is counted: the caller counts that one's down. It also records the
        `node_complete`. Raises LeaseLostError, upon which the transaction must be given up.
        """
        given = settling(claim, result, successors)
        written = {name: dumps(given[name]) for name in ("output", "provenance", "usage")}
        row = SETTLE.one(self.connection, **given | written)
        if row is None or row["settled"] != 1:
            raise lease_lost(claim)
        return Settled(frozenset(row["closed"]), row["plan_version"], row["now"])

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

    def extend(self, worker: str, lease: float, held: Collection[Held]) -> set[Held]:
        """Extend those leases of `worker` that it says it works on, none past its deadline; return those still held.

        A node whose attempt broke is not among `held`: its lease ends although its worker lives.
        """
        run_ids, node_ids, attempts = zip(*held, strict=True) if held else ((), (), ())
        rows = EXTEND.run(
            self.connection,
            worker=worker,
            lease=lease,
            run_ids=list(run_ids),
            node_ids=list(node_ids),
            attempts=list(attempts),
        )
        return {(row["run_id"], row["node_id"], row["attempt"]) for row in rows}

    def book(self, claim: Claim, told: Draft, usage: Mapping[str, Any]) -> None:
        """Add what an attempt consumed whose outcome is nobody's: it was paid for all the same.

        A run that has ended says no more of it: its last frame stands.
        """
        goes_on = flex_runs.c.status.not_in(tuple(TERMINAL))
        held = self._log.reserve(claim.run_id, 0, more=(goes_on, 1), changes=_spent(usage))
        if held is not None:
            self._log.write(held, [told][: held.count])

    def end(self, run_id: str, node_ids: Sequence[str]) -> None:
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
            raise lease_lost(claim)

    def _reread(self, claim: Claim) -> NodeState:
        statement = select(*STATE_COLUMNS).where(nodes.run_id == claim.run_id, nodes.node_id == claim.node_id)
        return node_state(self.connection.execute(statement).mappings().one())


def settling(claim: Claim, result: Result, successors: Sequence[str]) -> dict[str, Any]:
    """Return what every statement that settles a node is given."""
    return {
        "run_id": claim.run_id,
        "node_id": claim.node_id,
        "worker": claim.worker,
        "attempt": claim.attempt,
        "plan_version": claim.plan_version,
        "output": result.output,
        "provenance": result.provenance,
        "usage": result.usage,
        "duration_ms": result.duration_ms,
        "successors": list(successors),
    }


def lease_lost(claim: Claim) -> LeaseLostError:
    """Return the error of an attempt that holds its node no longer."""
    return LeaseLostError(data={"runId": claim.run_id, "nodeId": claim.node_id, "attempt": claim.attempt})


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
