"""One log line per request: what was asked, how it was answered, how long it took to begin the answer."""

from __future__ import annotations

import time

import structlog
from flask import Flask, Response, g, request

QUIET = frozenset({"/healthz", "/readyz"})
"""Asked every few seconds by machines; a line for each would bury the rest."""

logger = structlog.get_logger(__name__)


def init_app(app: Flask) -> None:
    """Note every request."""

    def begin() -> None:
        g.begun = time.monotonic()

    def note(response: Response) -> Response:
        if request.path not in QUIET:
            duration = round((time.monotonic() - g.begun) * 1000, 1)
            logger.info(
                "request", method=request.method, path=request.path, status=response.status_code, duration_ms=duration
            )
        return response

    app.before_request(begin)
    app.after_request(note)
