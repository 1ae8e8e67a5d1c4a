"""Replies kept for a day under the key that their caller chose, in the transaction that did what they tell of.

A key is taken with an advisory lock that ends with the transaction. Whoever finds it taken is told so at once instead
of waiting; whoever gets it sees either nothing, because the first try was undone, or the reply of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from models.errors import ConflictError, ModelError
from models.repositories.runs import seconds
from models.scope import Repository
from models.tables import flex_idempotency_keys
from models.tables.base import clock

kept = flex_idempotency_keys.c
KEPT_SECONDS = 86_400.0
LOCK_SEED = 7_305_522
"""Keeps these locks apart from other advisory locks of the database."""
CLEARED_AT_ONCE = 50


class IdempotencyInFlightError(ConflictError):
    """The first request with this Idempotency-Key is still being worked on; send it again in a moment."""

    code = "idempotency_in_flight"
    retry_after = 1


class IdempotencyMismatchError(ModelError):
    """This Idempotency-Key came with another request before; a new request needs a new key."""

    code = "idempotency_mismatch"


@dataclass(frozen=True, slots=True)
class StoredReply:
    """A reply as it was first given: its status, its JSON body, the headers that name what it created."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None


class IdempotencyRepository(Repository):
    """Keys and replies of one tenant."""

    def claim(self, key: str, request_hash: str) -> StoredReply | None:
        """Take the key until the transaction ends; return the reply that is kept for it, None for a new key.

        Raises IdempotencyInFlightError while another transaction holds the key, and IdempotencyMismatchError when it
        came with another request.
        """
        lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"{self.owner}/{key}", LOCK_SEED))
        if not self.connection.execute(select(lock)).scalar_one():
            raise IdempotencyInFlightError
        row = self.connection.execute(
            select(flex_idempotency_keys).where(
                self.mine(flex_idempotency_keys), kept.key == key, kept.expires_at > clock
            )
        ).one_or_none()
        if row is None:
            return None
        if row.request_hash != request_hash:
            raise IdempotencyMismatchError
        return StoredReply(row.status_code, row.response["body"], row.response["headers"], row.run_id)

    def keep(self, key: str, request_hash: str, reply: StoredReply) -> None:
        """Store the reply for a claimed key, for a day; forget some of those that are older."""
        self._forget_expired()
        values = {
            "request_hash": request_hash,
            "status_code": reply.status,
            "response": {"body": reply.body, "headers": dict(reply.headers)},
            "run_id": reply.run_id,
            "created_at": clock,
            "expires_at": clock + seconds(KEPT_SECONDS),
        }
        self.connection.execute(
            insert(flex_idempotency_keys)
            .values(tenant_id=self.owner, key=key, **values)
            .on_conflict_do_update(index_elements=["tenant_id", "key"], set_=values)
        )

    def _forget_expired(self) -> None:
        old = (
            select(kept.tenant_id, kept.key)
            .where(kept.expires_at < clock - seconds(1))
            .limit(literal(CLEARED_AT_ONCE))
            .with_for_update(skip_locked=True)
            .cte("old")
        )
        self.connection.execute(
            delete(flex_idempotency_keys).where(kept.tenant_id == old.c.tenant_id, kept.key == old.c.key)
        )
