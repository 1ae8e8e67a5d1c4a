"""Bring a database to the current form of the tables, and tell how far it is."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from models.database import database_errors
from models.settings import normalise_database_url

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"


def upgrade(database_url: str, revision: str = "head") -> None:
    """Apply every migration up to `revision`; a database that is there already is left alone."""
    with database_errors():
        command.upgrade(_config(database_url), revision)


def upgrade_sql(database_url: str) -> str:
    """Return the statements that `upgrade` would run on an empty database, without running them."""
    text = io.StringIO()
    config = _config(database_url)
    config.output_buffer = text
    with redirect_stdout(text):
        command.upgrade(config, "head", sql=True)
    return text.getvalue()


def check_drift(database_url: str) -> None:
    """Raise alembic's CommandError when the tables in the code and in the database differ."""
    command.check(_config(database_url))


def current(database_url: str) -> str | None:
    """Return the revision of a database, None for an empty one. Raises DatabaseUnavailableError."""
    engine = create_engine(normalise_database_url(database_url), connect_args={"connect_timeout": 5})
    try:
        with database_errors(), engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def head() -> str | None:
    """Return the newest revision that this version knows."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", normalise_database_url(database_url).replace("%", "%%"))
    return config
