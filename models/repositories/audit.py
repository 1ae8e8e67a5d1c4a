"""The audit: who changed what or tried to, one row each, only ever added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from models.events.frames import timestamp_text
from models.repositories.runs import Page
from models.scope import Repository
from models.tables import flex_audit
from policies.errors import InvalidInputError, Problem

rows = flex_audit.c


@dataclass(frozen=True, slots=True)
class Deed:
    """One mutation, carried out or refused: `status` is the HTTP status of its outcome."""

    operation: str
    status: int
    target: str | None = None
    operator: Mapping[str, Any] | None = None
    key_id: str | None = None
    key_prefix: str | None = None
    peer: str | None = None
    correlation_id: str | None = None


class AuditRepository(Repository):
    """Deeds of one tenant."""

    def append(self, deed: Deed) -> None:
        """Write one row; it becomes true with the transaction that it is part of."""
        self.connection.execute(
            insert(flex_audit).values(
                tenant_id=self.owner,
                operation=deed.operation,
                status=deed.status,
                target=deed.target,
                operator=None if deed.operator is None else dict(deed.operator),
                key_id=deed.key_id,
                key_prefix=deed.key_prefix,
                peer=deed.peer,
                correlation_id=deed.correlation_id,
            )
        )

    def list(
        self,
        *,
        operation: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[dict[str, Any]]:
        """Return rows, newest first. Raises InvalidInputError for a bad cursor."""
        conditions = [self.mine(flex_audit)]
        if operation:
            conditions.append(rows.operation == operation)
        if target:
            conditions.append(rows.target == target)
        if since:
            conditions.append(rows.at >= since)
        if cursor:
            conditions.append(rows.audit_id < _position(cursor))
        statement = select(flex_audit).where(*conditions).order_by(rows.audit_id.desc()).limit(limit + 1)
        found = self.connection.execute(statement).all()
        data = [_as_json(row) for row in found[:limit]]
        return Page(data, str(found[limit - 1].audit_id) if len(found) > limit else None)


def _position(cursor: str) -> int:
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18:
        raise InvalidInputError(
            [Problem("/cursor", "is not a cursor of this list; leave it out to start at the newest row", "cursor")]
        )
    return int(cursor)


def _as_json(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.audit_id),
        "at": timestamp_text(row.at),
        "operation": row.operation,
        "target": row.target,
        "status": row.status,
        "keyId": row.key_id,
        "keyPrefix": row.key_prefix,
        "operator": row.operator,
        "peer": row.peer,
        "correlationId": row.correlation_id,
    }
