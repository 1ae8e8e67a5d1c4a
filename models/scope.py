"""The one door to the tables: a connection inside a transaction, seen as one tenant."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import ColumnElement, Connection, Engine, Table, true

DEFAULT_TENANT = "default"
EVERY_TENANT = "*"
"""The owner of what every tenant may see: the built-in capabilities."""


class WhenAsked:
    """Takes a connection when the first statement needs one; each statement is a transaction by itself."""

    __slots__ = ("_connection", "_engine")

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._connection: Connection | None = None

    def take(self) -> Connection:
        """Return the connection, the same one until it is given back."""
        if self._connection is None:
            self._connection = self._engine().connect()
        return self._connection

    def give_back(self) -> None:
        """Give the connection back, if there is one; whoever asks then takes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


Source = Connection | WhenAsked
"""A connection inside a transaction, or statements that are transactions by themselves."""


class Repository:
    """A set of rows as one tenant sees them; `tenant_id` None is the service itself, which sees all."""

    def __init__(self, connection: Source, tenant_id: str | None) -> None:
        self._source = connection
        self.tenant_id = tenant_id

    @property
    def connection(self) -> Connection:
        return self._source.take() if isinstance(self._source, WhenAsked) else self._source

    @property
    def by_itself(self) -> bool:
        """Whether each statement is a transaction by itself."""
        return isinstance(self._source, WhenAsked)

    def give_back(self) -> None:
        """Keep no connection from others while nothing is asked; a transaction keeps its own."""
        if isinstance(self._source, WhenAsked):
            self._source.give_back()

    def mine(self, table: Table) -> ColumnElement[bool]:
        """Return the condition that every statement on `table` carries."""
        return true() if self.tenant_id is None else table.c.tenant_id == self.tenant_id

    @property
    def owner(self) -> str:
        """Return the tenant that new rows belong to; the service itself owns nothing and says whose a row is."""
        if self.tenant_id is None:
            raise LookupError("a row needs an owner: open the unit of work for a tenant")
        return self.tenant_id
