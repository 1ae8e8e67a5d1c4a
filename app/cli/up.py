"""`flex up` and `flex demo`: everything on one machine, to stay or to see it once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from app.cli.runs import EXIT_CODES, follow
from app.cli.target import own_machine
from app.machine import FLOWER_USER, ROOT, Machine
from app.supervisor import Status
from models.settings import load_settings

DEMO_ENVELOPE = ROOT / "docs" / "examples" / "linkedin.json"
STATE_STYLES = {"ready": "green", "starting": "yellow", "restarting": "red", "failed": "red"}


@click.command()
@click.option("--plain", is_flag=True, help="Lines instead of the live table.")
def up(*, plain: bool) -> None:
    """Run everything on this machine until Ctrl-C: servers, migrations, web, workers, beat, Flower."""
    console = Console(highlight=False)
    screen = _Lines() if plain or not console.is_terminal else _Board(console)
    machine = Machine(load_settings(), echo=screen.echo, changed=screen.show, say=screen.say)

    def stop(_number: int, _frame: FrameType | None) -> None:
        if machine.supervisor.is_stopping:
            sys.exit(1)
        machine.supervisor.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    with screen:
        try:
            machine.start()
            if not machine.supervisor.is_stopping:
                screen.say(*_welcome(machine))
                machine.run()
            screen.say("stopping …")
        finally:
            machine.stop()


@click.command()
def demo() -> None:
    """Start everything, run the sample LinkedIn envelope, show plan, progress and result, and stop again."""
    console = Console(highlight=False)
    envelope = json.loads(DEMO_ENVELOPE.read_text(encoding="utf-8"))
    console.print("Starting PostgreSQL, Valkey, web, workers, beat and Flower …")
    with own_machine(load_settings(), say=click.echo) as machine, machine.client() as client:
        console.print(f"Ready at {machine.web_url}; Flower at {machine.flower_url}.")
        console.print(f"Objective: {envelope['objective']}\n", soft_wrap=True)
        view = follow(client.run_stream(envelope), console)
        console.print(f"\nRun {view.run_id} {(view.end or {}).get('status', 'waits for a person')}.")
        console.print("Stopping what was started …")
    if view.end and view.end["status"] == "completed":
        console.print("\n".join(_what_next(view.run_id)), soft_wrap=True, markup=False)
    sys.exit(EXIT_CODES[(view.end or {}).get("status", "waiting")])


def _welcome(machine: Machine) -> tuple[str, ...]:
    return (
        "Flex is ready.",
        f"  web     {machine.web_url}   API description: {machine.web_url}/docs",
        f"  Flower  {machine.flower_url}   user {FLOWER_USER}, password {machine.settings.flower_password}",
        f"  logs    {machine.folder.logs}",
        "  try     flex run docs/examples/linkedin.json   (Ctrl-C here stops everything)",
    )


def _what_next(run_id: str | None) -> tuple[str, ...]:
    flex = "flex" if shutil.which("flex") else os.path.relpath(sys.argv[0])
    commands = (
        (f"{flex} up", "keep everything running; the addresses are shown"),
        (f"{flex} run docs/examples/linkedin.json", "the same run against it; change the file and run it again"),
        (f"{flex} watch {run_id}", "this run again, frame by frame"),
        (f"{flex} plan docs/examples/blog.json", "a plan without a run"),
    )
    width = max(len(command) for command, _ in commands)
    return (
        "",
        "What to try next:",
        *(f"  {command:<{width}}   {purpose}" for command, purpose in commands),
        "  curl -N -H 'Content-Type: application/json' -d @docs/examples/linkedin.json \\",
        "       http://127.0.0.1:3003/api/v1/flex/run.stream",
        "  docs/tutorial.md explains what you saw.",
    )


class _Lines:
    """The plain face of `flex up`: every line of every process, with its name before it."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[str, int | None]] = {}

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_reason: object) -> None:
        pass

    def say(self, *lines: str) -> None:
        for line in lines:
            self.echo("flex", line)

    def echo(self, name: str, line: str) -> None:
        click.echo(f"{name:<9}| {line}")

    def show(self, rows: Sequence[Status]) -> None:
        for row in rows:
            if self._states.get(row.name) != (row.state, row.pid):
                self._states[row.name] = (row.state, row.pid)
                self.echo("flex", f"{row.name} {row.state}" + (f", process {row.pid}" if row.pid else ""))


class _Board:
    """The face of `flex up` on a terminal: one live table, with what must be said above it."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_reason: object) -> None:
        self._live.stop()

    def say(self, *lines: str) -> None:
        self._live.console.print("\n".join(lines), soft_wrap=True, markup=False)

    def echo(self, name: str, line: str) -> None:
        """Leave a process's lines to its log file."""

    def show(self, rows: Sequence[Status]) -> None:
        table = Table("process", "state", "pid", "restarts", "address")
        for row in rows:
            state = Text(row.state, style=STATE_STYLES.get(row.state, "dim"))
            table.add_row(row.name, state, str(row.pid or ""), str(row.restarts or ""), row.address or "")
        self._live.update(table, refresh=True)
