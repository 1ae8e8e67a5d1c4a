"""Migrations: an empty database and a filled one come to the current form, which is that of the code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import migrate
from models.errors import DatabaseUnavailableError
from models.tables import metadata
from planner.progress.state import NODE_STATUSES, RUN_STATUSES
from tests.integration.core import moves
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_chain
from tests.support.loop import Loop, install_run

REVISIONS = [script.revision for script in ScriptDirectory(str(migrate.MIGRATIONS)).walk_revisions()][::-1]


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_an_empty_database_gets_every_table(empty_database_url: str) -> None:
    assert migrate.current(empty_database_url) is None
    migrate.upgrade(empty_database_url)
    assert migrate.current(empty_database_url) == migrate.head() == REVISIONS[-1]
    assert tables(empty_database_url) == {*metadata.tables, "alembic_version"}


def test_code_and_database_do_not_drift(empty_database_url: str) -> None:
    migrate.upgrade(empty_database_url)
    migrate.check_drift(empty_database_url)


def test_two_upgrades_at_once_queue_up(empty_database_url: str) -> None:
    # Given two processes that start on a new database at the same moment
    code = f"from models.migrate import upgrade; upgrade({empty_database_url!r})"
    upgrades = [subprocess.Popen([sys.executable, "-c", code], cwd=migrate.MIGRATIONS.parent) for _ in range(2)]
    # Then one of them waits for the other, and both are content
    assert [process.wait(60) for process in upgrades] == [0, 0]
    assert migrate.current(empty_database_url) == migrate.head()


def test_each_revision_can_be_reached_one_by_one(empty_database_url: str) -> None:
    for revision in REVISIONS:
        migrate.upgrade(empty_database_url, revision)
        assert migrate.current(empty_database_url) == revision
    migrate.check_drift(empty_database_url)


def test_an_upgrade_leaves_what_a_filled_database_holds(loop: Loop, database: str) -> None:
    # Given a database with a run in the middle and one that has ended
    ended = loop.submit(linkedin_envelope())
    loop.drain()
    running = install_run(make_chain("a", "b"))
    moves.claim(running, "a")
    before = {name: moves.statement(f"SELECT * FROM {name}") for name in metadata.tables}
    # When it is upgraded
    migrate.upgrade(database)
    # Then every row is still there
    assert {name: moves.statement(f"SELECT * FROM {name}") for name in metadata.tables} == before
    assert loop.run(ended).status == "completed"
    migrate.check_drift(database)


def test_the_statements_can_be_read_before_they_are_run(empty_database_url: str) -> None:
    # Given the statements as they are printed
    statements = migrate.upgrade_sql(empty_database_url)
    assert migrate.current(empty_database_url) is None
    # When somebody runs them by hand
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statements.replace("%", "%%"))
    engine.dispose()
    # Then the database is as it should be
    migrate.check_drift(empty_database_url)


def test_a_server_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailableError):
        migrate.current(f"postgresql://postgres@/none?host={tmp_path}")


# -- what the tables themselves refuse


def test_a_stored_plan_version_never_changes(database: str) -> None:
    install_run(make_chain("a"))
    for change in ("plan_hash = 'x'", "snapshot = '{}'", "plan_version = 9"):
        with pytest.raises(DBAPIError, match="never"):
            moves.statement(f"UPDATE flex_plan_snapshots SET {change}")


@pytest.mark.parametrize(
    ("table", "allowed"),
    [("flex_runs", RUN_STATUSES), ("flex_plan_nodes", NODE_STATUSES)],
)
def test_a_status_is_one_of_a_closed_set(database: str, table: str, allowed: tuple[str, ...]) -> None:
    install_run(make_chain("a"))
    lease = ", worker = 'w', lease_until = now()" if table == "flex_plan_nodes" else ", wake_at = now()"
    for status in allowed:
        moves.statement(f"UPDATE {table} SET status = :s{lease}", s=status)
    for status in ("", "done", "Running"):
        with pytest.raises(IntegrityError, match=f"ck_{table}_status"):
            moves.statement(f"UPDATE {table} SET status = :s{lease}", s=status)


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("running_holds_a_lease", "UPDATE flex_plan_nodes SET status = 'running'"),
        ("waiting_is_a_count", "UPDATE flex_plan_nodes SET waiting = -1"),
        ("ck_flex_plan_nodes_kind", "UPDATE flex_plan_nodes SET kind = 'other'"),
        ("seq_starts_at_one", "UPDATE flex_events SET seq = 0 WHERE seq = 1"),
        ("pk_flex_events", "UPDATE flex_events SET seq = 1"),
        ("fk_flex_events_run_id", "UPDATE flex_events SET run_id = 'nobody'"),
        ("ck_flex_capabilities_status", "UPDATE flex_capabilities SET status = 'asleep'"),
        ("ck_flex_capabilities_kind", "UPDATE flex_capabilities SET kind = 'fallback'"),
        ("ck_flex_capabilities_agent_type", "UPDATE flex_capabilities SET agent_type = 'robot'"),
    ],
)
def test_the_tables_refuse_what_must_not_be(database: str, constraint: str, change: str) -> None:
    install_run(make_chain("a"))
    with pytest.raises(IntegrityError, match=constraint):
        moves.statement(change)


def test_requests_and_responses_are_of_known_kinds(database: str) -> None:
    run_id = install_run(make_chain("a"))
    values: dict[str, Any] = {"request_id": "q", "tenant_id": "default", "run_id": run_id, "plan_version": 1}
    good = {"kind": "approval", "purpose": "output", "status": "pending"}
    for column, bad in {"kind": "order", "purpose": "fun", "status": "maybe"}.items():
        row = {**values, **good, column: bad}
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        with pytest.raises(IntegrityError, match=f"ck_hitl_requests_{column}"):
            moves.statement(f"INSERT INTO hitl_requests ({names}) VALUES ({marks})", **row)


def test_a_run_takes_everything_of_it_along(loop: Loop) -> None:
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    moves.statement("DELETE FROM flex_runs WHERE run_id = :r", r=run_id)
    for table in ("flex_plan_nodes", "flex_plan_snapshots", "flex_run_outputs", "flex_events"):
        assert moves.statement(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_every_row_carries_a_tenant() -> None:
    without = {
        name for name, table in metadata.tables.items() if "tenant_id" not in table.c or table.c.tenant_id.nullable
    }
    assert without == set()


def test_every_foreign_key_has_an_index_that_begins_with_it(database: str) -> None:
    """Else a run's deletion would read whole tables."""
    for name, table in metadata.tables.items():
        leading = {next(iter(index.columns)).name for index in table.indexes} | {
            next(iter(table.primary_key.columns)).name
        }
        assert {key.parent.name for key in table.foreign_keys} <= leading, name
