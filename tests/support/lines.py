"""The log of this process as JSON lines, written by the real formatter, for tests that read it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import structlog

from models.settings import load_settings
from models.telemetry import configure_logging

Line = dict[str, Any]


class Lines:
    """What has been written so far."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def all(self) -> list[Line]:
        return [json.loads(line) for line in self.text.splitlines()]

    def named(self, *names: str) -> list[Line]:
        return [line for line in self.all() if line["event"] in names]

    def names(self) -> list[str]:
        return [line["event"] for line in self.all()]


@contextmanager
def captured(**environ: str) -> Iterator[Lines]:
    """Log as a process does that has these settings, into a text; everything is as before afterwards."""
    root, configuration = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    structlog.contextvars.clear_contextvars()
    try:
        with patch.object(sys, "stderr", stream):
            configure_logging(load_settings({"FLEX_LOG_FORMAT": "json", **environ}))
        # A logger that a test used is not to keep the test's configuration.
        structlog.configure(cache_logger_on_first_use=False)
        yield Lines(stream)
    finally:
        root.handlers, root.level = handlers, level
        structlog.configure(**configuration)
