"""The turnstile before the streams: so many are opened at a time, and the others wait where waiting costs little.

The clients of a server that stopped come back all at once. While a stream is opened it needs several times the memory
that it needs later, and what a crowd has needed in small pieces a process hardly ever gives back.
"""

from __future__ import annotations

from threading import BoundedSemaphore

from flask import Flask, g, request

from app.limits import LimitError

STREAMS = frozenset({"runs.stream_run", "runs.read_events"})
OPENED_AT_ONCE = 16
"""Fewer than there are connections to the database: whoever opens no stream finds one free."""
PATIENCE_SECONDS = 30.0
RETRY_SECONDS = 2


class CrowdedError(LimitError):
    """More streams are being opened than this server can open at once; try again in a moment."""


def init_app(app: Flask, *, at_once: int = OPENED_AT_ONCE, patience: float = PATIENCE_SECONDS) -> None:
    """Let requests for streams through by turns, until each is answered; the stream itself holds nobody up."""
    turns = BoundedSemaphore(at_once)

    def enter() -> None:
        if request.endpoint not in STREAMS:
            return
        if not turns.acquire(timeout=patience):
            raise CrowdedError(CrowdedError.__doc__ or "", pending=at_once, limit=at_once, retry_after=RETRY_SECONDS)
        g.has_turn = True

    def leave(_error: BaseException | None) -> None:
        if g.pop("has_turn", False):
            turns.release()

    app.before_request(enter)
    app.teardown_request(leave)
