"""`flex db upgrade` on a database of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from models.settings import child_environ
from planner.contracts.capabilities import builtin_registrations
from tests.support.stack import ROOT

BUILTINS = {registration["capabilityId"] for registration in builtin_registrations()}


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("", BUILTINS), ("HumanAgent.clarifyBrief", {"HumanAgent.clarifyBrief"})],
    ids=["all", "as the settings say"],
)
def test_an_upgrade_brings_the_built_in_capabilities_along(
    empty_database_url: str, tmp_path: Path, setting: str, expected: set[str]
) -> None:
    # Given an empty database, and no server that would register anything when it starts
    environ = {
        "DATABASE_URL": empty_database_url,
        "FLEX_DATA_DIR": str(tmp_path),
        **({"FLEX_BUILTIN_CAPABILITIES": setting} if setting else {}),
    }

    # When it is upgraded twice
    first, second = (_upgrade(environ) for _ in range(2))

    # Then the capabilities are there, once, and both told so
    assert first.startswith("upgraded from nothing to ")
    assert second.startswith("already at ")
    for printed in (first, second):
        assert printed.endswith(f"\n{len(expected)} built-in capabilities registered\n")
    assert _registered(empty_database_url) == sorted(expected)


def _upgrade(environ: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", "db", "upgrade"],
        cwd=ROOT,
        env=child_environ(environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _registered(database_url: str) -> list[str]:
    with closing(psycopg2.connect(database_url.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT capability_id FROM flex_capabilities WHERE status = 'active' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]
