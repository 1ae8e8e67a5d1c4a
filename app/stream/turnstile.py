"""The turnstile before the streams: so many are opened at a time, and the others wait where waiting costs little.

The clients of a server that stopped come back all at once. While a stream is opened it needs several times the memory
that it needs later, and what a crowd has needed in small pieces a process hardly ever gives back.
"""

from __future__ import annotations

import time
from threading import BoundedSemaphore

import structlog
from flask import Flask, current_app, g, request

from app.limits import LimitError

EXTENSION = "flex.turnstile"
OPENED_AT_ONCE = 16
"""Fewer than there are connections to the database: whoever opens no stream finds one free."""
PATIENCE_SECONDS = 30.0
RETRY_SECONDS = 2

logger = structlog.get_logger(__name__)


class CrowdedError(LimitError):
    """More streams are being opened than this server can open at once; try again in a moment."""


class Turnstile:
    """So many turns at a time, and how long a request waits for one."""

    def __init__(self, at_once: int, patience: float) -> None:
        self._at_once = at_once
        self._patience = patience
        self._turns = BoundedSemaphore(at_once)

    def enter(self) -> None:
        """Wait for a turn. Raises `CrowdedError`."""
        if self._turns.acquire(blocking=False):
            return
        begun = time.monotonic()
        if not self._turns.acquire(timeout=self._patience):
            why, limit = CrowdedError.__doc__ or "", self._at_once
            raise CrowdedError(why, pending=limit, limit=limit, retry_after=RETRY_SECONDS)
        waited = (time.monotonic() - begun) * 1000
        logger.info("flex_sse_queue", limit=self._at_once, duration_ms=round(waited, 1))

    def leave(self) -> None:
        """Give the turn to the next one."""
        self._turns.release()


def init_app(
    app: Flask,
    *,
    without_body: frozenset[str] = frozenset({"runs.read_events"}),
    at_once: int = OPENED_AT_ONCE,
    patience: float = PATIENCE_SECONDS,
) -> None:
    """Let the requests that ask for a stream `without_body` (endpoints) through by turns, until each is answered.

    It stands behind whoever asks for keys: a stranger waits for nobody, and nobody for a stranger.
    """
    app.extensions[EXTENSION] = Turnstile(at_once, patience)
    app.before_request(lambda: take_turn() if request.endpoint in without_body else None)
    app.teardown_request(_leave)


def take_turn() -> None:
    """Wait for this request's turn to open a stream, which it has until it is answered. Raises `CrowdedError`.

    A request with a body takes it when the body has been read: a client may take a minute to send one.
    """
    current_app.extensions[EXTENSION].enter()
    g.has_turn = True


def _leave(_error: BaseException | None) -> None:
    if g.pop("has_turn", False):
        current_app.extensions[EXTENSION].leave()
