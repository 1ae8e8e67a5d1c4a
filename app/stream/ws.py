"""A WebSocket as frames need it: messages sent whole, marks of the stream itself, and a reason for every end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from socket import SHUT_RDWR
from typing import Any, Protocol

from app.stream.follow import Signal
from app.stream.sse import RESTART_MS
from app.stream.wire import one_line
from models.events.frames import timestamp_text
from policies.errors import FlexError

MAX_MESSAGE_BYTES = 262_144
FIRST_MESSAGE_SECONDS = 10.0
TURN_SECONDS = 0.5
PING_SECONDS = 15
SECONDS_TO_LET_GO = 1.0
OPTIONS = {"ping_interval": PING_SECONDS, "max_message_size": MAX_MESSAGE_BYTES}

REFUSED, FAULT, RESTARTING, TOO_SLOW = 1008, 1011, 1012, 1013
"""Codes with which a connection is closed: RFC 6455 and its registry."""

ENDS: Mapping[Signal, tuple[int, str, Mapping[str, Any]]] = {
    Signal.RESTART: (RESTARTING, "server-restart", {"retry": RESTART_MS}),
    Signal.REVOKED: (REFUSED, "revoked", {"message": "key_no_longer_holds"}),
    Signal.OVERRUN: (TOO_SLOW, "overrun", {"message": "client_too_slow"}),
}


class SilentClientError(FlexError):
    """Say what to listen to within ten seconds of connecting."""

    code = "request_timeout"


class Socket(Protocol):
    """The connection as the library gives it; all three raise its `ConnectionClosed`."""

    def send(self, data: str) -> None:
        """Send one message."""

    def receive(self, timeout: float | None = None) -> str | bytes | None:
        """Return the next message, None when there is none within `timeout` seconds."""

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """End the connection with a code."""


class WholeSocket:
    """A server's socket on which each message is sent whole, and no two at once.

    The library calls `send` once for each message, from the thread that tells frames and from the one that answers
    pings; a `send` may take only a part of what it is given.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._turn = threading.Lock()

    def send(self, data: bytes) -> int:
        with self._turn:
            self._connection.sendall(data)
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def hear(socket: Socket, stopping: Callable[[], bool]) -> str | bytes | None:
    """Return what the client says first, None when the server stops. Raises `SilentClientError`."""
    deadline = time.monotonic() + FIRST_MESSAGE_SECONDS
    while not stopping():
        text = socket.receive(timeout=TURN_SECONDS)
        if text is not None:
            return text
        if time.monotonic() > deadline:
            raise SilentClientError
    return None


def let_go(socket: Any, connection: Any) -> None:
    """Wake the library's own thread, which would wait for the next ping with the process kept alive, and see it end."""
    with contextlib.suppress(OSError):
        connection.shutdown(SHUT_RDWR)
    socket.thread.join(SECONDS_TO_LET_GO)


def mark(kind: str, **members: Any) -> str:
    """Return a mark of the connection itself: a type and a moment like a frame, without an id, and in no log."""
    return one_line({"type": kind, "timestamp": timestamp_text(datetime.now(UTC)), **members})


def end(socket: Socket, signal: Signal) -> None:
    """Say why the connection ends, and end it."""
    code, kind, members = ENDS[signal]
    socket.send(mark(kind, **members))
    socket.close(code, kind)
