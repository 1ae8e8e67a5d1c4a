"""API keys: made, shown once, kept as hashes, recognised, revoked."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import case, func, insert, or_, select, update

from models.errors import NotFoundError
from models.repositories.runs import seconds
from models.scope import Repository
from models.tables import flex_api_keys
from models.tables.base import clock

keys = flex_api_keys.c
SCOPES = ("run", "operate", "agent", "admin")
KEY_ID = "key_"
PREFIX_BYTES, SECRET_BYTES = 5, 24
SECONDS_BETWEEN_NOTES_OF_USE = 300.0
DAY_SECONDS = 86_400.0
NO_SUCH_HASH = "0" * 64

KeyState = Literal["active", "expired", "revoked"]


class KeyNotFoundError(NotFoundError):
    """There is no such API key; `flex keys list` shows those that there are."""

    code = "key_not_found"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key as it is stored; its secret is not."""

    key_id: str
    tenant_id: str
    prefix: str
    label: str
    scopes: tuple[str, ...]
    state: KeyState
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    key_hash: str = field(repr=False)
    use_noted: bool = True


class KeyRepository(Repository):
    """Keys of one tenant, or of all for the service itself."""

    def create(self, *, label: str, scopes: tuple[str, ...], days: float | None = None) -> tuple[ApiKey, str]:
        """Store a new key; return it with its full text `flex_<prefix>_<secret>`, which is kept nowhere."""
        prefix = secrets.token_hex(PREFIX_BYTES)
        text = f"flex_{prefix}_{secrets.token_hex(SECRET_BYTES)}"
        self.connection.execute(
            insert(flex_api_keys).values(
                key_id=f"{KEY_ID}{uuid.uuid4().hex}",
                tenant_id=self.owner,
                prefix=prefix,
                key_hash=hash_of(text),
                label=label,
                scopes=sorted(set(scopes), key=SCOPES.index),
                expires_at=None if days is None else clock + seconds(days * DAY_SECONDS),
            )
        )
        return self._one(prefix), text

    def list(self) -> list[ApiKey]:
        """Return every key, newest first."""
        statement = _select().where(self.mine(flex_api_keys)).order_by(keys.created_at.desc(), keys.key_id)
        return [_key(row) for row in self.connection.execute(statement)]

    def revoke(self, named: str) -> ApiKey:
        """Revoke the key with this id or prefix; again changes nothing. Raises KeyNotFoundError."""
        self.connection.execute(
            update(flex_api_keys)
            .where(or_(keys.key_id == named, keys.prefix == named), self.mine(flex_api_keys))
            .values(revoked_at=func.coalesce(keys.revoked_at, clock))
        )
        return self._one(named)

    def any(self) -> bool:
        """Tell whether a key was ever made; revoking the last one does not open the doors again."""
        made = select(keys.key_id).where(self.mine(flex_api_keys))
        return bool(self.connection.execute(select(made.exists())).scalar_one())

    def recognise(self, text: str) -> ApiKey | None:
        """Return the key with this text, whatever its state, None for an unknown one; note its use now and then."""
        prefix = prefix_of(text)
        row = self.connection.execute(_select().where(keys.prefix == prefix, self.mine(flex_api_keys))).one_or_none()
        # An unknown prefix takes the same comparison, so that its answer takes as long.
        right = hmac.compare_digest(hash_of(text), NO_SUCH_HASH if row is None else row.key_hash)
        if row is None or not right:
            return None
        found = _key(row)
        if found.state == "active" and not found.use_noted:
            self.connection.execute(update(flex_api_keys).where(keys.key_id == found.key_id).values(last_used_at=clock))
        return found

    def active(self, key_ids: set[str]) -> set[str]:
        """Return those of the keys that may be used now."""
        statement = select(keys.key_id).where(keys.key_id.in_(key_ids), _state() == "active", self.mine(flex_api_keys))
        return set(self.connection.execute(statement).scalars())

    def _one(self, named: str) -> ApiKey:
        statement = _select().where(or_(keys.key_id == named, keys.prefix == named), self.mine(flex_api_keys))
        row = self.connection.execute(statement).one_or_none()
        if row is None:
            raise KeyNotFoundError(data={"key": named})
        return _key(row)


def prefix_of(text: str) -> str | None:
    """Return the readable part of a key's text, None for what is no key of ours."""
    parts = text.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "flex" and parts[1].isalnum() and parts[1].isascii() else None


def hash_of(text: str) -> str:
    # A plain hash will do: nobody guesses 192 random bits, with or without a slow one.
    return hashlib.sha256(text.encode()).hexdigest()


def _state() -> Any:
    return case((keys.revoked_at.is_not(None), "revoked"), (keys.expires_at <= clock, "expired"), else_="active")


def _select() -> Any:
    recent = keys.last_used_at > clock - seconds(SECONDS_BETWEEN_NOTES_OF_USE)
    return select(flex_api_keys, _state().label("state"), func.coalesce(recent, False).label("use_noted"))


def _key(row: Any) -> ApiKey:
    return ApiKey(**{**row._mapping, "scopes": tuple(row.scopes)})  # noqa: SLF001 - SQLAlchemy's public name
