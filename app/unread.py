"""What a client still sends when it has its answer: taken in within bounds, so that it comes to read the answer.

A connection that is closed while its client sends is reset, and whoever sends all there is before looking never learns
why. Left to itself, gunicorn reads on without an end, and without a turn for anybody else while something is there.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
from flask import Flask, Response, request
from gevent import monkey
from gunicorn.http.errors import ParseException

UNREAD_BYTES, PIECE_BYTES = 64 * 2**20, 2**16
UNREAD_SECONDS, PIECE_SECONDS = 30.0, 5.0
"""How much is taken in and for how long; and how long a piece of it may take, which ends those who drip."""


def init_app(app: Flask) -> None:
    """Look after the body of every request that has one, whether or not somebody has read it."""

    def look_after(response: Response) -> Response:
        announced = request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "").lower()
        if announced and monkey.is_module_patched("socket"):
            response.call_on_close(partial(_finish, request.environ["wsgi.input"]))
        return response

    app.after_request(look_after)


def take_in(read: Callable[[int], bytes]) -> bool:
    """Read to the end and return whether it was found."""
    with suppress(ParseException, OSError, gevent.Timeout), gevent.Timeout(UNREAD_SECONDS):
        for _ in range(UNREAD_BYTES // PIECE_BYTES):
            with gevent.Timeout(PIECE_SECONDS):
                if not read(PIECE_BYTES):
                    return True
            # A sender that is fast enough would never let go of this thread.
            gevent.sleep(0)
    return False


def _finish(body: Any) -> None:
    if not take_in(body.read):
        # This is how gunicorn is told to close the connection.
        raise StopIteration
