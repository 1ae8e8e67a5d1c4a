"""`flex up` and `flex demo` on their own embedded servers: the way of a new user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.client import FlexClient
from app.data_folder import DataFolder
from app.ports import answers
from app.programs import wait_until
from models.settings import child_environ
from tests.support.servers import make_data_dir
from tests.support.stack import ROOT, SETTINGS, example, run_to_end


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = make_data_dir()
    yield folder / "data"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port() -> int:
    """A port that nobody else uses while this test runs."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


def start(data_dir: Path, port: int, *arguments: str) -> subprocess.Popen[str]:
    """Start `flex` with servers of its own, whatever the environment of the tests says."""
    environ = {
        **SETTINGS,
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "FLEX_DATA_DIR": str(data_dir),
        "FLEX_SERVER_PORT": str(port),
        "FLEX_FLOWER_PORT": "25600",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env=child_environ(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pids(data_dir: Path) -> dict[str, int]:
    state = DataFolder(data_dir).read_state() or {"processes": {}}
    return {name: entry["pid"] for name, entry in state["processes"].items() if entry["pid"]}


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_demo_runs_the_sample_prints_the_variants_and_stops_everything(data_dir: Path, port: int) -> None:
    outcome, _ = start(data_dir, port, "demo").communicate(timeout=110)

    assert "copyVariants 2 of 2" in outcome, outcome
    assert "completed." in outcome
    assert "What to try next:" in outcome
    assert "\x1b" not in outcome
    assert DataFolder(data_dir).read_state() is None
    folder = DataFolder(data_dir)
    folder.lock()  # nobody owns it any more
    folder.release()


def test_up_supervises_its_servers_takes_the_next_port_and_stops_on_ctrl_c(data_dir: Path, port: int) -> None:
    # Given a taken port
    with closing(socket.create_server(("127.0.0.1", port))):
        # When everything is started there
        process = start(data_dir, port, "up", "--plain")
        with process:
            assert wait_until(lambda: bool((DataFolder(data_dir).read_state() or {}).get("ready")), 90)
            state = DataFolder(data_dir).read_state()
            assert state is not None

            # Then web listens on the next free one
            assert state["webUrl"] != f"http://127.0.0.1:{port}"

            # And servers that are killed come back, with what they held
            before = pids(data_dir)
            for name in ("postgres", "valkey"):
                os.kill(before[name], signal.SIGKILL)
            assert wait_until(
                lambda: {"postgres", "valkey"} <= {n for n, p in pids(data_dir).items() if p != before[n]}, 30
            )
            with FlexClient(state["webUrl"]) as client:
                assert wait_until(lambda: client.health()["status"] == "healthy", 60)
                assert run_to_end(client, example("linkedin"))[-1]["payload"]["status"] == "completed"

            # And Ctrl-C ends all of them and gives the folder up
            running = pids(data_dir)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
            assert process.returncode == 0, output[-3000:]
    assert f"port {port} is taken; web listens on" in output
    assert "Flex is ready." in output
    assert all(is_gone(pid) for pid in running.values())


def test_a_killed_up_takes_everything_with_it_and_the_next_one_starts(data_dir: Path, port: int) -> None:
    # Given a running machine
    process = start(data_dir, port, "up", "--plain")
    with process:
        assert wait_until(lambda: bool((DataFolder(data_dir).read_state() or {}).get("ready")), 90)
        running = pids(data_dir)

        # When it is killed
        process.kill()
        process.wait()

    # Then nothing stays behind
    assert wait_until(lambda: all(is_gone(pid) for pid in running.values()), 15)
    assert wait_until(lambda: not answers("127.0.0.1", port), 15)

    # And a run finds the data as they were
    again = start(data_dir, port, "run", "docs/examples/linkedin.json")
    output, _ = again.communicate(timeout=110)
    assert again.returncode == 0, output
    assert "starting one for the duration" in output
