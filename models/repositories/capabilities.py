"""The registry: registrations kept alive by heartbeats, read as one snapshot."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from models.errors import BuiltinCapabilityError, CapabilityNotFoundError, VersionRollbackError
from models.scope import EVERY_TENANT, Repository, Source
from models.settings import get_settings
from models.tables import flex_capabilities
from models.tables.base import clock
from models.telemetry import CapabilityChange, observe_capability
from planner.contracts.capabilities import Capability, RegistrySnapshot, expired

columns = flex_capabilities.c


class _Snapshots:
    """The registry as each tenant saw it last, for as long as the cache's time to live."""

    def __init__(self) -> None:
        self._kept: dict[str | None, tuple[float, RegistrySnapshot]] = {}
        self._lock = threading.Lock()

    def get(self, tenant_id: str | None) -> RegistrySnapshot | None:
        with self._lock:
            kept_until, snapshot = self._kept.get(tenant_id, (0.0, None))
            return snapshot if kept_until > time.monotonic() else None

    def put(self, tenant_id: str | None, snapshot: RegistrySnapshot) -> None:
        lifetime = get_settings().capability_cache_ttl_ms / 1000
        with self._lock:
            self._kept[tenant_id] = (time.monotonic() + lifetime, snapshot)

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


_snapshots = _Snapshots()


class CapabilityRepository(Repository):
    """Capabilities that one tenant may use: its own and the built-in ones.

    What is registered or taken away is told through `on_commit`, which calls back once that is committed.
    """

    def __init__(
        self,
        connection: Source,
        tenant_id: str | None,
        on_commit: Callable[[Callable[[], object]], None],
    ) -> None:
        super().__init__(connection, tenant_id)
        self._on_commit = on_commit

    def register(self, capability: Capability) -> Capability:
        """Store a registration, first or repeated; it is active from now on.

        Raises BuiltinCapabilityError when a tenant's registration would shadow a built-in one, and
        VersionRollbackError when a newer version is active.
        """
        if not capability.builtin and self._is_builtin(capability.capability_id):
            raise BuiltinCapabilityError(data={"capabilityId": capability.capability_id})
        if not capability.builtin:
            self._refuse_rollback(capability)
        values = {
            "version": capability.version,
            "status": "active",
            "kind": capability.kind,
            "agent_type": capability.agent_type,
            "builtin": capability.builtin,
            "record": capability.as_json(),
            "endpoint_secret": (capability.endpoint or {}).get("secret"),
            "last_seen_at": clock,
            "deregistered_at": None,
            "updated_at": clock,
        }
        statement = insert(flex_capabilities).values(
            tenant_id=EVERY_TENANT if capability.builtin else self.owner,
            capability_id=capability.capability_id,
            **values,
        )
        self.connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "capability_id"], set_=values)
        )
        _snapshots.forget()
        registered = self.get(capability.capability_id)
        self._tell(registered)
        return registered

    def heartbeat(self, capability_id: str) -> Capability:
        """Note that the capability is alive; one that had expired is active again.

        Raises CapabilityNotFoundError, also for one that was deregistered: it comes back by registering again.
        """
        return self._touch(capability_id, columns.deregistered_at.is_(None), status="active", last_seen_at=clock)

    def deactivate(self, capability_id: str) -> Capability:
        """Make a capability inactive; its record stays.

        Raises CapabilityNotFoundError, and BuiltinCapabilityError for one that is not its caller's to take away.
        """
        if self._is_builtin(capability_id):
            raise BuiltinCapabilityError(data={"capabilityId": capability_id})
        gone = self._touch(capability_id, status="inactive", deregistered_at=clock)
        self._tell(gone, reason="deregistered")
        return gone

    def get(self, capability_id: str) -> Capability:
        """Return one capability as it is now, not as the cache has it. Raises CapabilityNotFoundError."""
        found = self.find(capability_id)
        if found is None:
            raise CapabilityNotFoundError(data={"capabilityId": capability_id})
        return found

    def find(self, capability_id: str) -> Capability | None:
        """Return one capability as it is now, not as the cache has it; None when it was never registered."""
        statement = self._preferred_first().where(columns.capability_id == capability_id)
        found = self.connection.execute(statement).mappings().first()
        return None if found is None else _capability(found)

    def snapshot(self, *, fresh: bool = False) -> RegistrySnapshot:
        """Return every capability that the tenant may use, those that missed their heartbeat as inactive."""
        kept = None if fresh else _snapshots.get(self.tenant_id)
        if kept is not None:
            return kept
        chosen: dict[str, RowMapping] = {}
        for row in self.connection.execute(self._preferred_first()).mappings():
            chosen.setdefault(row["capability_id"], row)
        snapshot = RegistrySnapshot(tuple(_capability(row) for row in chosen.values()))
        _snapshots.put(self.tenant_id, snapshot)
        return snapshot

    def refresh_builtins(self) -> int:
        """Keep the built-in capabilities alive; return how many there are."""
        return self.connection.execute(
            update(flex_capabilities).where(columns.builtin, columns.status == "active").values(last_seen_at=clock)
        ).rowcount

    def retire_builtins(self, wanted: set[str]) -> None:
        """Make built-in capabilities inactive that the settings no longer ask for."""
        self.connection.execute(
            update(flex_capabilities)
            .where(columns.builtin, columns.capability_id.not_in(wanted))
            .values(status="inactive", updated_at=clock)
        )
        _snapshots.forget()

    def expire(self) -> list[str]:
        """Write down as inactive what has missed its heartbeat; return the ids."""
        statement = select(flex_capabilities, clock.label("now")).where(columns.status == "active", ~columns.builtin)
        rows = self.connection.execute(statement).mappings().all()
        silent = [row for row in rows if _capability(row).status == "inactive"]
        for row in silent:
            self.connection.execute(
                update(flex_capabilities)
                .where(
                    columns.tenant_id == row["tenant_id"],
                    columns.capability_id == row["capability_id"],
                    columns.last_seen_at == row["last_seen_at"],
                )
                .values(status="inactive", updated_at=clock)
            )
        return [row["capability_id"] for row in silent]

    def _tell(self, capability: Capability, *, reason: str | None = None) -> None:
        change = CapabilityChange(
            capability_id=capability.capability_id,
            tenant_id=EVERY_TENANT if capability.builtin else self.owner,
            version=capability.version,
            status=capability.status,
            builtin=capability.builtin,
            reason=reason,
        )
        self._on_commit(lambda: observe_capability(change))

    def _visible(self) -> ColumnElement[bool]:
        return or_(self.mine(flex_capabilities), columns.tenant_id == EVERY_TENANT)

    def _preferred_first(self) -> Select[Any]:
        """Select what the tenant sees, the one to take first where a name is there twice.

        That is when a tenant's own registration is older than the built-in one that came to be called like it.
        """
        statement = select(flex_capabilities, clock.label("now")).where(self._visible())
        return statement.order_by(columns.capability_id, columns.status, columns.builtin.desc())

    def _is_builtin(self, capability_id: str) -> bool:
        statement = select(columns.capability_id).where(
            columns.tenant_id == EVERY_TENANT, columns.capability_id == capability_id
        )
        return self.connection.execute(statement).one_or_none() is not None

    def _refuse_rollback(self, capability: Capability) -> None:
        known = self.find(capability.capability_id)
        if known is None or known.status != "active":
            return
        newer, older = _numbers(known.version), _numbers(capability.version)
        if newer and older and older < newer:
            raise VersionRollbackError(data={"capabilityId": known.capability_id, "version": known.version})

    def _touch(self, capability_id: str, *conditions: ColumnElement[bool], **values: Any) -> Capability:
        changed = self.connection.execute(
            update(flex_capabilities)
            .where(columns.capability_id == capability_id, self._visible(), *conditions)
            .values(updated_at=clock, **values)
        )
        if not changed.rowcount:
            raise CapabilityNotFoundError(data={"capabilityId": capability_id})
        _snapshots.forget()
        return self.get(capability_id)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with, without closing zeros; none when it begins otherwise."""
    found = re.match(r"v?(\d{1,9}(?:\.\d{1,9})*)", version)
    numbers = [int(part) for part in found[1].split(".")] if found else []
    while numbers[1:] and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _capability(row: RowMapping) -> Capability:
    now: datetime = row["now"]
    record = {
        **row["record"],
        "status": row["status"],
        "builtin": row["builtin"],
        "registeredAt": row["registered_at"].isoformat(),
        "lastSeenAt": row["last_seen_at"].isoformat(),
    }
    capability = Capability.from_json(record, endpoint_secret=row["endpoint_secret"])
    silent = capability.status == "active" and expired(capability, now)
    return replace(capability, status="inactive") if silent else capability
