"""One pool of connections per process, and what every connection promises."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg2
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import IsolationLevel
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.errors import DatabaseUnavailableError
from models.settings import SettingsError, get_settings, normalise_database_url

IDLE_SECONDS_BEFORE_PING = 5.0
"""A connection used a moment ago, and after the last loss of one, is taken as alive: a ping on every checkout would
double a short transaction."""

SESSION_OPTIONS = " ".join(
    f"-c {name}={value}"
    for name, value in {
        "timezone": "UTC",
        "statement_timeout": "30s",
        "lock_timeout": "15s",
        "idle_in_transaction_session_timeout": "60s",
        # Prepared statements find rows by key, whatever the values: one plan serves them all.
        "plan_cache_mode": "force_generic_plan",
    }.items()
)


def dumps(value: Any) -> str:
    """Return JSON text for a column; NaN has no place in it."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def make_engine(
    database_url: str, *, pool_size: int = 20, application: str = "flex", isolation_level: IsolationLevel | None = None
) -> Engine:
    """Return an engine of its own for `database_url`; its connections survive neither a fork nor a silent death."""
    level: dict[str, Any] = {} if isolation_level is None else {"isolation_level": isolation_level}
    engine = create_engine(
        normalise_database_url(database_url),
        **level,
        pool_size=pool_size,
        # One that overflows is closed as soon as it is given back, and opening one costs more than a whole run does.
        max_overflow=0,
        pool_use_lifo=True,
        pool_timeout=10,
        pool_recycle=1800,
        json_serializer=dumps,
        hide_parameters=True,  # an error's text ends in a log line, and parameters are what clients sent
        connect_args={"connect_timeout": 5, "application_name": application, "options": SESSION_OPTIONS},
    )
    event.listen(engine, "checkout", _ping_when_idle)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "invalidate", _note_loss)
    # A forked child must not speak on its parent's sockets: it forgets them without closing them.
    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


@cache
def engine() -> Engine:
    """Return this process's engine for the database of the settings."""
    return make_engine(_url())


def _url() -> str:
    url = get_settings().database_url
    if url is None:
        raise SettingsError(["DATABASE_URL: not set; give a server's address, or start everything with `flex up`."])
    return url


@cache
def statements() -> Engine:
    """Return this process's engine for statements that are transactions by themselves.

    Its connections never begin one. A connection that is asked to change its ways for a single statement, and to change
    them back when it is returned, would cost as much as the statement.
    """
    return make_engine(_url(), isolation_level="AUTOCOMMIT")


def disconnect() -> None:
    """Close this process's connections; the next one goes where the settings then say."""
    for kept in (engine, statements):
        if kept.cache_info().currsize:
            kept().dispose()
        kept.cache_clear()


# The driver's own errors are those of what the library does to a connection outside of a statement.
_SERVER_IS_AWAY = (
    OperationalError,
    InterfaceError,
    PoolTimeout,
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn what a missing or ending server causes into DatabaseUnavailableError."""
    try:
        yield
    except _SERVER_IS_AWAY as error:
        raise DatabaseUnavailableError from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailableError from error
        raise


class _Lost:
    """When this process has last lost a connection: what was used before then may be lost as well."""

    at = 0.0


def _ping_when_idle(connection: Any, record: Any, _proxy: Any) -> None:
    used = record.info.get("used_at")
    if used is None or used > max(_Lost.at, time.monotonic() - IDLE_SECONDS_BEFORE_PING):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except Exception as error:
        raise DisconnectionError from error


def _note_loss(*_: Any) -> None:
    _Lost.at = time.monotonic()


def _note_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()
