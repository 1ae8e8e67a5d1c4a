"""The one door to the tables: a connection inside a transaction, seen as one tenant."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, Table, true

DEFAULT_TENANT = "default"
EVERY_TENANT = "*"
"""The owner of what every tenant may see: the built-in capabilities."""


class Repository:
    """A set of rows as one tenant sees them; `tenant_id` None is the service itself, which sees all.

    `connect` gives the connection when the first statement needs it.
    """

    def __init__(self, connect: Callable[[], Connection], tenant_id: str | None) -> None:
        self._connect = connect
        self._connected: Connection | None = None
        self.tenant_id = tenant_id

    @property
    def connection(self) -> Connection:
        """Return the unit's connection.

        Not a `cached_property`: that of Python 3.11 has one lock for all instances, and whoever waits for a connection
        would hold it against those that are to give theirs back.
        """
        if self._connected is None:
            self._connected = self._connect()
        return self._connected

    def mine(self, table: Table) -> ColumnElement[bool]:
        """Return the condition that every statement on `table` carries."""
        return true() if self.tenant_id is None else table.c.tenant_id == self.tenant_id

    @property
    def owner(self) -> str:
        """Return the tenant that new rows belong to; the service itself owns nothing and says whose a row is."""
        if self.tenant_id is None:
            raise LookupError("a row needs an owner: open the unit of work for a tenant")
        return self.tenant_id
