"""What all tables share: one metadata with named constraints, and the kinds of column that recur."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import CheckConstraint, Column, DateTime, MetaData, Text, func
from sqlalchemy.dialects.postgresql import JSON

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

clock = func.clock_timestamp()
"""The database's clock, not the transaction's start: the only time that is ever compared."""


def tenant() -> Column[str]:
    return Column("tenant_id", Text, nullable=False)


def moment(name: str, *, nullable: bool = True) -> Column[Any]:
    """Return a column for a point in time, with its zone."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


def created(name: str = "created_at") -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=clock)


def document(
    name: str, *, nullable: bool = False, default: str | None = "{}", comment: str | None = None
) -> Column[Any]:
    """Return a column for a JSON value; absent is SQL null, never JSON null.

    `json`, not `jsonb`: what a client or an agent wrote comes back with its members in their order, and nothing is
    looked up inside.
    """
    server_default = None if nullable else default
    return Column(name, JSON(none_as_null=True), nullable=nullable, server_default=server_default, comment=comment)


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    allowed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({allowed})", name=column)
