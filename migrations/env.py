"""Run migrations one at a time, and give up rather than hold up a busy database."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import JSON, create_engine, pool, text

from models.tables import metadata

ONE_AT_A_TIME = 7_305_521
"""The advisory lock that two upgrades at once queue up for."""


def _compare_default(_context: Any, _inspected: Any, column: Any, *_rendered: Any) -> bool | None:
    """Leave `json` defaults out of the comparison, which the server would have to make with an equality it lacks."""
    return False if isinstance(column.type, JSON) else None


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
            connection=connection, target_metadata=metadata, compare_type=True, compare_server_default=_compare_default
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
