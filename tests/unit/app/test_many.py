"""Many runs over one subscription: each frame once and in order, whatever the queue, the log and the doorbell do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.hub import Hub
from app.stream.follow import Signal
from app.stream.many import ManyFollower
from app.stream.wire import Wire
from app.stream.wishes import read_message
from models.events.bus import ENTRY_BYTES
from policies.errors import InvalidInputError
from tests.support.relay import FrailBus, MemoryLog, frame, make_hub, wait_until


@pytest.fixture
def bus() -> FrailBus:
    return FrailBus()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(page=3)


@pytest.fixture
def hub(bus: FrailBus, log: MemoryLog) -> Iterator[Hub]:
    hub = make_hub(bus, log, queue_limit=8)
    hub.start()
    yield hub
    hub.stop()
    hub.join(5)


def follow(hub: Hub, log: MemoryLog, after: dict[str, int], tenant: str | None = None) -> ManyFollower:
    return ManyFollower(hub.subscribe_many(after, tenant=tenant), log, after, hub.caught_up)


def told(items: Iterator[Wire | Signal | None], count: int) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    while len(found) < count:
        item = next(items)
        if item is not None:
            assert isinstance(item, Wire), item
            found.append((item.run_id, item.seq))
    return found


def of(run_id: str, found: list[tuple[str, int]]) -> list[int]:
    return [seq for name, seq in found if name == run_id]


def test_long_pasts_of_many_runs_come_whole_although_the_queue_is_short(
    hub: Hub, bus: FrailBus, log: MemoryLog
) -> None:
    # Given runs with more frames than the queue holds, and as many again told while they are read
    for run_id in "abc":
        log.append(*(frame(run_id, seq) for seq in range(1, 21)))
    items = iter(follow(hub, log, {"a": 0, "b": 15, "c": 20}))
    found = told(items, 10)
    for run_id in "abc":
        for seq in range(21, 41):
            log.append(frame(run_id, seq))
            bus.publish([frame(run_id, seq)])
    found += told(items, 20 + 5 + 60 - 10)
    assert of("a", found) == list(range(1, 41))
    assert of("b", found) == list(range(16, 41))
    assert of("c", found) == list(range(21, 41))


def test_a_tenants_listener_hears_its_runs_with_and_without_a_doorbell(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    items = iter(follow(hub, log, {}, tenant="default"))
    assert next(items) is None
    # When one run rings and another one is only in the log
    for seq in (1, 2):
        log.append(frame("rings", seq), frame("silent", seq))
        bus.publish([frame("rings", seq)])
    found = told(items, 4)
    assert (of("rings", found), of("silent", found)) == ([1, 2], [1, 2])
    # Then a run that has ended is told to its end, and never again
    log.append(frame("rings", 3, "complete"))
    bus.publish([frame("rings", 3, "complete")])
    assert told(items, 1) == [("rings", 3)]
    bus.publish([frame("rings", 3, "complete")])
    log.append(frame("silent", 3))
    assert told(items, 1) == [("silent", 3)]


def test_a_client_that_falls_behind_is_told_so(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    follower = follow(hub, log, {"a": 0})
    items = iter(follower)
    assert next(items) is None
    for seq in range(1, 40):
        log.append(frame("a", seq))
        bus.publish([frame("a", seq)])
    wait_until(lambda: follower._subscription.overrun)
    seen = list(items)
    assert seen[-1] is Signal.OVERRUN
    assert hub.listeners() == 0


def test_a_key_that_is_lost_ends_its_streams(bus: FrailBus, log: MemoryLog) -> None:
    holding = {"key_a", "key_b"}
    hub = make_hub(bus, log, still_holding=lambda owners: owners & holding)
    try:
        lost = ManyFollower(hub.subscribe_many(["a"], owner="key_a"), log, {"a": 0}, hub.caught_up)
        kept = hub.subscribe("a", owner="key_b")
        holding.discard("key_a")
        hub._next_key_check = 0.0
        assert [item for item in lost if item is not None] == [Signal.REVOKED]
        assert not kept.revoked
    finally:
        hub.stop()
        hub.join(5)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["log and bell", "log only", "bell twice", "large"])),
        max_size=40,
    ),
    st.integers(0, 5),
)
def test_every_frame_comes_once_and_in_order(told_how: list[tuple[str, str]], listened_after: int) -> None:
    bus, log = FrailBus(), MemoryLog(page=2)
    hub = make_hub(bus, log, poll_seconds=0.02)
    seqs = dict.fromkeys("abc", 0)

    def tell(run_id: str, how: str) -> None:
        seqs[run_id] += 1
        one = frame(run_id, seqs[run_id], payload={"text": "x" * ENTRY_BYTES} if how == "large" else None)
        log.append(one)
        for _ in range({"log only": 0, "bell twice": 2}.get(how, 1)):
            bus.publish([one])

    try:
        for run_id, how in told_how[:listened_after]:
            tell(run_id, how)
        items = iter(follow(hub, log, dict.fromkeys("abc", 0)))
        for run_id, how in told_how[listened_after:]:
            tell(run_id, how)
        found = told(items, len(told_how))
        items.close()
    finally:
        hub.stop()
        hub.join(5)
    for run_id, last in seqs.items():
        assert of(run_id, found) == list(range(1, last + 1))


def test_a_wish_is_read_with_all_that_is_wrong_at_once() -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_message(
            '{"subscribe": {"runIds": 3, "types": ["x"], "after": {"a": 1.5}, "more": 1}, "token": 5}', ["log"]
        )
    assert {problem.pointer for problem in refused.value.problems} == {
        "/token",
        "/subscribe/runIds",
        "/subscribe/types",
        "/subscribe/after/a",
        "/subscribe/more",
    }
    message = read_message('{"subscribe": {"runIds": ["b", "a", "b"], "after": {"a": 4}}}', ["log"])
    assert message.wish is not None
    assert (message.wish.run_ids, message.wish.after, message.wish.types) == (("b", "a"), {"a": 4}, None)
