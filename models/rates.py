"""How often somebody asked within the last minute: counted on Redis for all web processes, else in this one.

The window slides over two counters, one per minute of the clock: the present one counts in full, the one before by the
share of it that the window still covers. That costs one round trip and two numbers per caller. A Redis that is away
refuses nobody: each process then counts for itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

WINDOW_SECONDS = 60
SECONDS_FOR_REDIS = 0.1
SECONDS_OF_REST = 5.0
MOST_SUBJECTS = 10_000
KEY = "flex:rate:{}:{}"

SCRIPT = """
local now, before, limit, share = KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local count, past = tonumber(redis.call('GET', now) or '0'), tonumber(redis.call('GET', before) or '0')
if count + 1 + past * share <= limit then
  redis.call('INCR', now)
  redis.call('EXPIRE', now, 120)
end
return {count, past}
"""
"""A refused request is not counted, so that a caller who keeps asking gets in as soon as there is room."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a caller had used before this request: counts of the present and the past minute, seconds into this one."""

    count: int
    past: int
    elapsed: float

    def seconds_to_wait(self, limit: int) -> int | None:
        """Return after how many seconds a request fits under `limit`, None when this one does."""
        share = 1 - self.elapsed / WINDOW_SECONDS
        if self.count + 1 + self.past * share <= limit:
            return None
        if self.count >= limit:
            return max(1, math.ceil(WINDOW_SECONDS - self.elapsed))
        return max(1, math.ceil(WINDOW_SECONDS * (1 - (limit - self.count - 1) / self.past) - self.elapsed))


class Counter(Protocol):
    """Counts a request of a subject unless it is over its limit."""

    def hit(self, subject: str, limit: int) -> Usage: ...


class MemoryCounter:
    """Counts in this process."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[str, tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def hit(self, subject: str, limit: int) -> Usage:
        minute, elapsed = _place(self._clock())
        with self._lock:
            known, count, past = self._counts.get(subject, (minute, 0, 0))
            if known != minute:
                count, past = 0, count if known == minute - 1 else 0
            usage = Usage(count, past, elapsed)
            if usage.seconds_to_wait(limit) is None:
                count += 1
            self._make_room(minute)
            self._counts[subject] = (minute, count, past)
        return usage

    def _make_room(self, minute: int) -> None:
        if len(self._counts) < MOST_SUBJECTS:
            return
        self._counts = {subject: kept for subject, kept in self._counts.items() if kept[0] == minute}
        if len(self._counts) >= MOST_SUBJECTS:
            self._counts.clear()


class RedisCounter:
    """Counts on Redis for every process; while Redis is away, in this one."""

    def __init__(self, redis_url: str, clock: Callable[[], float] = time.time) -> None:
        self._client = redis.Redis.from_url(
            redis_url,
            socket_timeout=SECONDS_FOR_REDIS,
            socket_connect_timeout=SECONDS_FOR_REDIS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._script = self._client.register_script(SCRIPT)
        self._clock = clock
        self._own = MemoryCounter(clock)
        self._rest_until = 0.0

    def hit(self, subject: str, limit: int) -> Usage:
        if time.monotonic() < self._rest_until:
            return self._own.hit(subject, limit)
        minute, elapsed = _place(self._clock())
        keys = [KEY.format(subject, minute), KEY.format(subject, minute - 1)]
        try:
            count, past = _numbers(self._script(keys=keys, args=[limit, 1 - elapsed / WINDOW_SECONDS]))
        except redis.RedisError as error:
            self._rest_until = time.monotonic() + SECONDS_OF_REST
            logger.warning("rates_counted_in_process", error=type(error).__name__)
            return self._own.hit(subject, limit)
        return Usage(count, past, elapsed)


def counter_of(redis_url: str | None) -> Counter:
    """Return the counter for this process."""
    return MemoryCounter() if redis_url is None else RedisCounter(redis_url)


def _place(now: float) -> tuple[int, float]:
    minute, elapsed = divmod(now, WINDOW_SECONDS)
    return int(minute), elapsed


def _numbers(reply: Any) -> tuple[int, int]:
    count, past = reply
    return int(count), int(past)
