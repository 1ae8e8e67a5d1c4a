"""Prepared statements: planned once per connection, with the same answers as any other, and the same errors."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy import Engine

from models.database import make_engine
from models.errors import DatabaseUnavailableError
from models.prepared import Prepared

TWICE = Prepared(
    "twice",
    "SELECT CAST(%(number)s AS integer) + %(number)s + 0 * %(other)s AS doubled, CAST(%(text)s AS json) AS document",
)
BROKEN = Prepared("broken", "SELECT 1 / CAST(%(number)s AS integer) AS quotient")
KNOWN = "SELECT count(*) FROM pg_prepared_statements WHERE name = 'flex_twice'"


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url, pool_size=1)
    yield made
    made.dispose()


def test_a_statement_is_prepared_once_and_gives_its_rows_by_name(engine: Engine) -> None:
    for number in (2, 3):
        with engine.begin() as connection:
            assert TWICE.run(connection, number=number, other=1, text='{"a": 1}') == [
                {"doubled": 2 * number, "document": {"a": 1}}
            ]
    with engine.begin() as connection:
        assert connection.exec_driver_sql(KNOWN).scalar_one() == 1


def test_a_statement_stays_prepared_when_its_transaction_is_given_up(engine: Engine) -> None:
    with engine.connect() as connection:
        TWICE.run(connection, number=1, other=1, text='{"a": 1}')
        connection.rollback()
        assert TWICE.one(connection, number=4, other=1, text='{"a": 1}') == {"doubled": 8, "document": {"a": 1}}


def test_a_new_connection_prepares_it_anew(engine: Engine) -> None:
    with engine.connect() as connection:
        TWICE.run(connection, number=1, other=1, text='{"a": 1}')
        connection.invalidate()
    with engine.connect() as connection:
        assert TWICE.one(connection, number=5, other=1, text='{"a": 1}') == {"doubled": 10, "document": {"a": 1}}


def test_an_error_of_the_statement_is_the_driver_s(engine: Engine) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero), engine.begin() as connection:
        BROKEN.run(connection, number=0)
    with engine.begin() as connection:
        assert BROKEN.one(connection, number=1) == {"quotient": 1}


def test_a_connection_that_broke_says_so_and_is_not_used_again(engine: Engine, database_url: str) -> None:
    other = make_engine(database_url, pool_size=1)
    with engine.connect() as connection:
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with other.begin() as ending:
            ending.exec_driver_sql("SELECT pg_terminate_backend(%(pid)s, 5000)", {"pid": pid})
        with pytest.raises(DatabaseUnavailableError):
            TWICE.run(connection, number=1, other=1, text="[]")
    with engine.begin() as connection:
        assert TWICE.one(connection, number=6, other=1, text="[]") == {"doubled": 12, "document": []}
    other.dispose()
