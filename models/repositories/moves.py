"""Going on: a node settled, the next one begun, lanes offered and all of it told, in one statement.

The worker says what it wants to go on with; what is not to be had is left alone. The statement is a transaction by
itself, and stands inside one where the run's lock is held already. Moves that are by themselves share their
transaction with those of other threads. In such a group none waits for a run that somebody else holds: it would make
strangers wait, and two groups could wait for each other. It is made again, alone and with patience.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

import psycopg2
from sqlalchemy import Connection

from models.database import database_errors, dumps, statements
from models.events.frames import Draft
from models.events.log import EventLog
from models.group_commit import GroupCommit
from models.repositories.claims import Claim, Presence, Result, lease_lost, settling
from models.repositories.settling import GO_ON
from models.scope import Repository, Source
from planner.progress.state import NodeState

Row = Mapping[str, Any]

ROOM_IN_A_GROUP = 64 * 1024
"""How long a move may be, in characters, to be stored together with others: a large one would make them wait."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """A node to begin, in the `state` that it is known to be in; `start` is the `node_start` of its next attempt.

    `wanted` are the nodes whose outputs are to come along.
    """

    state: NodeState
    start: Draft
    wanted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Moved:
    """What going on led to, at once.

    `closed` are nodes that now wait for nobody, `following` the claim on the one that was begun, `outputs` (node id →
    facet → value) what it wanted, empty for those that gave nothing, `beside` those whose lanes are to be published.
    """

    closed: frozenset[str] = frozenset()
    following: Claim | None = None
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wake:
    """When the run wakes at the latest: `within` seconds, or sooner if that was agreed already.

    With `anew` what was agreed is forgotten, and it wakes at the moment `until` if that comes first.
    """

    within: float
    anew: bool = False
    until: datetime | None = None


class MoveRepository(Repository):
    """Moves of one tenant's runs."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def settle(
        self,
        claim: Claim,
        result: Result,
        *,
        told: Draft,
        successors: Sequence[str],
        ahead: Ahead | None,
        beside: Sequence[str],
        lease: float,
        wake: Wake,
        waiting_for: str | None = None,
    ) -> Moved | None:
        """Do in one statement what `complete`, `take` of the node `ahead` and the log's `record` do, and more.

        `told` is the `node_complete`. The node `ahead` is begun if this closes it, and those of `beside` are noted as
        published. None where a newer version is in force: then nothing has happened. Raises LeaseLostError.
        """
        row = self._go_on(
            **settling(claim, result, successors),
            **_going_on(ahead, beside, wake, waiting_for),
            epoch=claim.epoch,
            lease=lease,
            told=_as_told(told),
        )
        if row["o_outcome"] == "lost":
            raise lease_lost(claim)
        return None if row["o_outcome"] == "overtaken" else self._moved(claim, row, ahead, [told])

    def begin(
        self,
        run_id: str,
        *,
        epoch: int,
        plan_version: int,
        worker: str,
        lease: float,
        ahead: Ahead | None,
        beside: Sequence[str] = (),
        wake: Wake,
        waiting_for: str | None = None,
        row_version: str | None = None,
    ) -> Moved | None:
        """Begin the node `ahead` if it is ready, tell of it, and note those of `beside` as published: one statement.

        None when none of them is to be had, or a newer version of the plan is in force: then nothing has happened. So
        it is when the run has changed since it was seen as `row_version`.
        """
        row = self._go_on(
            **_NOTHING_SETTLED,
            **_going_on(ahead, beside, wake, waiting_for),
            row_version=row_version,
            run_id=run_id,
            epoch=epoch,
            plan_version=plan_version,
            worker=worker,
            lease=lease,
        )
        if row["o_outcome"] != "done":
            return None
        state = NodeState("")
        stand = Claim(run_id, row["o_tenant_id"], "", worker, epoch, plan_version, row["o_correlation_id"], state)
        return self._moved(stand, row, ahead, [])

    def _go_on(self, **move: Any) -> Row:
        wanted = _Move(move["run_id"], move["node_id"] or "", dumps(move))
        row = _NOT_STORED
        if self.by_itself and len(wanted.text) <= ROOM_IN_A_GROUP:
            # Whoever leads the group needs a connection, and those who wait for it could have them all.
            self.give_back()
            row = _OF_ALL_THREADS.send(wanted)
        if row["o_outcome"] == "busy":
            (row,) = _store(self.connection, [wanted], patient=True)
        return row

    def _moved(self, stand: Claim, row: Mapping[str, Any], ahead: Ahead | None, told: list[Draft]) -> Moved:
        """Note the frames that going on has stored, and return where the worker stands now."""
        following = None
        if row["o_taken"] and ahead is not None:
            told = [*told, ahead.start]
            begun = {"waiting": 0, "attempt": ahead.state.attempt + 1, "started_at": row["o_at"]}
            state = replace(ahead.state, status="running", **begun)
            presence = Presence(row["o_capability_seen_at"], row["o_at"])
            following = replace(stand, node_id=state.node_id, state=state, capability=presence)
        if told:
            self._log.note_written(stand.run_id, told, {**row, "plan_version": stand.plan_version})
        wanted = ahead.wanted if following is not None and ahead is not None else ()
        outputs = {node_id: {} for node_id in wanted} | (row["o_outputs"] or {})
        return Moved(frozenset(row["o_closed"]), following, outputs, frozenset(row["o_beside"]))


class _Move(NamedTuple):
    """A move as the statement gets it. Moves that share a transaction happen in the order of runs and settled nodes."""

    run_id: str
    node_id: str
    text: str


def _store(connection: Connection, moves: Sequence[_Move], *, patient: bool) -> list[Row]:
    ordered = sorted(enumerate(moves), key=itemgetter(1))
    numbered = (f'{{"number":{number},{move.text[1:]}' for number, move in ordered)
    rows = GO_ON.run(connection, moves=f"[{','.join(numbered)}]", patient=patient)
    return sorted(rows, key=itemgetter("number"))


def _store_together(moves: Sequence[_Move]) -> list[Row]:
    """Store moves in one transaction; none where one of them breaks it: each is then made by itself."""
    with database_errors(), statements().connect() as connection:
        try:
            return _store(connection, moves, patient=False)
        except psycopg2.Error:
            return [_NOT_STORED] * len(moves)


_OF_ALL_THREADS = GroupCommit(_store_together)

_NOT_STORED: Row = {"o_outcome": "busy"}

_NOTHING_SETTLED: Mapping[str, Any] = {
    **dict.fromkeys(("node_id", "attempt", "output", "provenance", "usage", "duration_ms", "told")),
    "successors": [],
}


def _going_on(ahead: Ahead | None, beside: Sequence[str], wake: Wake, waiting_for: str | None) -> dict[str, Any]:
    return {
        "ahead": None if ahead is None else ahead.state.node_id,
        "tried": None if ahead is None else ahead.state.attempt,
        "start": None if ahead is None else _as_told(ahead.start),
        "wanted": [] if ahead is None else list(ahead.wanted),
        "beside": list(beside),
        "wake_within": wake.within,
        "wake_anew": wake.anew,
        "wake_until": None if wake.until is None else wake.until.isoformat(),
        "waiting_for": waiting_for,
    }


def _as_told(draft: Draft) -> dict[str, Any]:
    return {"payload": draft.payload, "facet_provenance": draft.facet_provenance}
