"""Connections that break: one that was lost makes the others be looked at before they are used."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from models.database import make_engine

BACKEND = text("SELECT pg_backend_pid()")
BREAK_OFF = text("SELECT pg_terminate_backend(pid, 5000) FROM unnest(CAST(:pids AS integer[])) AS pid")


@pytest.fixture
def engines(database_url: str) -> Iterator[list[Engine]]:
    made = [make_engine(database_url, pool_size=1) for _ in range(3)]
    yield made
    for engine in made:
        engine.dispose()


def backend(engine: Engine) -> int:
    with engine.begin() as connection:
        pid: int = connection.execute(BACKEND).scalar_one()
        return pid


def test_whoever_has_lost_a_connection_is_not_given_another_that_is_lost(engines: list[Engine]) -> None:
    # Given two engines whose connections were used a moment ago, and a server that has broken them off
    first, second, other = engines
    broken = [backend(engine) for engine in (first, second)]
    with other.begin() as connection:
        connection.execute(BREAK_OFF, {"pids": broken})
    # When one of them has found out
    with pytest.raises(OperationalError):
        backend(first)
    # Then neither meets it again
    assert backend(first) not in broken
    assert backend(second) not in broken
