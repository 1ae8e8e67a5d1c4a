"""The peers' own virtual environment, made once, so that nothing of theirs reaches Flex's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.bench.servers import ROOT

FOLDER = ROOT / ".flex" / "bench-peers"
PACKAGES = {
    "langgraph": ("langgraph~=1.2", "langgraph-checkpoint-postgres~=3.2", "psycopg[binary,pool]~=3.3"),
    "dbos": ("dbos~=3.4", "psycopg[binary]~=3.3"),
}
VERSIONS = "import sys; from importlib.metadata import version; print(*(version(name) for name in sys.argv[1:]))"


class NotInstallableError(Exception):
    """A peer cannot be installed here; the text says why."""


def install(peer: str) -> str:
    """Install a peer unless it is there; return the version of it that is. Raises NotInstallableError."""
    if not (python := interpreter()).exists():
        made = subprocess.run(
            (sys.executable, "-m", "venv", str(FOLDER)), check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if made.returncode:
            shutil.rmtree(FOLDER, ignore_errors=True)
            raise NotInstallableError("no virtual environment could be made: " + _last_line(made.stdout.decode()))
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--retries", "1", "--timeout", "15")
    command = (*pip, "install", "--quiet", "--prefer-binary", *PACKAGES[peer])
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NotInstallableError(_last_line(done.stderr))
    return subprocess.run(
        (str(python), "-c", VERSIONS, peer), check=True, capture_output=True, text=True
    ).stdout.strip()


def interpreter() -> Path:
    return FOLDER / "bin" / "python"


def _last_line(text: str) -> str:
    """Return the last error of a program, or the last thing that it said."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["it said nothing"])[-1]
