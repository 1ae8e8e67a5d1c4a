"""Questions to people: asked by the run loop, answered once, by whoever is first."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, insert, select, update

from models.errors import AlreadyResolvedError, HitlRequestNotFoundError, InvalidRunStateError
from models.events.frames import Draft, timestamp_text
from models.events.log import EventLog
from models.repositories.runs import Run
from models.scope import Repository, Source
from models.settings import get_settings
from models.tables import flex_runs, hitl_requests, hitl_responses
from models.tables.base import clock
from planner.progress.answers import check_answer, decision_of, response_type
from planner.progress.state import RequestState

requests = hitl_requests.c


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A question to ask: `payload` is what the person is shown, `contract_summary` what an output must fit.

    `usage` is what the attempt consumed that ends with the question, to be told of in the same frame.
    """

    node_id: str
    kind: str
    purpose: str
    origin_agent: str | None
    payload: Mapping[str, Any]
    operator_prompt: str
    contract_summary: Mapping[str, Any]
    expires_at: datetime | None = None
    usage: Mapping[str, Any] | None = None


class HitlRepository(Repository):
    """Requests and responses of one tenant."""

    def __init__(self, connection: Source, tenant_id: str | None, log: EventLog) -> None:
        super().__init__(connection, tenant_id)
        self._log = log

    def ask(self, run: Run, request: NewRequest) -> Draft:
        """Store a request of a run whose lock is held; return the frame that tells of it, to be written with it.

        A run has at most HITL_MAX_REQUESTS open ones; the next is put to people by `open_waiting`, in its turn.
        """
        waits = self._free_places(run.run_id) < 1
        request_id = f"hitl_{uuid.uuid4().hex}"
        row = self.connection.execute(
            insert(hitl_requests)
            .values(
                request_id=request_id,
                tenant_id=run.tenant_id,
                run_id=run.run_id,
                thread_id=run.thread_id,
                plan_version=run.plan_version,
                node_id=request.node_id,
                kind=request.kind,
                purpose=request.purpose,
                status="waiting" if waits else "pending",
                origin_agent=request.origin_agent,
                payload=dict(request.payload),
                operator_prompt=request.operator_prompt,
                contract_summary=dict(request.contract_summary),
                expires_at=request.expires_at,
            )
            .returning(*hitl_requests.c)
        ).mappings()
        told = {} if request.usage is None else {"usage": dict(request.usage)}
        if waits:
            message = "A person will be asked about this node once an open request of the run has been answered."
            return Draft("log", {"level": "info", **told}, node_id=request.node_id, message=message)
        return _asked(row.one(), **told)

    def open_waiting(self, run: Run) -> list[Draft]:
        """Put as many waiting requests of a run whose lock is held to people as there are places; return the frames."""
        turn = (
            select(requests.request_id)
            .where(requests.run_id == run.run_id, requests.status == "waiting")
            .order_by(requests.created_at)
            .limit(max(0, self._free_places(run.run_id)))
        )
        opened = self.connection.execute(
            update(hitl_requests)
            .where(requests.request_id.in_(turn), self.mine(hitl_requests))
            .values(status="pending", updated_at=clock)
            .returning(*hitl_requests.c)
        ).mappings()
        return [_asked(row) for row in sorted(opened, key=lambda row: row["created_at"])]

    def _free_places(self, run_id: str) -> int:
        statement = select(func.count()).where(requests.run_id == run_id, requests.status == "pending")
        return get_settings().hitl_max_requests - int(self.connection.execute(statement).scalar_one())

    def open_states(self, run_id: str) -> tuple[RequestState, ...]:
        """Return what the run loop must know: unanswered requests, and answered ones whose node still waits."""
        looked_at = requests.status.in_(("pending", "waiting", "resolved"))
        statement = (
            select(hitl_requests)
            .where(requests.run_id == run_id, looked_at, self.mine(hitl_requests))
            .order_by(requests.created_at)
        )
        rows = self.connection.execute(statement).mappings().all()
        answers = self._responses([row["request_id"] for row in rows if row["status"] == "resolved"])
        latest = {row["node_id"]: row["request_id"] for row in rows}
        return tuple(
            RequestState(
                request_id=row["request_id"],
                node_id=row["node_id"],
                purpose=row["purpose"],
                created_at=row["created_at"],
                expires_at=row["expires_at"],
                answer=_answer(answers[row["request_id"]]) if row["status"] == "resolved" else None,
            )
            for row in rows
            if latest[row["node_id"]] == row["request_id"]
        )

    def clarifications(self, run_id: str, node_id: str) -> tuple[dict[str, Any], ...]:
        """Return {question, answer} of every question about this node that was answered in words."""
        statement = (
            select(requests.payload, hitl_responses.c.response)
            .join(hitl_responses, hitl_responses.c.request_id == requests.request_id)
            .where(
                requests.run_id == run_id,
                requests.node_id == node_id,
                requests.purpose.in_(("clarify", "approval")),
                self.mine(hitl_requests),
            )
            .order_by(requests.created_at)
        )
        return tuple(
            {"question": row.payload["question"], "answer": decision_of([row.response]).text}
            for row in self.connection.execute(statement)
        )

    def pending(self) -> list[dict[str, Any]]:
        """Return open requests with their runs, newest first, in the shape of `GET /api/hitl/pending`."""
        statement = (
            select(
                hitl_requests, flex_runs.c.status.label("run_status"), flex_runs.c.updated_at.label("run_updated_at")
            )
            .join(flex_runs, flex_runs.c.run_id == requests.run_id)
            .where(requests.status == "pending", self.mine(hitl_requests))
            .order_by(requests.created_at.desc())
        )
        return [
            {
                "runId": row["run_id"],
                "threadId": row["thread_id"],
                "briefId": None,
                "pendingRequestId": row["request_id"],
                "status": row["run_status"],
                "updatedAt": timestamp_text(row["run_updated_at"]),
                "executionContext": "flex",
                "pendingRequest": request_json(row),
            }
            for row in self.connection.execute(statement).mappings()
        ]

    def of_run(self, run_id: str) -> list[dict[str, Any]]:
        """Return every request of a run, oldest first."""
        statement = (
            select(hitl_requests)
            .where(requests.run_id == run_id, self.mine(hitl_requests))
            .order_by(requests.created_at)
        )
        return [request_json(row) for row in self.connection.execute(statement).mappings()]

    def resolve(
        self,
        request_id: str,
        responses: Sequence[Mapping[str, Any]],
        *,
        operator: Mapping[str, Any] | None = None,
        note: str | None = None,
        run_id: str | None = None,
    ) -> dict[str, Any]:
        """Record a decision as one compare-and-set; the run loop applies it.

        Raises HitlRequestNotFoundError; AlreadyResolvedError, which names the winner; InvalidRunStateError for a run
        that has ended; InvalidInputError naming every fault when the answer does not fit the node's contract.
        """
        row = self._request(request_id, run_id)
        node_schema = self._output_schema(row)
        offered = [option["id"] for option in row["payload"].get("options", ())]
        check_answer(row["purpose"], responses, node_schema, offered)
        held = self._log.reserve(row["run_id"], 1, changes={"wake_at": clock, "nudges": 0})
        if held is None or held.status in {"completed", "failed", "cancelled", "cancelling"}:
            raise InvalidRunStateError("The run has ended; its requests are closed.", data={"runId": row["run_id"]})
        if held.status == "planning":
            message = "The run is being planned anew, which may close this request; answer when it goes on."
            raise InvalidRunStateError(message, data={"runId": row["run_id"], "status": held.status})
        resolved = self._settle(row, operator, note)
        stored = self._store_responses(row, responses, operator)
        frame = {"request": {**request_json(resolved), "responses": stored, "resolvedAt": timestamp_text(held.now)}}
        self._log.write(held, [Draft("hitl_resolved", frame, node_id=row["node_id"])])
        decision = decision_of(responses)
        return {
            "ok": True,
            "runId": row["run_id"],
            "status": "running",
            "pendingRequestId": None,
            "requests": [request_json(resolved)],
            "responses": stored,
            "decision": {"kind": decision.kind, "requestId": request_id},
            "action": "resume",
        }

    def close(self, run_id: str, node_ids: Sequence[str]) -> list[str]:
        """Close the open requests of nodes that are given up; return their ids. The end of a run closes all."""
        statement = (
            update(hitl_requests)
            .where(
                requests.run_id == run_id,
                requests.status.in_(("pending", "waiting")),
                requests.node_id.in_(list(node_ids)),
                self.mine(hitl_requests),
            )
            .values(status="cancelled", updated_at=clock)
        )
        return list(self.connection.execute(statement.returning(requests.request_id)).scalars())

    def _request(self, request_id: str, run_id: str | None) -> RowMapping:
        statement = select(hitl_requests).where(requests.request_id == request_id, self.mine(hitl_requests))
        row = self.connection.execute(statement).mappings().one_or_none()
        if row is None or row["status"] == "waiting" or (run_id is not None and row["run_id"] != run_id):
            raise HitlRequestNotFoundError(data={"requestId": request_id})
        if row["status"] != "pending":
            raise self._too_late(row)
        return row

    def _too_late(self, row: RowMapping) -> AlreadyResolvedError:
        data = {"requestId": row["request_id"], "status": row["status"], "resolvedBy": row["resolved_by"]}
        if row["resolved_at"]:
            data["resolvedAt"] = timestamp_text(row["resolved_at"])
        data["responses"] = [r["response"] for r in self._responses([row["request_id"]])[row["request_id"]]]
        return AlreadyResolvedError(data=data)

    def _output_schema(self, row: RowMapping) -> Mapping[str, Any] | None:
        contract = row["contract_summary"].get("contract", {})
        output = contract.get("output")
        return output if isinstance(output, Mapping) else None

    def _settle(self, row: RowMapping, operator: Mapping[str, Any] | None, note: str | None) -> RowMapping:
        resolved = self.connection.execute(
            update(hitl_requests)
            .where(requests.request_id == row["request_id"], requests.status == "pending")
            .values(
                status="resolved", resolved_at=clock, updated_at=clock, note=note, resolved_by=_operator_name(operator)
            )
            .returning(*hitl_requests.c)
        )
        settled = resolved.mappings().one_or_none()
        if settled is not None:
            return settled
        statement = select(hitl_requests).where(requests.request_id == row["request_id"])
        raise self._too_late(self.connection.execute(statement).mappings().one())

    def _store_responses(
        self, row: RowMapping, responses: Sequence[Mapping[str, Any]], operator: Mapping[str, Any] | None
    ) -> list[dict[str, Any]]:
        stored = [
            {
                "id": f"resp_{uuid.uuid4().hex}",
                **response,
                "requestId": row["request_id"],
                "responseType": response_type(response),
            }
            for response in responses
        ]
        values = [
            {
                "response_id": response["id"],
                "tenant_id": row["tenant_id"],
                "request_id": row["request_id"],
                "response_type": response["responseType"],
                "responder_id": response.get("responderId") or (operator or {}).get("id"),
                "response": response,
            }
            for response in stored
        ]
        self.connection.execute(insert(hitl_responses), values)
        return stored

    def _responses(self, request_ids: Sequence[str]) -> dict[str, list[RowMapping]]:
        if not request_ids:
            return {}
        statement = (
            select(hitl_responses)
            .where(hitl_responses.c.request_id.in_(request_ids))
            .order_by(hitl_responses.c.created_at, hitl_responses.c.response_id)
        )
        found: dict[str, list[RowMapping]] = {request_id: [] for request_id in request_ids}
        for row in self.connection.execute(statement).mappings():
            found[row["request_id"]].append(row)
        return found


def request_json(row: RowMapping) -> dict[str, Any]:
    """Return a request as clients see it."""
    body = {
        "id": row["request_id"],
        "runId": row["run_id"],
        "threadId": row["thread_id"],
        "originAgent": row["origin_agent"],
        "payload": row["payload"],
        "status": row["status"],
        "createdAt": timestamp_text(row["created_at"]),
        "updatedAt": timestamp_text(row["updated_at"]),
        "pendingNodeId": row["node_id"],
        "operatorPrompt": row["operator_prompt"],
        "contractSummary": row["contract_summary"],
    }
    if row["expires_at"]:
        body["expiresAt"] = timestamp_text(row["expires_at"])
    return body


def _asked(row: RowMapping, **told: Any) -> Draft:
    payload = {"request": request_json(row), **told}
    return Draft("hitl_request", payload, node_id=row["node_id"], message=row["operator_prompt"])


def _answer(rows: Sequence[RowMapping]) -> Mapping[str, Any]:
    return decision_of([row["response"] for row in rows]).as_json()


def _operator_name(operator: Mapping[str, Any] | None) -> str | None:
    given = operator or {}
    name = given.get("displayName") or given.get("id") or given.get("email")
    return None if name is None else str(name)
