"""Flex on one machine: what `flex up` runs, in which order, with which settings, and what it tells about itself."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.client import ClientError, FlexClient
from app.data_folder import choose_data_folder
from app.embedded import EmbeddedPostgres, EmbeddedValkey
from app.ports import PortClaim, answers, web_address
from app.programs import Program
from app.supervisor import Echo, StartTimeoutError, Status, Supervisor
from models.migrate import upgrade
from models.settings import Settings, child_environ

ROOT = Path(__file__).parent.parent
READY_SECONDS = 90.0
FLOWER_HOST, FLOWER_USER = "127.0.0.1", "flex"
OPTIONAL_PROGRAMS = ("flower",)
DEATH_SIGNALS = {"web": signal.SIGINT}  # gunicorn then takes its workers along; killed, it would leave them serving
GRACE_SECONDS = {"web": 12.0, "worker": 30.0, "flower": 3.0, "beat": 5.0}


class Machine:
    """The servers and processes of one data folder. `start`, then `run`, and always `stop`, all in one thread."""

    def __init__(
        self,
        settings: Settings,
        *,
        echo: Echo,
        changed: Callable[[Sequence[Status]], None],
        say: Callable[[str], None],
    ) -> None:
        """Describe the machine: `echo` gets all programs' lines, `changed` the table, `say` what a person must know."""
        self._given = settings
        self._say = say
        self.folder = choose_data_folder(settings.data_dir)
        self.supervisor = Supervisor(self.folder.logs, echo, self._note(changed))
        self._claims: list[PortClaim] = []
        self._started = datetime.now(UTC)
        self.settings = settings
        self._is_ready = False

    @property
    def web_url(self) -> str:
        return web_address(self.settings.server_host, self.settings.server_port)

    @property
    def flower_url(self) -> str:
        return web_address(FLOWER_HOST, self.settings.flower_port)

    def start(self) -> None:
        """Start everything and return when the first canary has passed through it, or when a stop was asked for.

        Raises `DataFolderInUseError`, `EmbeddedServerError`, `CrashLoopError`, `StartTimeoutError`, `NoFreePortError`
        or what the migrations raise.
        """
        if self.folder.path != self._given.data_dir:
            self._say(
                f"{self._given.data_dir} lies in a private folder, which the database's account cannot pass; "
                f"the data are kept in {self.folder.path}."
            )
        self.folder.lock()
        self._start_servers()
        if self.supervisor.is_stopping:
            return
        upgrade(str(self.settings.database_url))
        self._claim_ports()
        self.supervisor.start(list(self._processes()))
        self._wait_for_canary()

    def run(self) -> None:
        """Keep everything running until a stop is asked for. Raises `CrashLoopError`."""
        self.supervisor.run_until(lambda: False)

    def stop(self) -> None:
        """Stop what runs, last started first, and give ports and folder up."""
        self.supervisor.stop()
        for claim in self._claims:
            claim.release()
        self.folder.release()

    def _start_servers(self) -> None:
        """Start the embedded servers whose variables are absent, and fill the variables in."""
        postgres, valkey = EmbeddedPostgres(self.folder), EmbeddedValkey(self.folder)
        servers = []
        if self._given.database_url is None:
            servers.append(postgres.program())
        if self._given.redis_url is None:
            servers.append(valkey.program())
        self.settings = replace(
            self.settings,
            data_dir=self.folder.path,
            database_url=self._given.database_url or postgres.url(),
            redis_url=self._given.redis_url or valkey.url(),
            flower_password=self._given.flower_password or self.folder.secret("flower"),
        )
        self.supervisor.start(servers)

    def _claim_ports(self) -> None:
        web = PortClaim(self._given.server_host, self._given.server_port)
        flower = PortClaim(FLOWER_HOST, self._given.flower_port)
        self._claims = [web, flower]
        for name, wanted, claim in (
            ("web", self._given.server_port, web),
            ("Flower", self._given.flower_port, flower),
        ):
            if claim.port != wanted:
                self._say(f"port {wanted} is taken; {name} listens on {claim.port}.")
        self.settings = replace(self.settings, server_port=web.port, flower_port=flower.port)

    def _processes(self) -> Iterator[Program]:
        """Return the Procfile's processes, the worker as many times as the settings say."""
        probes: dict[str, Callable[[], bool]] = {
            "web": self._web_answers,
            "flower": lambda: answers(FLOWER_HOST, self.settings.flower_port),
        }
        addresses = {"web": self.web_url, "flower": self.flower_url}
        environ = process_environ(self.settings)
        for kind, command in read_procfile(ROOT / "Procfile").items():
            count = self.settings.worker_processes if kind == "worker" else 1
            for number in range(1, count + 1):
                program = Program(
                    name=kind if count == 1 else f"{kind}.{number}",
                    argv=("/bin/sh", "-c", f"exec {command}"),
                    folder=ROOT,
                    environ=environ,
                    grace_seconds=GRACE_SECONDS.get(kind, 10.0),
                    death_signal=DEATH_SIGNALS.get(kind, signal.SIGKILL),
                    essential=kind not in OPTIONAL_PROGRAMS,
                    address=addresses.get(kind),
                    prepare=self._forget_schedule if kind == "beat" else lambda: None,
                )
                yield replace(program, ready=probes[kind]) if kind in probes else program

    def _forget_schedule(self) -> None:
        """Remove beat's notes: a killed beat can leave them unreadable, and every period is seconds long."""
        for file in self.folder.path.glob("flex-beat-schedule*"):
            file.unlink(missing_ok=True)

    def _web_answers(self) -> bool:
        with self.client() as client:
            try:
                return client.is_alive()
            except ClientError:
                return False

    def client(self) -> FlexClient:
        """Return a client of the web process; close it after use."""
        return FlexClient(self.web_url, self.settings.api_key)

    def _wait_for_canary(self) -> None:
        """Wait until a task has gone through Redis and a worker and back, as health reports."""
        health: dict[str, Any] = {}

        def is_healthy() -> bool:
            with self.client() as client:
                try:
                    health.update(client.health())
                except ClientError as error:
                    health["status"] = error.message
            return health.get("status") == "healthy"

        if not self.supervisor.run_until(is_healthy, READY_SECONDS):
            raise StartTimeoutError(
                f"all processes run, but no canary came back within {READY_SECONDS:g} s; health says {health}. "
                f"Look into {self.folder.logs}."
            )
        self._is_ready = True
        self._tell(self.supervisor.rows())

    def _note(self, changed: Callable[[Sequence[Status]], None]) -> Callable[[Sequence[Status]], None]:
        def note(rows: Sequence[Status]) -> None:
            self._tell(rows)
            changed(rows)

        return note

    def _tell(self, rows: Sequence[Status]) -> None:
        """Write the state file, by which `flex run`, `flex env` and tests find what runs here."""
        self.folder.write_state(
            {
                "pid": os.getpid(),
                "started": self._started.isoformat(),
                "ready": self._is_ready and not self.supervisor.is_stopping,
                "webUrl": self.web_url,
                "flowerUrl": self.flower_url,
                "flowerUser": FLOWER_USER,
                "flowerPassword": self.settings.flower_password,
                "databaseUrl": self.settings.database_url,
                "redisUrl": self.settings.redis_url,
                "processes": {row.name: {"pid": row.pid, "state": row.state, "restarts": row.restarts} for row in rows},
            }
        )


def process_environ(settings: Settings) -> dict[str, str]:
    """Return the variables that the machine decides for its processes; the rest they inherit."""
    bin_folder = Path(sys.executable).parent
    inherited = child_environ({})
    return {
        "DATABASE_URL": str(settings.database_url),
        "REDIS_URL": str(settings.redis_url),
        "FLEX_DATA_DIR": str(settings.data_dir),
        "FLEX_SERVER_PORT": str(settings.server_port),
        "FLEX_FLOWER_PORT": str(settings.flower_port),
        "FLEX_FLOWER_PASSWORD": str(settings.flower_password),
        **({"FLEX_FACETS_DIR": str(settings.facets_dir)} if settings.facets_dir else {}),
        "PATH": os.pathsep.join(part for part in (str(bin_folder), inherited.get("PATH", os.defpath)) if part),
        "PYTHONPATH": os.pathsep.join(part for part in (str(ROOT), inherited.get("PYTHONPATH", "")) if part),
        "PYTHONUNBUFFERED": "1",
    }


def read_procfile(path: Path) -> dict[str, str]:
    """Return the commands that a Procfile names, in its order."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    named = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name.strip(): command.strip() for name, _, command in named}
