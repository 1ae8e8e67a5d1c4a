"""The live stream as one process hears it: where it has got to, and what it does when the stream begins anew."""

from __future__ import annotations

from typing import Any, Protocol

import structlog

logger = structlog.get_logger(__name__)


class LiveBus(Protocol):
    """The live stream as the listener needs it: where it ends now, and what came behind a cursor."""

    def tail(self) -> str:
        """Return the id of the last entry, `0-0` for an empty stream."""

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        """Wait up to `block_ms` for frames behind the cursor; return the new cursor and them."""


class LiveReader:
    """A reader of the live stream that keeps its place; both of its steps raise whatever is wrong with Redis."""

    def __init__(self, bus: LiveBus, block_ms: int) -> None:
        self._bus = bus
        self._block_ms = block_ms
        self._cursor: str | None = None

    @property
    def began(self) -> bool:
        return self._cursor is not None

    def begin(self) -> None:
        """Take the stream's end as the place."""
        self._cursor = self._bus.tail()

    def read(self) -> list[dict[str, Any]]:
        """Return what comes next, after a while nothing; a flushed or restarted Redis is read from its beginning."""
        held = self._cursor or "0"
        self._cursor, frames = self._bus.read(held, self._block_ms)
        if not frames and _entry_id(self._bus.tail()) < _entry_id(self._cursor):
            logger.info("live_stream_restarted", cursor=self._cursor)
            self._cursor = "0"
        return frames


def _entry_id(text: str) -> tuple[int, int]:
    """Return a stream entry id `milliseconds-sequence` as numbers that compare; a bare `0` is `0-0`."""
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)
