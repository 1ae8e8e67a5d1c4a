"""Logs: one formatter for all of a process, JSON lines or readable text, that tells no secret and no content.

The configured secrets are masked in whatever is written. An exception is told by its type and the places that it came
through; its message may quote what a client sent, so it is told only where it cannot (the system's and the servers'
own errors) or when the level is `debug`.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO
from urllib.parse import unquote, urlsplit

import psycopg2
import redis
import structlog

from models.settings import Settings
from policies.errors import FlexError

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
MASK = "[secret]"
SHORTEST_SECRET = 6
"""A shorter one would mask words that have nothing to do with it."""
MOST_CAUSES = 8

_SAFE_ERRORS = (OSError, psycopg2.OperationalError, redis.RedisError)
"""Errors of connections: their messages tell of addresses and timeouts."""

Event = MutableMapping[str, Any]


def configure_logging(settings: Settings) -> None:
    """Send structlog and the standard library through one chain to standard error.

    Our own lines take the short way: a run writes dozens, and a record of the library costs more than what it says.
    """
    stream = sys.stderr
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        ExceptionTeller(with_messages=settings.log_level == "debug"),
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    mask: Any = SecretMask(settings)
    formatter = structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer, mask],
        foreign_pre_chain=[*shared, quiet_task_failure],
        pass_foreign_args=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(LEVELS[settings.log_level])
    structlog.configure(
        processors=[*shared, renderer, mask],
        logger_factory=lambda *names: NamedWriter(names[0] if names else None, stream),
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[settings.log_level]),
        cache_logger_on_first_use=True,
    )


class NamedWriter(structlog.WriteLogger):
    """Writes finished lines; several threads may, each line stays whole."""

    def __init__(self, name: str | None, stream: TextIO) -> None:
        super().__init__(stream)
        self.name = name


class ExceptionTeller:
    """Turns `exc_info` into the text `exception`: every cause with the places that it came through."""

    def __init__(self, *, with_messages: bool) -> None:
        self._with_messages = with_messages

    def __call__(self, _logger: Any, _method: str, event: Event) -> Event:
        given = event.pop("exc_info", None)
        if error := _error_of(given):
            event["exception"] = "\n".join(self._told(error))
        return event

    def _told(self, error: BaseException) -> Iterator[str]:
        current: BaseException | None = error
        for _ in range(MOST_CAUSES):
            if current is None:
                return
            yield "".join(traceback.format_tb(current.__traceback__)).rstrip()
            yield self._head(current)
            current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
            if current is not None:
                yield "caused by"

    def _head(self, error: BaseException) -> str:
        name = f"{type(error).__module__}.{type(error).__qualname__}"
        if self._with_messages or isinstance(error, _SAFE_ERRORS):
            return f"{name}: {error}"
        return f"{name} ({error.code})" if isinstance(error, FlexError) else name


class SecretMask:
    """Replaces the secrets of the settings in a finished line, as they stand and as JSON spells them."""

    def __init__(self, settings: Settings) -> None:
        found = {secret for secret in _secrets(settings) if len(secret) >= SHORTEST_SECRET}
        spelled = {json.dumps(secret)[1:-1] for secret in found}
        # The longest first: one secret may be a part of another.
        self._secrets = sorted(found | spelled, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, line: str) -> str:
        for secret in self._secrets:
            if secret in line:
                line = line.replace(secret, MASK)
        return line


def quiet_task_failure(_logger: Any, _method: str, event: Event) -> Event:
    """Tell of a task that broke without the error's text, which Celery writes into its message."""
    told = event.pop("positional_args", None)
    record = event.get("_record")
    if isinstance(told, dict) and "description" in told and record is not None and record.name == "celery.app.trace":
        event["event"] = f"Task {told.get('name')}[{told.get('id')}] {told['description']}"
    return event


def _error_of(given: Any) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    found = given if isinstance(given, tuple) else sys.exc_info() if given else (None, None, None)
    return found[1] if isinstance(found[1], BaseException) else None


def _secrets(settings: Settings) -> Iterator[str]:
    for secret in (settings.api_key, settings.openai_api_key, settings.flower_password):
        if secret:
            yield secret
    for url in (settings.database_url, settings.redis_url):
        if url and (password := urlsplit(url).password):
            yield password
            yield unquote(password)
