"""A followed run as server-sent events: the text of frames, heartbeats and closing marks, and the response headers."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response

from app.stream.follow import Follower, Signal
from app.stream.wire import Wire, one_line

RECONNECT_MS = 2000
RESTART_MS = 500
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


def stream_response(
    events: Iterable[str], *, close: Callable[[], None], headers: Mapping[str, str] | None = None
) -> Response:
    """Return the streaming response; `close` runs when the client is gone, even if nothing was ever sent."""
    response = Response(
        (text.encode() for text in events), mimetype="text/event-stream", headers={**HEADERS, **(headers or {})}
    )
    response.call_on_close(close)
    return response


def write_events(
    follower: Follower,
    *,
    run_id: str,
    correlation_id: str | None,
    types: frozenset[str] | None = None,
    opening: str = "",
) -> Iterator[str]:
    """Yield the text of the stream, piece by piece; `types` leaves out stored frames of other types."""
    yield f"retry: {RECONNECT_MS}\n\n{opening}"
    for item in follower:
        if isinstance(item, Wire):
            if types is None or item.type in types:
                yield frame_text(item)
        else:
            yield _signal_text(item, run_id=run_id, correlation_id=correlation_id, position=follower.position)


def frame_text(wire: Wire) -> str:
    return f"event: {wire.type}\nid: {wire.seq}\ndata: {wire.text}\n\n"


def reset_text(run_id: str, correlation_id: str | None) -> str:
    """Return the mark that tells a client its position is none of this run's: everything follows from the start."""
    return _unstored("reset", run_id, correlation_id, message="unknown_position", payload={"after": 0})


def _signal_text(signal: Signal, *, run_id: str, correlation_id: str | None, position: int) -> str:
    if signal is Signal.HEARTBEAT:
        return ": heartbeat\n\n"
    if signal is Signal.RESTART:
        return f": {signal.value}\nretry: {RESTART_MS}\n\n"
    if signal is Signal.OVERRUN:
        return _unstored("overrun", run_id, correlation_id, message="client_too_slow", payload={"after": position})
    return _unstored("log", run_id, correlation_id, message=signal.value, payload={"after": position})


def _unstored(kind: str, run_id: str, correlation_id: str | None, *, message: str, payload: Mapping[str, Any]) -> str:
    """Return a mark of the stream itself: shaped like a frame, without an id, and in no log."""
    frame = {
        "type": kind,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "runId": run_id,
        "correlationId": correlation_id,
        "message": message,
        "payload": payload,
    }
    return f"event: {kind}\ndata: {one_line(frame)}\n\n"


def hang_up(environ: Mapping[str, Any]) -> Callable[[], None] | None:
    """Return what closes the client's connection from another thread; None where the server hides its socket."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return None

    def close() -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    return close
