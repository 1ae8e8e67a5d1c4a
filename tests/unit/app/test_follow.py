"""A followed run yields each frame once, in order, from the log and then live, and knows when to end."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.hub import Hub
from app.stream.follow import Follower, Signal
from app.stream.wire import Wire
from tests.support.relay import FrailBus, MemoryLog, frame, make_hub, wait_until


@pytest.fixture
def bus() -> FrailBus:
    return FrailBus()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog(page=3)


@pytest.fixture
def hub(bus: FrailBus, log: MemoryLog) -> Iterator[Hub]:
    hub = make_hub(bus, log)
    hub.start()
    yield hub
    hub.stop()
    hub.join(5)


def follow(hub: Hub, log: MemoryLog, run_id: str = "a", **more: object) -> Follower:
    return Follower(hub.subscribe(run_id), log, caught_up=hub.caught_up, **more)  # type: ignore[arg-type]  # free keywords


def seqs(items: list[Wire | Signal]) -> list[int]:
    return [item.seq for item in items if isinstance(item, Wire)]


def test_a_finished_run_is_replayed_from_any_place_and_ends(hub: Hub, log: MemoryLog) -> None:
    # Given a run of ten frames that has ended
    log.append(*[frame("a", seq) for seq in range(1, 10)], frame("a", 10, "complete"))
    # Then a follower from anywhere gets the rest and ends
    for after in range(10):
        assert seqs(list(follow(hub, log, after=after))) == list(range(after + 1, 11))
    assert hub.listeners() == 0


def test_what_the_log_gave_is_dropped_from_the_live_frames(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given a follower whose subscription exists before frames are stored and published
    follower = follow(hub, log)
    for seq in (1, 2, 3, 4):
        log.append(frame("a", seq))
        bus.publish([frame("a", seq)])
    log.append(frame("a", 5, "complete"))
    bus.publish([frame("a", 5, "complete")])
    # Then each is seen once
    assert seqs(list(follower)) == [1, 2, 3, 4, 5]


def test_silence_is_filled_with_heartbeats(hub: Hub, log: MemoryLog) -> None:
    # Given a follower of a silent run with a short heartbeat
    items = iter(follow(hub, log, heartbeat_seconds=0.02))
    # Then it beats
    assert list(itertools.islice(items, 2)) == [Signal.HEARTBEAT, Signal.HEARTBEAT]


def test_a_follower_of_a_run_that_waits_for_a_person_ends_when_asked_to(hub: Hub, log: MemoryLog) -> None:
    # Given a run that asked a person while a sibling branch still worked
    log.append(frame("a", 1), frame("a", 2, "hitl_request"))
    follower = iter(follow(hub, log, until_paused=True))
    assert seqs([next(follower), next(follower)]) == [1, 2]
    # When the sibling ends and nothing else can move
    log.append(frame("a", 3, "node_complete"))
    log.statuses["a"] = "awaiting_hitl"
    # Then the last frame still comes, and then the stream pauses
    assert [item if isinstance(item, Signal) else item.seq for item in follower] == [3, Signal.PAUSED]


def test_a_follower_that_stays_does_not_end_for_a_person(hub: Hub, log: MemoryLog) -> None:
    # Given a run that waits for a person, and a follower that stays
    log.append(frame("a", 1, "hitl_request"))
    log.statuses["a"] = "awaiting_hitl"
    follower = iter(follow(hub, log, heartbeat_seconds=0.3))
    # Then after the request it only beats
    assert seqs([next(follower)]) == [1]
    assert next(follower) is Signal.HEARTBEAT


def test_a_slow_follower_is_told_that_it_was_overrun(bus: FrailBus, log: MemoryLog) -> None:
    # Given a follower that has caught up and then does not take
    hub = make_hub(bus, log, queue_limit=2, stall_seconds=60)
    log.append(frame("a", 1))
    follower = follow(hub, log, heartbeat_seconds=0.02)
    items = iter(follower)
    assert [next(items), next(items)][1] is Signal.HEARTBEAT
    # When more comes than it may hold
    for seq in range(2, 8):
        log.append(frame("a", seq))
        bus.publish([frame("a", seq)])
    wait_until(lambda: follower._subscription.overrun)
    # Then its last word is that it was too slow, and the place to go on from is the last frame it got
    assert list(items)[-1] is Signal.OVERRUN
    assert follower.position == 1
    hub.stop()
    hub.join(5)


def test_a_server_that_stops_ends_a_waiting_follower_at_once(hub: Hub, log: MemoryLog) -> None:
    # Given a follower that waits
    items: list[Wire | Signal] = []
    thread = threading.Thread(target=lambda: items.extend(follow(hub, log)))
    thread.start()
    wait_until(lambda: hub.listeners() == 1)
    # When the server stops
    hub.stop()
    thread.join(2)
    # Then the follower says so
    assert items == [Signal.RESTART]


def test_a_database_that_is_away_is_waited_for(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given a database that is away when the follower starts
    log.append(frame("a", 1), frame("a", 2, "complete"))
    log.down = True
    items: list[Wire | Signal] = []
    thread = threading.Thread(target=lambda: items.extend(follow(hub, log)))
    thread.start()
    wait_until(lambda: hub.listeners() == 1)
    # When it is back
    log.down = False
    thread.join(5)
    # Then nothing was lost
    assert seqs(items) == [1, 2]


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(1, 12),
    order=st.randoms(use_true_random=False),
    lost=st.sets(st.integers(1, 12)),
    after=st.integers(0, 12),
)
def test_any_loss_doubling_and_reordering_of_doorbells_yields_the_log(
    count: int, order: object, lost: set[int], after: int
) -> None:
    # Given a log, and doorbells that are shuffled, doubled and partly lost
    bus, log = FrailBus(), MemoryLog(page=2)
    hub = make_hub(bus, log, poll_seconds=0.02)
    frames = [frame("a", seq, "complete" if seq == count else "log") for seq in range(1, count + 1)]
    follower = follow(hub, log, after=min(after, count - 1))
    log.append(*frames)
    rung = [one for one in frames * 2 if one.seq not in lost]
    order.shuffle(rung)  # type: ignore[attr-defined]  # hypothesis types its random as object here
    bus.publish(rung)
    # Then the follower yields the log behind its place
    assert seqs(list(follower)) == list(range(min(after, count - 1) + 1, count + 1))
    hub.stop()
    hub.join(5)
