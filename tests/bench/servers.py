"""Servers of a benchmark's own, and the environment of the processes that use them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.embedded import EmbeddedServers
from models.settings import broker_url

ROOT = Path(__file__).parents[2]


@contextmanager
def bench_environ() -> Iterator[dict[str, str]]:
    """Start PostgreSQL and Valkey for the length of the block; give the variables that lead to them."""
    folder = Path(tempfile.mkdtemp(prefix="flex-bench-"))
    folder.chmod(0o755)
    servers = EmbeddedServers(folder / "data")
    servers.start()
    try:
        database_url, redis_url = servers.urls
        yield {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "FLEX_DATA_DIR": str(folder),
            "FLEX_LOG_LEVEL": "warning",
            "BENCH_BROKER": broker_url(redis_url),
            "BENCH_REDIS": redis_url,
        }
    finally:
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
