"""`flex db`: the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from app.data_folder import choose_data_folder
from app.embedded import EmbeddedServers
from models.migrate import current, upgrade, upgrade_sql
from models.settings import load_settings

NOWHERE = "postgresql://localhost/flex"


@click.group("db")
def database() -> None:
    """See to the database's tables."""


@database.command("upgrade")
@click.option("--sql", is_flag=True, help="Print the statements for an empty database; change nothing.")
def upgrade_command(*, sql: bool) -> None:
    """Bring the database to the form that this version needs."""
    if sql:
        click.echo(upgrade_sql(NOWHERE))
        return
    with reachable_database() as url:
        before = current(url)
        upgrade(url)
        after = current(url)
    click.echo(f"already at {after}" if before == after else f"upgraded from {before or 'nothing'} to {after}")


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
