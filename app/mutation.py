"""The one way in which requests change something: once per Idempotency-Key, with a row in the audit, or not at all.

A view hands in what is to be done within a transaction, and gets back what was done. In that same transaction the key
is claimed, the reply kept for a day and the audit's row written. What was refused before or inside it is undone with
it; its row is written behind the reply, in a transaction of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from flask import Flask, Response, g, jsonify, request

from app import correlation
from app.auth import Caller, peer, tenant
from app.rules import RULES
from models.errors import DatabaseUnavailableError
from models.repositories.audit import Deed
from models.repositories.idempotency import StoredReply
from models.repositories.keys import ApiKey
from models.scope import DEFAULT_TENANT
from models.unit_of_work import UnitOfWork, open_unit
from policies.errors import FlexError
from policies.strict_json import dumps

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_CHARACTERS = 255

logger = structlog.get_logger(__name__)


class InvalidIdempotencyKeyError(FlexError):
    """An Idempotency-Key is 1 to 255 visible ASCII characters."""

    code = "invalid_idempotency_key"


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: the reply's body, status and headers, and what the audit tells of it."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    operator: Mapping[str, Any] | None = None
    run_id: str | None = None
    replayed: bool = False

    def response(self) -> Response:
        reply = jsonify(self.body)
        reply.status_code = self.status
        reply.headers.update(self.all_headers())
        return reply

    def all_headers(self) -> dict[str, str]:
        return {**self.headers, **({REPLAYED: "true"} if self.replayed else {})}


def init_app(app: Flask) -> None:
    """Write a row behind every mutation that was refused."""

    def note_refusal(response: Response) -> Response:
        rule = RULES.get(request.endpoint or "")
        if rule is None or not rule.mutation or g.get("settled"):
            return response
        _note(response.status_code)
        return response

    app.after_request(note_refusal)


def carry_out(raw: Any, work: Callable[[UnitOfWork], Done]) -> Done:
    """Do the work in one transaction, or return what the first request with the same key and body did.

    `raw` is the request's document. Raises what `work` raises, `InvalidIdempotencyKeyError`,
    `IdempotencyInFlightError` and `IdempotencyMismatchError`.
    """
    key = given_key()
    request_hash = _hash(raw) if key else ""
    with open_unit(tenant()) as unit:
        kept = unit.idempotency.claim(key, request_hash) if key else None
        if kept is None:
            done = work(unit)
            if key:
                reply = StoredReply(done.status, done.body, done.headers, done.run_id)
                unit.idempotency.keep(key, request_hash, reply)
            unit.audit.append(_deed(done.status, done.target, done.operator))
        else:
            done = Done(kept.body, kept.status, kept.headers, run_id=kept.run_id, replayed=True)
    g.settled = True
    return done


def given_key() -> str | None:
    """Return the caller's Idempotency-Key. Raises `InvalidIdempotencyKeyError`."""
    key = request.headers.get(HEADER)
    if key is not None and not (0 < len(key) <= MAX_CHARACTERS and all("!" <= one <= "~" for one in key)):
        raise InvalidIdempotencyKeyError
    return key


def _hash(raw: Any) -> str:
    """Return what tells two requests apart: the operation, its address, and the document whatever its spelling."""
    told = dumps([request.method, request.path, raw])
    return hashlib.sha256(told.encode()).hexdigest()


def _note(status: int) -> None:
    """Write the row of a refusal; when even that fails, a log line stands for it."""
    caller: Caller | None = g.get("caller")
    shown: ApiKey | None = g.get("shown_key")
    owner = caller.tenant if caller else shown.tenant_id if shown else DEFAULT_TENANT
    named = next(map(str, (request.view_args or {}).values()), None)
    deed = _deed(status, named and named.replace("\x00", "\N{REPLACEMENT CHARACTER}")[:MAX_CHARACTERS], None)
    try:
        with open_unit(owner) as unit:
            unit.audit.append(deed)
    except DatabaseUnavailableError:
        logger.warning("audit_not_written", operation=deed.operation, status=status, target=deed.target)


def _deed(status: int, target: str | None, operator: Mapping[str, Any] | None) -> Deed:
    caller: Caller | None = g.get("caller")
    shown: ApiKey | None = g.get("shown_key")
    return Deed(
        operation=_operation_id(),
        status=status,
        target=target,
        operator=operator,
        key_id=caller.key_id if caller else shown.key_id if shown else None,
        key_prefix=caller.key_prefix if caller else shown.prefix if shown else None,
        peer=peer(),
        correlation_id=correlation.current(),
    )


def _operation_id() -> str:
    """Return the operation's name as the API's description gives it: `runs.cancel_run` is `cancelRun`."""
    first, *rest = (request.endpoint or "").rpartition(".")[2].split("_")
    return first + "".join(word.capitalize() for word in rest)
