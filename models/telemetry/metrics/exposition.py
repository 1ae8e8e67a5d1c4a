"""Metrics: counted in the tables at the moment of the scrape, so that they are true whichever process is asked.

No process counts for itself: nothing is lost when one dies, and nothing is counted twice. Each source is one statement
and stands alone; what cannot be asked says so in `flex_scrape_source_up`, and the rest is told all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Metric as Family
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Select, text
from sqlalchemy.exc import DBAPIError

from models.database import database_errors, engine
from models.errors import DatabaseUnavailableError
from models.telemetry.metrics.frames import PLANS, PROMPTS, REPEATED, TOLD
from models.telemetry.metrics.nodes import NODES
from models.telemetry.metrics.reach import REACH
from models.telemetry.metrics.runs import RUNS
from models.telemetry.metrics.service import CANARIES, PEOPLE, REGISTRY, TIMERS
from models.telemetry.metrics.source import Families, Rows, gauge, single

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
STATEMENT_SECONDS = 5
"""A table that takes longer than this is given up, and marked as not asked."""
SOURCES = (RUNS, NODES, PLANS, REACH, PROMPTS, TOLD, REPEATED, PEOPLE, REGISTRY, CANARIES, TIMERS)

logger = structlog.get_logger(__name__)


def exposition(gauges: Mapping[str, float] | None = None) -> bytes:
    """Return the metrics as Prometheus reads them; `gauges` are further ones without labels, by dotted name."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Tables(gauges or {}))
    return generate_latest(registry)


class _Tables(Collector):
    """Asks every source once."""

    def __init__(self, gauges: Mapping[str, float]) -> None:
        self._gauges = gauges

    def collect(self) -> Families:
        up = gauge("flex.scrape.source_up")
        reachable = True
        for source in SOURCES:
            found: list[Family] = []
            if reachable:
                try:
                    found = list(source.families(_ask(source.statement())))
                except DatabaseUnavailableError:
                    # The next one would wait for the same server just as long.
                    reachable = False
                except DBAPIError as error:
                    logger.warning("metrics_source_failed", source=source.name, error=type(error.orig).__name__)
            up.add_metric([source.name], 1.0 if found else 0.0)
            yield from found
        for name, value in self._gauges.items():
            yield single(name, value)
        yield up


def _ask(statement: Select[Any]) -> Rows:
    with database_errors(), engine().connect() as connection, connection.begin():
        _bound(connection)
        return connection.execute(statement).all()


def _bound(connection: Connection) -> None:
    connection.execute(text(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"))
    connection.execute(text("SET TRANSACTION READ ONLY"))
