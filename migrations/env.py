"""Run migrations one at a time, and give up rather than hold up a busy database."""

from __future__ import annotations

from typing import Any

from alembic import context
from alembic.ddl.postgresql import PostgresqlImpl
from sqlalchemy import JSON, create_engine, pool, text

from models.tables import metadata

ONE_AT_A_TIME = 7_305_521
"""The advisory lock that two upgrades at once queue up for."""


class Comparer(PostgresqlImpl):
    """Alembic's own, which leaves `json` defaults alone: the server has no equality to compare them with."""

    __dialect__ = "postgresql"

    def compare_server_default(self, inspector_column: Any, metadata_column: Any, *rendered: Any) -> bool:
        if isinstance(metadata_column.type, JSON):
            return False
        differs = super().compare_server_default(inspector_column, metadata_column, *rendered)  # type: ignore[no-untyped-call]  # alembic's own
        return bool(differs)


def run_offline() -> None:
    context.configure(
        url=context.config.get_main_option("sqlalchemy.url"),
        target_metadata=metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    url = context.config.get_main_option("sqlalchemy.url") or ""
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"connect_timeout": 5})
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=True
        )
        with context.begin_transaction():
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ONE_AT_A_TIME})
            context.run_migrations()
        connection.commit()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
