"""Runs in this process, their log lines as JSON, and the metrics as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tasks.runs  # noqa: F401 - a message is delivered to a task that is registered
from tests.integration.core.conftest import database as database
from tests.integration.core.conftest import loop as loop
from tests.support.lines import Lines, captured


@pytest.fixture
def lines(loop: object) -> Iterator[Lines]:
    """What is logged at `info` from now on."""
    with captured() as found:
        yield found


@pytest.fixture
def all_lines(loop: object) -> Iterator[Lines]:
    """What is logged from now on, with the updates of metrics."""
    with captured(FLEX_LOG_LEVEL="debug") as found:
        yield found
