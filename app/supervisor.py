"""Everything on one machine under one roof: embedded servers, migrations, and the processes that the Procfile names.

Servers come first, then the migrations, then the rest together. A process that ends is started again, a little later
each time; one that ends again and again without ever having lived is a crash loop, and an essential one stops all,
with its last lines in the error. One thread does all this, since the kernel ends a child with the thread that started
it. Stopping goes the other way round: first those that take work in, last the servers.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.programs import POLL_SECONDS, Child, Program
from policies.errors import FlexError

FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 0.25, 10.0
STEADY_SECONDS = 10.0
CRASHES_IN_A_ROW = 6
START_SECONDS = 120.0
SHOWN_LINES = 20
PROBE_SECONDS = 0.2
LARGEST_LOG_BYTES = 20_000_000

Echo = Callable[[str, str], None]


class CrashLoopError(FlexError):
    """A process ends again and again as soon as it is started."""

    code = "crash_loop"


class StartTimeoutError(FlexError):
    """A process was started and never became ready."""

    code = "start_timeout"


@dataclass(frozen=True, slots=True)
class Status:
    """One row of what `flex up` shows."""

    name: str
    state: str
    pid: int | None
    restarts: int
    address: str | None


class Unit:
    """One supervised program and what became of its starts."""

    def __init__(self, program: Program, sink: Callable[[str], None]) -> None:
        self.program = program
        self.state = "waiting"
        self.restarts = 0
        self.child: Child | None = None
        self._sink = sink
        self._crashes = 0
        self._next_start = 0.0
        self._next_probe = 0.0
        self.last_lines: deque[str] = deque(maxlen=SHOWN_LINES)

    @property
    def is_ready(self) -> bool:
        return self.state in {"ready", "failed"}

    def status(self) -> Status:
        pid = self.child.pid if self.child else None
        return Status(self.program.name, self.state, pid, self.restarts, self.program.address)

    def tick(self, now: float) -> None:
        """Do what is due: start, probe, notice an end. Raises `CrashLoopError` for an essential program."""
        if self.state == "failed":
            return
        if self.child is None:
            if now >= self._next_start:
                self.state = "starting"
                self.child = Child(self.program, self._keep)
        elif (code := self.child.exit_code()) is not None:
            self._note_end(code, now)
        elif now >= self._next_probe:
            self._next_probe = now + PROBE_SECONDS
            if self.state == "starting" and self.program.ready():
                self.state = "ready"
            if now - self.child.started_at > STEADY_SECONDS:
                self._crashes = 0

    def ask_to_stop(self) -> None:
        """Send the program its signal to stop; it is started no more."""
        self.state = "stopping"
        if self.child is not None:
            self.child.send(self.program.stop_signal)

    def finish(self, seconds: float) -> None:
        """Wait for the end that was asked for, and force it when the time is over."""
        if self.child is not None and not self.child.wait(seconds):
            self._keep(f"did not stop within {self.program.grace_seconds:g} s and is killed")
            self.child.kill()
        self.child = None
        self.state = "stopped"

    def _note_end(self, code: int, now: float) -> None:
        self.child = None
        self._crashes += 1
        if self._crashes >= CRASHES_IN_A_ROW:
            self.state = "failed"
            if self.program.essential:
                raise CrashLoopError(
                    f"{self.program.name} ended {self._crashes} times in a row, last with {ending(code)}. "
                    "Its last lines:\n" + "\n".join(f"  {line}" for line in self.last_lines)
                )
            self._sink("given up: it ends again and again")
            return
        pause = min(FIRST_BACK_OFF_SECONDS * 2 ** (self._crashes - 1), LONGEST_BACK_OFF_SECONDS)
        self.restarts += 1
        self.state = "restarting"
        self._next_start = now + pause
        self._keep(f"ended with {ending(code)}; starting again in {pause:g} s")

    def _keep(self, line: str) -> None:
        self.last_lines.append(line)
        self._sink(line)


class Supervisor:
    """Starts programs in order, keeps them running, and stops them in the reverse order."""

    def __init__(self, logs: Path, echo: Echo, changed: Callable[[Sequence[Status]], None]) -> None:
        """Write each program's lines to a file in `logs` and to `echo`; call `changed` when a row changes."""
        self._logs = logs
        self._echo = echo
        self._changed = changed
        self._groups: list[list[Unit]] = []
        self._shown: list[Status] = []
        self._stopping = False

    def rows(self) -> list[Status]:
        return [unit.status() for unit in self._units()]

    def request_stop(self) -> None:
        """Ask the loop to end; may be called from a signal handler or another thread."""
        self._stopping = True

    @property
    def is_stopping(self) -> bool:
        return self._stopping

    def start(self, programs: Sequence[Program], seconds: float = START_SECONDS) -> None:
        """Start the programs together and return when all are ready, or when a stop was asked for.

        Raises `CrashLoopError` or `StartTimeoutError`.
        """
        new = [Unit(program, self._sink_for(program.name)) for program in programs]
        self._groups.append(new)
        if not self.run_until(lambda: all(unit.is_ready for unit in new), seconds):
            late = [unit for unit in new if not unit.is_ready]
            lines = "\n".join(f"  {line}" for unit in late for line in unit.last_lines)
            names = ", ".join(unit.program.name for unit in late)
            raise StartTimeoutError(f"not ready after {seconds:g} s: {names}. Last lines:\n{lines}")

    def run_until(self, condition: Callable[[], bool], seconds: float = float("inf")) -> bool:
        """Keep everything running until the condition holds; tell whether it did, or a stop was asked for, in time."""
        end = time.monotonic() + seconds
        while not self._stopping:
            now = time.monotonic()
            for unit in self._units():
                unit.tick(now)
            self._show()
            if condition():
                return True
            if now > end:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def stop(self) -> None:
        """Stop everything, group by group from the last started to the first; a group is asked as one."""
        self._stopping = True
        for group in reversed(self._groups):
            for unit in group:
                unit.ask_to_stop()
            self._show()
            asked = time.monotonic()
            for unit in group:
                unit.finish(max(0.0, asked + unit.program.grace_seconds - time.monotonic()))
                self._show()

    def _units(self) -> list[Unit]:
        return [unit for group in self._groups for unit in group]

    def _show(self) -> None:
        rows = self.rows()
        if rows != self._shown:
            self._shown = rows
            self._changed(rows)

    def _sink_for(self, name: str) -> Callable[[str], None]:
        log = LogFile(self._logs / f"{name}.log")

        def sink(line: str) -> None:
            log.write(line)
            self._echo(name, line)

        return sink


class LogFile:
    """A program's lines in a file; a file that has grown large is set aside once, so that two are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: str) -> None:
        if self._path.exists() and self._path.stat().st_size > LARGEST_LOG_BYTES:
            self._path.replace(self._path.with_suffix(".log.1"))
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


def ending(code: int) -> str:
    """Return an exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
