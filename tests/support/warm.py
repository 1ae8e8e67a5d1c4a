"""Processes that start in a moment: forked from one that has imported what they all import, before any of it was used.

`python -m tests.support.warm MODULE…` imports the modules and then waits for orders: which module to run as `__main__`,
with which arguments, environment, folder and files. Each order is a process of its own, as `python -m` would start it;
only the seconds of importing are saved. Modules that hold what differs per process, or read the environment when they
are imported, must not be among those that are imported before.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from models.settings import child_environ

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
NOWHERE = os.devnull


class WarmProcess:
    """One such process, with what is used of `subprocess.Popen`."""

    def __init__(self) -> None:
        self.pid = 0
        self.returncode: int | None = None
        self._started, self._ended = threading.Event(), threading.Event()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code, minus the signal's number for one that was killed, as soon as there is one."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take what the nursery tells of this process: its id, and later how it ended."""
        if "pid" in told:
            self.pid = told["pid"]
            self._started.set()
        else:
            self.returncode = told["code"]
            self._ended.set()

    def wait_started(self) -> None:
        assert self._started.wait(START_SECONDS), "no process was started"


class Nursery:
    """The warm process, and those that came of it."""

    def __init__(self, *modules: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.warm", *modules],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self._process.pid
        self._children: list[WarmProcess] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self,
        module: str,
        *arguments: str,
        environ: Mapping[str, str],
        cwd: Path = ROOT,
        files: tuple[str, str, str] = (NOWHERE, NOWHERE, NOWHERE),
    ) -> WarmProcess:
        """Run `module` as `python -m` does; `files` are what it reads from, writes to, and writes errors to."""
        with self._lock:
            child = WarmProcess()
            self._children.append(child)
            order = {"number": len(self._children) - 1, "module": module, "arguments": arguments, "cwd": str(cwd)}
            line = json.dumps({**order, "environ": child_environ(environ), "files": files})
            assert self._process.stdin is not None
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        child.wait_started()
        return child

    def stop(self) -> None:
        """End all of them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as told:
            for line in told:
                word = json.loads(line)
                self._children[word["number"]].hear(word)


def serve(modules: Sequence[str]) -> dict[str, Any] | None:
    """Import the modules and start a process per order; in a started process return its order, at the end None."""
    for name in modules:
        import_module(name)
    gc.freeze()  # what is there already is nobody's garbage: collecting would copy it into each process
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    numbers: dict[int, int] = {}
    for order in _orders(woken, numbers):
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(wake)
            return order
        numbers[pid] = order["number"]
        _tell(number=order["number"], pid=pid)
    for pid in numbers:
        os.kill(pid, signal.SIGKILL)
    return None


def _orders(woken: int, numbers: dict[int, int]) -> Iterator[dict[str, Any]]:
    """Yield orders as they come, and tell meanwhile of processes that ended."""
    rest = b""
    while True:
        ready, _, _ = select.select([0, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _reap(numbers)
        if 0 in ready:
            part = os.read(0, 1 << 20)
            if not part:
                return
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _reap(numbers: dict[int, int]) -> None:
    for pid in list(numbers):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _tell(number=numbers.pop(pid), code=os.waitstatus_to_exitcode(status))


def _tell(**word: int) -> None:
    os.write(1, json.dumps(word).encode() + b"\n")


def become(order: Mapping[str, Any]) -> None:
    """Turn this process into what was ordered."""
    modes = (os.O_RDONLY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, (path, mode) in enumerate(zip(order["files"], modes, strict=True)):
        opened = os.open(path, mode, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(order["cwd"])
    os.environ.clear()  # noqa: TID251 - a process that starts gets an environment of its own
    os.environ.update(order["environ"])  # noqa: TID251 - as above
    sys.argv = [order["module"], *order["arguments"]]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__" and (ordered := serve(sys.argv[1:])) is not None:
    become(ordered)
