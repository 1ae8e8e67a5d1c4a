"""The doorbell: a live copy of every frame on one Redis stream, or in memory for tests.

An entry of the stream carries all frames that were at hand, as one JSON array: packing, storing and reading an entry
costs more than a frame does. A frame that is too large for that is only announced, and readers take it from the log.

Nothing depends on it. A frame that is never published is found in the log; publishing gives up after half a second,
does not retry and never raises, and while the server is away it is not even tried for a moment, so that a stopped
Redis slows nobody down.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.events.frames import Frame

STREAM = "flex:live"
OWNER = "tenantId"
"""The member that readers find beside a frame's own: whose it is. Clients do not get it."""
IN_LOG = "inLog"
"""The member that stands for all but id, type, run and owner of a frame that is only announced."""
ENTRY_BYTES = 65_536
STREAM_LENGTH = 4_096
"""About how many entries the stream keeps, of at most so many bytes each: 256 MiB, and usually a twentieth of that.

A reader that falls further behind reads the log.
"""
ENTRIES_PER_READ = 100
SECONDS_TO_PUBLISH = 0.5
SECONDS_OF_REST = 2.0
"""How long publishing rests after a failure."""

logger = structlog.get_logger(__name__)


class Bus(Protocol):
    """What carries frames to the web processes."""

    def publish(self, frames: Sequence[Frame]) -> None: ...

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]: ...

    def tail(self) -> str: ...


class LiveBus:
    """The stream on a Redis server."""

    def __init__(self, redis_url: str) -> None:
        never_again = Retry(NoBackoff(), 0)
        self._commands = redis.Redis.from_url(
            redis_url,
            socket_timeout=SECONDS_TO_PUBLISH,
            socket_connect_timeout=SECONDS_TO_PUBLISH,
            retry=never_again,
            protocol=2,
        )
        self._url = redis_url
        self._reader: redis.Redis | None = None
        self._rest_until = 0.0

    def publish(self, frames: Sequence[Frame]) -> None:
        """Put the frames on the stream in order; on failure log it and leave it to the log's readers."""
        if not frames or time.monotonic() < self._rest_until:
            return
        try:
            for entry in _entries(frames):
                self._commands.xadd(STREAM, {"frames": entry}, maxlen=STREAM_LENGTH, approximate=True)
        except redis.RedisError as error:
            self._rest_until = time.monotonic() + SECONDS_OF_REST
            logger.warning("live_publish_failed", error=str(error), frames=len(frames))

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        """Return the frames behind `cursor` and the new cursor, waiting up to `block_ms`. Raises redis.RedisError.

        What another version of this service has written is passed over: the log has it.
        """
        reply: Any = self._reading(block_ms).xread({STREAM: cursor}, count=ENTRIES_PER_READ, block=block_ms)
        frames: list[dict[str, Any]] = []
        for _stream, entries in reply or ():
            for entry_id, fields in entries:
                cursor = entry_id.decode()
                frames += json.loads(fields.get(b"frames", b"[]"))
        return cursor, frames

    def tail(self) -> str:
        """Return the id of the stream's last entry, `0-0` if there is none. Raises redis.RedisError."""
        newest: Any = self._commands.xrevrange(STREAM, count=1)
        return str(newest[0][0].decode()) if newest else "0-0"

    def _reading(self, block_ms: int) -> redis.Redis:
        # A blocking read on a client whose socket times out sooner would fail instead of waiting.
        if self._reader is None:
            self._reader = redis.Redis.from_url(
                self._url,
                socket_timeout=block_ms / 1000 + 10,
                socket_connect_timeout=SECONDS_TO_PUBLISH,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
            )
        return self._reader


class MemoryBus:
    """The same within one process."""

    def __init__(self) -> None:
        self._entries: list[dict[str, Any]] = []
        self._more = threading.Condition()

    def publish(self, frames: Iterable[Frame]) -> None:
        with self._more:
            self._entries.extend(json.loads(_text(frame)) for frame in frames)
            self._more.notify_all()

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        position = int(cursor.partition("-")[0])
        with self._more:
            self._more.wait_for(lambda: len(self._entries) > position, block_ms / 1000)
            return f"{len(self._entries)}-0", [dict(entry) for entry in self._entries[position:]]

    def tail(self) -> str:
        with self._more:
            return f"{len(self._entries)}-0"


class SilentBus:
    """A bus without listeners, for a process that has no Redis."""

    def publish(self, frames: Sequence[Frame]) -> None:
        """Do nothing: readers find the frames in the log."""

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        time.sleep(block_ms / 1000)
        return cursor, []

    def tail(self) -> str:
        return "0-0"


_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def _entries(frames: Iterable[Frame]) -> Iterator[bytes]:
    """Return the frames in order as JSON arrays of at most `ENTRY_BYTES`."""
    held: list[bytes] = []
    size = 0
    for text in map(_text, frames):
        size += len(text) + 1  # a bracket or comma before it; the last bracket is the one more
        if held and size >= ENTRY_BYTES:
            yield b"[%b]" % b",".join(held)
            held, size = [], len(text) + 1
        held.append(text)
    if held:
        yield b"[%b]" % b",".join(held)


def _text(frame: Frame) -> bytes:
    """Return what readers get of a frame, which is only that there is one if it is too large."""
    text = _ENCODER.encode({**frame.as_json(), OWNER: frame.tenant_id}).encode()
    if len(text) < ENTRY_BYTES - 1:
        return text
    known = {"type": frame.type, "id": str(frame.seq), "runId": frame.run_id, OWNER: frame.tenant_id, IN_LOG: True}
    return _ENCODER.encode(known).encode()
