"""Named places where a test may break a process: nothing happens there unless FLEX_FAULT asks for it.

`FLEX_FAULT` is a comma-separated list of `point[@node][:action[:nth]]`; it is read only with FLEX_TEST=1. The action
happens at the nth visit of that place (by default the first), counted over every process that shares the data folder,
so that a restarted process does not break again at the same visit.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from models.settings import Settings, get_settings

HOLD_POLL_SECONDS = 0.05


class InjectedFaultError(Exception):
    """A test asked for this."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of FLEX_FAULT; `argument` is what follows `=` in the action."""

    point: str
    node_id: str
    action: str
    argument: str
    nth: int

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Return the fault of one entry. Raises ValueError."""
        place, _, rest = text.partition(":")
        point, _, node_id = place.partition("@")
        verb, _, nth = (rest or "kill9").partition(":")
        action, _, argument = verb.partition("=")
        if action not in ACTIONS:
            raise ValueError(f"FLEX_FAULT: there is no action {action!r}; known are {', '.join(ACTIONS)}")
        return cls(point, node_id, action, argument, int(nth or 1))


def fault(point: str, node_id: str = "") -> None:
    """Break here if a test asked for it."""
    planned = [f for f in _planned() if f.point == point and f.node_id in {"", node_id}]
    if not planned:
        return
    visit = _visit(point, node_id)
    for due in planned:
        if due.nth == visit:
            ACTIONS[due.action](due.argument)


@cache
def _planned() -> tuple[Fault, ...]:
    return faults_of(get_settings())


def faults_of(settings: Settings) -> tuple[Fault, ...]:
    """Return the faults that the settings ask for; none outside of tests. Raises ValueError."""
    if not settings.test_mode or not settings.fault:
        return ()
    return tuple(Fault.parse(entry) for entry in settings.fault.split(",") if entry)


def _visit(point: str, node_id: str) -> int:
    """Return the number of this visit, taking it from every other process."""
    folder = Path(get_settings().data_dir) / "faults"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        try:
            os.close(os.open(folder / f"{point}@{node_id}.{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            number += 1
        else:
            return number


def _kill(_argument: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _exit(_argument: str) -> None:
    raise SystemExit(1)


def _raise(argument: str) -> None:
    raise InjectedFaultError(argument or "injected")


def _exhaust(_argument: str) -> None:
    raise MemoryError


def _allocate(argument: str) -> None:
    """Ask for so many bytes; a process with a limit does not get them."""
    bytearray(int(argument))


def _quit(argument: str) -> None:
    """End the process at once, without anybody's leave."""
    os._exit(int(argument or 1))


def _spin(argument: str) -> None:
    """Keep the processor busy for so many seconds, deaf to everything."""
    until = time.monotonic() + float(argument)
    while time.monotonic() < until:
        pass


def _sleep(argument: str) -> None:
    time.sleep(float(argument))


def _hold(argument: str) -> None:
    """Wait here until a file of this name stands in the folder of the visits."""
    while not (Path(get_settings().data_dir) / "faults" / argument).exists():
        time.sleep(HOLD_POLL_SECONDS)


ACTIONS = {
    "kill9": _kill,
    "exit": _exit,
    "quit": _quit,
    "raise": _raise,
    "memory": _exhaust,
    "allocate": _allocate,
    "sleep": _sleep,
    "hold": _hold,
    "spin": _spin,
}
