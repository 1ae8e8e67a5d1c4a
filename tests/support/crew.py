"""The processes of Flex one by one, so that a test decides who lives: a web process, control, beat, and workers."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.client import FlexClient, ServerUnreachableError
from app.programs import wait_until
from models.settings import child_environ
from tests.support.servers import OwnServers
from tests.support.warm import NOWHERE, Nursery, WarmProcess

ROOT = Path(__file__).parents[2]
CELERY = (sys.executable, "-m", "celery", "-A", "tasks.celery_app:celery")
QUIET = ("--without-mingle", "--without-gossip")
IMPORTED_BEFORE = (
    *("celery.bin.celery", "celery.apps.beat", "celery.apps.worker", "celery.concurrency.thread"),
    *("kombu.transport.redis", "openai.resources.chat", "sqlalchemy.dialects.postgresql.psycopg2"),
    *("planner.assembly.assemble", "planner.envelope", "planner.progress.steps"),
)
"""What workers import and what is the same in each; `models` and `tasks` hold names of processes and are not."""


class Member:
    """One process, which a test may kill, freeze or wait for."""

    def __init__(
        self, name: str, command: tuple[str, ...], environ: dict[str, str], folder: Path, nursery: Nursery
    ) -> None:
        self.name = name
        self.command = command
        self.log = folder / f"{name}.log"
        self.log.touch()
        self.process: subprocess.Popen[bytes] | WarmProcess
        if command[:3] == CELERY[:3]:
            files = (NOWHERE, str(self.log), str(self.log))
            self.process = nursery.start("celery", *command[3:], environ=environ, files=files)
            return
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=child_environ(environ), stdout=output, stderr=subprocess.STDOUT
            )

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def died(self, seconds: float = 60) -> bool:
        """Wait until the process has ended."""
        return wait_until(lambda: self.process.poll() is not None, seconds)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


class Crew:
    """Servers of its own, a web process, control and beat; workers come and go as the test says."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.nursery = Nursery(*IMPORTED_BEFORE)
        self.servers = OwnServers(folder / "servers")
        self.port = _free_port()
        self.settings = {
            "DATABASE_URL": self.servers.database_url,
            "REDIS_URL": self.servers.redis_url,
            "FLEX_SERVER_PORT": str(self.port),
            "FLEX_TEST": "1",
            "FLEX_LEASE_SECONDS": "1.5",
            "FLEX_SWEEP_SECONDS": "0.5",
            "FLEX_LOG_FORMAT": "json",
            "FLEX_LOG_LEVEL": "info",
            "FLEX_DATA_DIR": str(folder),
            **settings,
        }
        self.members: list[Member] = []
        try:
            self._assemble()
        except BaseException:
            self.stop()
            raise

    def _assemble(self) -> None:
        self._run(sys.executable, "-m", "app.cli", "db", "upgrade")
        self.web = self.start("web", sys.executable, "-m", "gunicorn", "-c", "app/gunicorn_conf.py", "app.wsgi:app")
        self.control = self.start("control", *CELERY, "worker", "-Q", "control", "-P", "threads", "-c", "4", *QUIET)
        schedule = str(self.folder / "beat")
        self.beat = self.start("beat", *CELERY, "beat", "--schedule", schedule, "--pidfile=")
        assert wait_until(self._answers, 60), self.web.said()

    def worker(self, *, threads: int = 8, **settings: str) -> Member:
        """Start one more worker for `nodes` and `bulk`."""
        options = (
            "-Q",
            "nodes,bulk",
            "-P",
            "threads",
            "-c",
            str(threads),
            "-E",
            "-n",
            f"w{len(self.members)}@%h",
            *QUIET,
        )
        return self.start("worker", *CELERY, "worker", *options, **settings)

    def start(self, name: str, *command: str, **settings: str) -> Member:
        member = Member(name, command, {**self.settings, **settings}, self.folder, self.nursery)
        self.members.append(member)
        return member

    def client(self) -> FlexClient:
        return FlexClient(f"http://127.0.0.1:{self.port}")

    def stop(self) -> None:
        for member in self.members:
            if member.alive:
                member.send(signal.SIGKILL)
            member.process.wait()
        self.nursery.stop()
        self.servers.stop()

    def _run(self, *command: str) -> None:
        environ = child_environ(self.settings)
        done = subprocess.run(command, cwd=ROOT, env=environ, check=False, capture_output=True, timeout=60, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _answers(self) -> bool:
        with self.client() as client, suppress(ServerUnreachableError):
            return client.is_alive()
        return False


@contextmanager
def crew_in(folder: Path, **settings: str) -> Iterator[Crew]:
    """Give a crew for the length of the block."""
    crew = Crew(folder, **settings)
    try:
        yield crew
    finally:
        crew.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
