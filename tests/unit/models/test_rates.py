"""The window slides: what a caller did a minute ago no longer counts, and a lost Redis refuses nobody."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from models.rates import Counter, MemoryCounter, RedisCounter, Usage

START = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "redis", "redis that is away"])
def counter(request: pytest.FixtureRequest, clock: Clock) -> Counter:
    makers: dict[str, Callable[[], Counter]] = {
        "memory": lambda: MemoryCounter(clock),
        "redis": lambda: RedisCounter(request.getfixturevalue("redis_url"), clock),
        "redis that is away": lambda: RedisCounter("redis://127.0.0.1:1/0", clock),
    }
    return makers[request.param]()


def admitted(counter: Counter, subject: str, tries: int, limit: int) -> int:
    return sum(counter.hit(subject, limit).seconds_to_wait(limit) is None for _ in range(tries))


def test_as_many_as_the_limit_get_in_within_a_minute(counter: Counter, clock: Clock) -> None:
    assert admitted(counter, "a", 10, 4) == 4
    # Half a minute later nobody else does; another caller does
    clock.now += 30
    assert admitted(counter, "a", 10, 4) == 0
    assert admitted(counter, "b", 10, 4) == 4


def test_room_comes_back_bit_by_bit_in_the_next_minute(counter: Counter, clock: Clock) -> None:
    assert admitted(counter, "a", 4, 4) == 4
    clock.now += 60
    assert admitted(counter, "a", 4, 4) == 0
    # When a quarter of the past minute has slid out of the window
    clock.now += 16
    assert admitted(counter, "a", 4, 4) == 1
    # And two minutes later everything
    clock.now += 120
    assert admitted(counter, "a", 10, 4) == 4


def test_whoever_waits_as_told_gets_in(counter: Counter, clock: Clock) -> None:
    clock.now += 20
    admitted(counter, "a", 9, 5)
    for _ in range(3):
        seconds = counter.hit("a", 5).seconds_to_wait(5)
        if seconds is None:
            break
        clock.now += seconds
    else:
        assert counter.hit("a", 5).seconds_to_wait(5) is None


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 59.99), st.integers(1, 500))
def test_the_wait_is_never_longer_than_two_windows(count: int, past: int, elapsed: float, limit: int) -> None:
    seconds = Usage(count, past, elapsed).seconds_to_wait(limit)
    fits = count + 1 + past * (1 - elapsed / 60) <= limit
    assert (seconds is None) == fits
    assert seconds is None or 1 <= seconds <= 60


def test_processes_count_together_on_redis(redis_url: str, clock: Clock) -> None:
    first, second = RedisCounter(redis_url, clock), RedisCounter(redis_url, clock)
    assert admitted(first, "a", 3, 4) + admitted(second, "a", 3, 4) == 4
    with closing(redis.Redis.from_url(redis_url)) as client:
        assert all(0 < client.ttl(key) <= 120 for key in client.scan_iter("flex:rate:*"))


def test_memory_stays_bounded(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.rates.MOST_SUBJECTS", 10)
    counter = MemoryCounter(clock)
    for number in range(100):
        counter.hit(str(number), 5)
    assert len(counter._counts) <= 10
