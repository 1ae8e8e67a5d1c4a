"""`flex` as a person calls it, each time in a process of its own that starts in a moment."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.warm import Nursery

Flex = Callable[..., subprocess.CompletedProcess[str]]
SECONDS = 100


@pytest.fixture(scope="session")
def _commands() -> Iterator[Nursery]:
    nursery = Nursery("app.cli")
    yield nursery
    nursery.stop()


@pytest.fixture
def command_line(_commands: Nursery, tmp_path: Path) -> Flex:
    """Call `flex` with arguments, what it reads, and variables, in a folder of its own; return how it ended."""
    read, written, errors = (tmp_path / name for name in ("read", "written", "errors"))

    def call(*arguments: str, stdin: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        read.write_text(stdin or "", encoding="utf-8")
        for path in (written, errors):
            path.unlink(missing_ok=True)
        files = (str(read), str(written), str(errors))
        code = _commands.start("app.cli", *arguments, environ=environ, cwd=tmp_path, files=files).wait(SECONDS)
        told, warned = (path.read_text(encoding="utf-8") for path in (written, errors))
        return subprocess.CompletedProcess(["flex", *arguments], code, told, warned)

    return call
