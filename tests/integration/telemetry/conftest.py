"""Runs in this process, their log lines as JSON, and the metrics as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tasks.runs  # noqa: F401 - a message is delivered to a task that is registered
from tests.integration.core.conftest import forget_process
from tests.support.lines import Lines, captured
from tests.support.loop import Loop


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Loop]:
    """The run loop on a database of the test's own, without Redis."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("REDIS_URL", raising=False)
    forget_process()
    yield Loop(monkeypatch)
    forget_process()


@pytest.fixture
def lines(loop: Loop) -> Iterator[Lines]:
    """What is logged at `info` from now on."""
    with captured() as found:
        yield found


@pytest.fixture
def all_lines(loop: Loop) -> Iterator[Lines]:
    """What is logged from now on, with the updates of metrics."""
    with captured(FLEX_LOG_LEVEL="debug") as found:
        yield found
