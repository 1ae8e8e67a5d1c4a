"""A child process of ours: how it starts so that it cannot outlive us, where its output goes, how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from models.settings import child_environ

LAUNCHER = Path(__file__).with_name("launch.py")
POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that a program runs under."""

    uid: int
    gid: int

    @classmethod
    def own(cls) -> Account:
        return cls(os.geteuid(), os.getegid())


def _nothing() -> None:
    """Stand for the absence of preparations."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Program:
    """What is started: command, surroundings, and how one sees that it is ready and asks it to stop.

    `prepare` runs before every start and repairs what a killed predecessor left. `death_signal` is what the kernel
    sends when the process that started it dies, however it dies.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    account: Account = field(default_factory=Account.own)
    prepare: Callable[[], None] = _nothing
    ready: Callable[[], bool] = _always
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    grace_seconds: float = 20.0
    essential: bool = True
    address: str | None = None


class Child:
    """One running instance of a program, in a session of its own, so that a Ctrl-C reaches only its parent."""

    def __init__(self, program: Program, sink: Callable[[str], None]) -> None:
        """Start the program. Every line that it writes goes to `sink`, from a thread of its own."""
        program.prepare()
        self.program = program
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            launched(program.argv, program.account, program.death_signal),
            cwd=program.folder,
            env=child_environ(program.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = Thread(target=self._forward, args=(sink,), name=f"output of {program.name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """Return the exit code, negative for a signal, or None while the program runs."""
        code = self._process.poll()
        if code is not None:
            self._bury()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def wait(self, seconds: float) -> bool:
        """Wait for the end; tell whether it came in time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        self._bury()
        return True

    def kill(self) -> None:
        """End the program and what it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.wait(5)

    def stop(self) -> None:
        """Ask the program to stop, and end it when its grace has passed."""
        self.send(self.program.stop_signal)
        if not self.wait(self.program.grace_seconds):
            self.kill()

    def _bury(self) -> None:
        """End what the program left behind in its session, and take in its last lines."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reader.join(2)

    def _forward(self, sink: Callable[[str], None]) -> None:
        output = self._process.stdout
        if output is not None:
            with output:
                for line in output:
                    sink(line.rstrip("\n"))


def launched(argv: tuple[str, ...], account: Account, death_signal: signal.Signals = signal.SIGKILL) -> tuple[str, ...]:
    """Return the command that runs `argv` under the account and lets it die with this process."""
    wish = (death_signal, os.getpid(), account.uid, account.gid)
    return (sys.executable, "-I", "-S", str(LAUNCHER), *(str(int(number)) for number in wish), *argv)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(POLL_SECONDS)
    return condition()


def end_leftover(pid_file: Path, marker: str) -> None:
    """End the process that a pid file names if its command line holds the marker, and remove the file.

    A pid in a leftover file may meanwhile belong to a stranger, above all in a container, where numbers start again.
    """
    with suppress(FileNotFoundError, ValueError, IndexError):
        pid = int(pid_file.read_text().split()[0])
        if marker in _command_line(pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
            if not wait_until(lambda: marker not in _command_line(pid), 10):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    pid_file.unlink(missing_ok=True)


def _command_line(pid: int) -> str:
    entry = Path(f"/proc/{pid}/cmdline")
    if entry.exists():
        with suppress(OSError):
            return entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    if Path("/proc/self").exists():
        return ""
    answer = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout
