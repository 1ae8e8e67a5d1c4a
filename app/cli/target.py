"""Where a command finds its server: the one named, the one that runs here, or one started for as long as it takes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

import click

from app.client import ClientError, FlexClient, ServerUnreachableError
from app.data_folder import choose_data_folder
from app.machine import Machine
from app.ports import web_address
from models.settings import Settings, load_settings

WAIT_SECONDS = 0.2
EXIT_TERMINATED = 143

url_option = click.option("--url", metavar="URL", help="Address of the server; else the one that runs here.")


def note(text: str) -> None:
    """Tell the person something that is no part of a command's output."""
    click.echo(text, err=True)


@contextmanager
def running_server(url: str | None) -> Iterator[FlexClient]:
    """Yield a client of the named server or of the one that runs here. Raises `ServerUnreachableError`."""
    settings = load_settings()
    address = url or running_address(settings)
    if address is None:
        raise ServerUnreachableError("no Flex server runs here; start one with `flex up`, or name one with --url.")
    with FlexClient(address, settings.api_key) as client:
        yield client


@contextmanager
def any_server(url: str | None) -> Iterator[FlexClient]:
    """Yield a client of the named server, of the one that runs here, or of one that is started for this block."""
    settings = load_settings()
    address = url or running_address(settings)
    if address is not None:
        with FlexClient(address, settings.api_key) as client:
            yield client
        return
    note("no server runs here; starting one for the duration …")
    with own_machine(settings) as machine, machine.client() as client:
        yield client


def running_address(settings: Settings) -> str | None:
    """Return the address of the server of this data folder, or of one on the usual port; None if there is none."""
    state = choose_data_folder(settings.data_dir).read_state()
    if state is not None:
        return str(state["webUrl"])
    address = web_address(settings.server_host, settings.server_port)
    with FlexClient(address) as client:
        try:
            return address if "services" in client.health() else None
        except ClientError:
            return None


@contextmanager
def own_machine(settings: Settings, say: Callable[[str], None] = note) -> Iterator[Machine]:
    """Start everything in the background, yield it when it is ready, and stop it after the block."""
    machine = Machine(settings, echo=lambda _name, _line: None, changed=lambda _rows: None, say=say)
    background = _Background(machine)
    before = signal.signal(signal.SIGTERM, _exit_in_order)
    background.start()
    try:
        background.wait_until_ready()
        yield machine
    finally:
        machine.supervisor.request_stop()
        background.join()
        signal.signal(signal.SIGTERM, before)


class _Background(Thread):
    """Runs a machine in a thread of its own, from the first start to the last stop."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(name="machine")
        self._machine = machine
        self._settled = Event()
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._machine.start()
            self._settled.set()
            self._machine.run()
        except Exception as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        finally:
            self._machine.stop()
            self._settled.set()

    def wait_until_ready(self) -> None:
        while not self._settled.wait(WAIT_SECONDS):
            pass
        if self._error is not None:
            self.join()
            raise self._error


def _exit_in_order(_number: int, _frame: FrameType | None) -> None:
    sys.exit(EXIT_TERMINATED)
