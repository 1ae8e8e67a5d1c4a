"""The one door to the tables: a connection inside a transaction, seen as one tenant."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, Table, true

DEFAULT_TENANT = "default"
EVERY_TENANT = "*"
"""The owner of what every tenant may see: the built-in capabilities."""
Source = Connection | Callable[[], Connection]
"""A connection inside a transaction; or what gives one, the same every time, on which each statement is one."""


class Repository:
    """A set of rows as one tenant sees them; `tenant_id` None is the service itself, which sees all."""

    def __init__(self, connection: Source, tenant_id: str | None) -> None:
        self._source = connection
        self.tenant_id = tenant_id

    @property
    def connection(self) -> Connection:
        return self._source if isinstance(self._source, Connection) else self._source()

    @property
    def by_itself(self) -> bool:
        """Whether each statement is a transaction by itself."""
        return not isinstance(self._source, Connection)

    def mine(self, table: Table) -> ColumnElement[bool]:
        """Return the condition that every statement on `table` carries."""
        return true() if self.tenant_id is None else table.c.tenant_id == self.tenant_id

    @property
    def owner(self) -> str:
        """Return the tenant that new rows belong to; the service itself owns nothing and says whose a row is."""
        if self.tenant_id is None:
            raise LookupError("a row needs an owner: open the unit of work for a tenant")
        return self.tenant_id
