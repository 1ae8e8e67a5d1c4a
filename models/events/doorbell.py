"""A bus that carries frames in a thread of its own, so that nobody who stored one waits until Redis has it.

Whoever commits while frames are on their way finds them in the next batch: a busy worker publishes the frames of many
runs in one round trip. Like everything behind a commit this is a hint. A process that is killed takes along what it has
not carried yet, and readers find it in the log.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

from models.events.bus import SECONDS_TO_PUBLISH, Bus, LiveBus, SilentBus
from models.events.frames import Frame
from models.settings import get_settings


class Doorbell:
    """Another bus, whose `publish` returns at once; frames keep the order in which they came."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: list[Frame] = []
        self._carrying = False
        self._changed = threading.Condition()
        self._carrier: int | None = None

    def publish(self, frames: Sequence[Frame]) -> None:
        """Hand frames over to be carried."""
        if not frames:
            return
        with self._changed:
            self._waiting.extend(frames)
            if self._carrier != os.getpid():  # a fork leaves threads behind
                self._carrier = os.getpid()
                threading.Thread(target=self._carry, name="doorbell", daemon=True).start()
                atexit.register(self.flush)
            self._changed.notify_all()

    def flush(self, timeout: float = 2 * SECONDS_TO_PUBLISH) -> None:
        """Wait until what was handed over has been carried, or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._carrying), timeout)

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        """Return the frames behind `cursor` and the new cursor. Raises redis.RedisError."""
        return self._bus.read(cursor, block_ms)

    def tail(self) -> str:
        """Return the id of the last entry. Raises redis.RedisError."""
        return self._bus.tail()

    def _carry(self) -> None:
        while True:
            with self._changed:
                self._carrying = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                batch, self._waiting, self._carrying = self._waiting, [], True
            self._bus.publish(batch)


@cache
def live_bus() -> Bus:
    """Return this process's bus."""
    url = get_settings().redis_url
    return SilentBus() if url is None else Doorbell(LiveBus(url))
