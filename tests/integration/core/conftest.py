"""The core on a database of each test's own, in this process, without Redis."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from models.catalogue import catalogue
from models.database import disconnect
from models.events.doorbell import live_bus
from models.repositories import capabilities, measured
from models.settings import get_settings
from tests.support.loop import Loop


def forget_process() -> None:
    """Let this process read its settings and open its connections anew."""
    disconnect()
    for cached in (get_settings, live_bus, catalogue):
        cached.cache_clear()
    capabilities._snapshots.forget()
    measured._kept.forget()


@pytest.fixture
def quiet() -> Iterator[None]:
    """No log lines: unconfigured, the library would draw every exception with all that its frames hold."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def database(quiet: None, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[str]:
    """This process's models, connected to a migrated database that only this test sees."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("REDIS_URL", raising=False)
    forget_process()
    yield database_url
    forget_process()


@pytest.fixture
def loop(database: str, monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The run loop on that database, with messages and agents in the test's hand."""
    return Loop(monkeypatch)
