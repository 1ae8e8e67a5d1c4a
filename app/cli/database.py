"""`flex db`: the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.data_folder import choose_data_folder
from app.embedded import EmbeddedServers
from models.builtins import store_builtins
from models.database import database_errors, make_engine
from models.migrate import current, upgrade, upgrade_sql
from models.settings import load_settings
from models.unit_of_work import UnitOfWork

NOWHERE = "postgresql://localhost/flex"


@click.group("db")
def database() -> None:
    """See to the database's tables."""


@database.command("upgrade")
@click.option("--sql", is_flag=True, help="Print the statements for an empty database; change nothing.")
def upgrade_command(*, sql: bool) -> None:
    """Bring the database to the form that this version needs, and its built-in capabilities with it."""
    if sql:
        click.echo(upgrade_sql(NOWHERE))
        return
    with reachable_database() as url:
        before = current(url)
        upgrade(url)
        after = current(url)
        with unit_at(url, None) as unit:
            count = store_builtins(unit)
    click.echo(f"already at {after}" if before == after else f"upgraded from {before or 'nothing'} to {after}")
    click.echo(f"{count} built-in capabilities registered")


@contextmanager
def unit_at(database_url: str, tenant: str | None) -> Iterator[UnitOfWork]:
    """Open one transaction on a database that the settings need not name. Raises DatabaseUnavailableError."""
    engine = make_engine(database_url, pool_size=1, application="flex-cli")
    try:
        with database_errors(), engine.begin() as connection:
            yield UnitOfWork(connection, tenant)
    finally:
        engine.dispose()


@contextmanager
def reachable_database() -> Iterator[str]:
    """Yield the database in use here: DATABASE_URL's, the running `flex up`'s, or the embedded one, started for now."""
    settings = load_settings()
    folder = choose_data_folder(settings.data_dir)
    state = folder.read_state()
    if settings.database_url or state:
        yield settings.database_url or str((state or {})["databaseUrl"])
        return
    servers = EmbeddedServers(folder.path)
    servers.start(valkey=False)
    try:
        yield servers.urls[0]
    finally:
        servers.stop()
