"""A stream as the answer to a request, and how its connection outlives the request.

A stream lasts for hours, and a server that writes it as a response's body keeps everything that the request was made of
for as long: its headers, its environment, and each page of stack that answering it has touched. So the response takes
the connection away from gunicorn, ends the request, and is written by a greenlet that holds nothing but the stream.
Elsewhere, where the connection cannot be had, the stream is an ordinary body.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import gevent
import structlog
from flask import Response
from gevent import monkey
from werkzeug.http import http_date

HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
SOCKET = "gunicorn.socket"
OF_ONE_REQUEST = frozenset({"HTTP/1.0", "HTTP/1.1"})
"""Protocols in which a connection carries one response at a time, so that one response may have it."""

logger = structlog.get_logger(__name__)


class Body:
    """The pieces of a stream as a server writes them; `close` runs when the client is gone, even if none was sent."""

    __slots__ = ("_close", "_events")

    def __init__(self, events: Iterable[str], close: Callable[[], None]) -> None:
        self._events = events
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        return (text.encode() for text in self._events)

    def close(self) -> None:
        self._close()

    def write_to(self, connection: Any, hold: Any, head: bytes) -> None:
        """Write all of it behind `head` until it ends or the client is gone; closing `hold` closes the connection.

        This is the whole stack of a client that waits, so it goes without the layer that `__iter__` puts around.
        """
        try:
            connection.sendall(head)
            for text in self._events:
                connection.sendall(text.encode())
        except OSError:
            return
        except Exception:
            # The response has begun: its end is all that the client can still be told.
            logger.exception("stream_failed")
        finally:
            self._close()
            hold.close()


class StreamResponse(Response):
    """A response that leaves its request behind, where the server lets it."""

    def __init__(self, body: Body, headers: Mapping[str, str]) -> None:
        super().__init__(body, mimetype="text/event-stream", headers=headers, direct_passthrough=True)
        self._body = body

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        connection = environ.get(SOCKET)
        alone = environ.get("SERVER_PROTOCOL") in OF_ONE_REQUEST
        if connection is None or not alone or not monkey.is_module_patched("socket"):
            return super().__call__(environ, start_response)
        # gunicorn closes its connection when a request has ended; a file made of it keeps it open beyond that.
        gevent.spawn(self._body.write_to, connection, connection.makefile("wb", 0), self._head(environ))
        # This is how gunicorn is told that somebody else looks after the connection.
        raise StopIteration

    def _head(self, environ: dict[str, Any]) -> bytes:
        """Return status and headers; the body needs no length and no chunks, for it ends with the connection."""
        headers = [*self.get_wsgi_headers(environ), ("Date", http_date()), ("Connection", "close")]
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in headers), "", ""]
        return "\r\n".join(lines).encode("latin-1")


def stream_response(
    events: Iterable[str], *, close: Callable[[], None], headers: Mapping[str, str] | None = None
) -> Response:
    """Return the streaming response; `close` runs when the client is gone, even if nothing was ever sent."""
    return StreamResponse(Body(events, close), {**HEADERS, **(headers or {})})


def hang_up(environ: Mapping[str, Any]) -> Callable[[], None] | None:
    """Return what closes the client's connection from another thread; None where the server hides its socket."""
    connection = environ.get(SOCKET)
    if connection is None:
        return None

    def close() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    return close
