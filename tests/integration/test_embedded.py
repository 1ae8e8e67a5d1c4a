"""The embedded pair on this machine: started, killed, restarted, owned by one."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import redis

from app.data_folder import DataFolder, DataFolderInUseError
from app.embedded import EmbeddedServers
from app.programs import wait_until
from tests.support.servers import make_data_dir


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = make_data_dir()
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def servers(data_dir: Path) -> Iterator[EmbeddedServers]:
    pair = EmbeddedServers(data_dir, durable=False)
    pair.start()
    yield pair
    pair.stop()


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url.replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []


def test_both_servers_answer_on_private_sockets_and_on_no_port(servers: EmbeddedServers) -> None:
    database_url, redis_url = servers.urls

    assert query(database_url, "SHOW listen_addresses") == [("",)]
    with closing(redis.Redis.from_url(redis_url)) as client:
        assert client.config_get("port", "maxmemory-policy", "appendonly") == {
            "port": "0",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
        }
    assert stat.S_IMODE((servers.folder.path / "run").stat().st_mode) == 0o700


def test_valkey_refuses_who_does_not_know_the_password(servers: EmbeddedServers) -> None:
    socket = servers.urls[1].split("@")[1].split("?")[0]

    with closing(redis.Redis(unix_socket_path=socket)) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


def test_data_outlive_a_stop_and_a_kill(servers: EmbeddedServers) -> None:
    # Given a row and a key
    database_url, redis_url = servers.urls
    query(database_url, "CREATE TABLE kept AS SELECT 1 AS one")
    with closing(redis.Redis.from_url(redis_url)) as client:
        client.set("kept", "1")

    # When PostgreSQL is killed and started again, and then both are stopped and started
    servers.child("postgres").send(signal.SIGKILL)
    assert servers.child("postgres").wait(10)
    servers.start_one(servers.postgres)
    servers.stop()
    servers.start()

    # Then both are there
    assert query(database_url, "SELECT one FROM kept") == [(1,)]
    with closing(redis.Redis.from_url(redis_url)) as client:
        assert client.get("kept") == b"1"


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(data_dir: Path) -> None:
    # Given a cluster whose leftover pid file names a living process that is not PostgreSQL
    pair = EmbeddedServers(data_dir, durable=False)
    pair.start(valkey=False)
    pid_file = data_dir / "postgres" / "postmaster.pid"
    leftover = pid_file.read_text()
    pair.stop()
    pid_file.write_text(leftover.replace(leftover.split()[0], str(os.getppid()), 1))

    # When it is started
    pair.start(valkey=False)

    # Then it runs
    assert query(pair.urls[0], "SELECT 1") == [(1,)]
    pair.stop()


def test_a_second_owner_is_told_who_the_first_is(servers: EmbeddedServers) -> None:
    with pytest.raises(DataFolderInUseError, match=rf"in use by process {os.getpid()}, since 20\d\d-"):
        EmbeddedServers(servers.folder.path).start()


def test_servers_die_with_their_owner_however_it_dies(data_dir: Path) -> None:
    # Given an owner in a process of its own
    program = (
        "import sys; from pathlib import Path; from app.embedded import EmbeddedServers; "
        "pair = EmbeddedServers(Path(sys.argv[1]), durable=False); pair.start(); "
        "print(pair.child('postgres').pid, pair.child('valkey').pid, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        pids = [int(text) for text in owner.stdout.readline().split()]

        # When it is killed
        owner.kill()
        owner.wait()

    # Then both servers end, and the folder can be owned at once
    assert wait_until(lambda: not any(is_running(pid) for pid in pids), 10)
    pair = EmbeddedServers(data_dir, durable=False)
    pair.start()
    pair.stop()


def test_a_deep_data_folder_gets_a_short_socket_folder_that_it_remembers(data_dir: Path) -> None:
    deep = data_dir / ("d" * 90)
    pair = EmbeddedServers(deep, durable=False)
    pair.start()
    sockets = (deep / "sockets").read_text().strip()
    try:
        assert query(pair.urls[0], "SELECT 1") == [(1,)]
        assert sockets in pair.urls[0]
        assert DataFolder(deep).socket_folder("x" * 40) == Path(sockets)
        assert stat.S_IMODE(Path(sockets).stat().st_mode) == 0o700
    finally:
        pair.stop()
        shutil.rmtree(sockets)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL under another account")
def test_root_opens_no_parent_folder_and_copies_the_programs_that_the_account_cannot_reach(
    servers: EmbeddedServers,
) -> None:
    owner = (servers.folder.path / "postgres").stat()

    assert owner.st_uid != 0
    assert stat.S_IMODE(owner.st_mode) == 0o700
    assert not servers.folder.path.stat().st_mode & stat.S_IROTH


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"
