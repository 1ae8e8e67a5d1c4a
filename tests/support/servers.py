"""Real PostgreSQL and Valkey for tests: one pair for the session, an own database for each test.

The pair is embedded unless DATABASE_URL or REDIS_URL points at a server; then databases are made and dropped there.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg2
import pytest
import redis

from app.embedded import EmbeddedServers
from models.migrate import upgrade
from models.settings import load_settings

DATABASES_PER_WORKER = 8
FIRST_DATABASE = 8


class PostgresServer:
    """A database server for tests, with a migrated template from which a database is cloned in milliseconds."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self.template = f"flex_template_{uuid4().hex[:10]}"
        self.create(self.template, template="template0")
        upgrade(self.url(self.template))

    def url(self, database: str) -> str:
        return urlunsplit(urlsplit(self._admin_url)._replace(path=f"/{database}"))

    def create(self, database: str, *, template: str | None = None) -> str:
        """Make a database, a clone of the migrated template unless told otherwise; return its address."""
        self._execute(f'CREATE DATABASE "{database}" TEMPLATE "{template or self.template}" STRATEGY wal_log')
        return self.url(database)

    def drop(self, database: str) -> None:
        self._execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        with closing(psycopg2.connect(self._admin_url.replace("+psycopg2", ""))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)


class OwnServers:
    """An embedded pair that a test may kill, stop, freeze and bring back as it likes."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._pair = EmbeddedServers(data_dir, durable=False)
        self._pair.start()

    @property
    def database_url(self) -> str:
        return self._pair.urls[0]

    @property
    def redis_url(self) -> str:
        return self._pair.urls[1]

    def kill(self, name: str) -> None:
        """End `postgres` or `valkey` with SIGKILL and wait until it is gone."""
        child = self._pair.child(name)
        child.send(signal.SIGKILL)
        assert child.wait(10)

    def start(self, name: str) -> None:
        """Start a killed server again and wait until it answers."""
        self._pair.start_one(self._pair.postgres if name == "postgres" else self._pair.valkey)

    def freeze(self, name: str) -> None:
        self._pair.child(name).send(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._pair.child(name).send(signal.SIGCONT)

    def flush_redis(self) -> None:
        with closing(redis.Redis.from_url(self.redis_url)) as client:
            client.flushall()

    def stop(self) -> None:
        self._pair.stop()


def make_data_dir() -> Path:
    """Return a new folder that PostgreSQL's account may pass, which pytest's own are not when root runs them."""
    folder = Path(tempfile.mkdtemp(prefix="flex-test-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    return folder


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedServers]:
    """The session's embedded pair, each started only when its variable is absent."""
    settings = load_settings()
    folder = make_data_dir()
    servers = EmbeddedServers(folder / "data", durable=False)
    servers.start(postgres=settings.database_url is None, valkey=settings.redis_url is None)
    yield servers
    servers.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(embedded: EmbeddedServers) -> Iterator[PostgresServer]:
    """A database server with a migrated template."""
    server = PostgresServer(load_settings().database_url or embedded.postgres.url("postgres"))
    yield server
    server.drop(server.template)


@pytest.fixture
def database_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of a migrated database that only this test sees."""
    name = f"flex_test_{uuid4().hex[:12]}"
    yield postgres.create(name)
    postgres.drop(name)


@pytest.fixture
def empty_database_url(postgres: PostgresServer) -> Iterator[str]:
    """The address of a database without a single table."""
    name = f"flex_test_{uuid4().hex[:12]}"
    yield postgres.create(name, template="template0")
    postgres.drop(name)


@pytest.fixture(scope="session")
def redis_server(embedded: EmbeddedServers, worker_id: str) -> str:
    """The address of a Redis database that only this test process uses; on a server of others one from 8 on."""
    number = int(worker_id.removeprefix("gw")) if worker_id != "master" else 0
    given = load_settings().redis_url
    if given is None:
        return embedded.valkey.url()
    parts = urlsplit(given)
    database = FIRST_DATABASE + number % DATABASES_PER_WORKER
    if parts.scheme == "unix":
        return urlunsplit(parts._replace(query=f"db={database}"))
    return urlunsplit(parts._replace(path=f"/{database}"))


@pytest.fixture
def redis_url(redis_server: str) -> Iterator[str]:
    """The address of a Redis database that is empty at the start of this test and after it."""
    with closing(redis.Redis.from_url(redis_server)) as client:
        client.flushdb()
        yield redis_server
        client.flushdb()


@pytest.fixture
def own_servers() -> Iterator[OwnServers]:
    """An embedded pair for one test that kills and cuts."""
    folder = make_data_dir()
    servers = OwnServers(folder / "data")
    yield servers
    servers.stop()
    shutil.rmtree(folder, ignore_errors=True)
