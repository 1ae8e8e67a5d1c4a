"""The relay hands every frame to its listeners once and in order, whatever happens to the doorbell."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.hub import Hub
from app.stream.subscription import Subscription
from models.events.bus import ENTRY_BYTES
from tests.support.relay import FrailBus, MemoryLog, frame, make_hub, wait_until


@pytest.fixture
def bus() -> FrailBus:
    return FrailBus()


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


@pytest.fixture
def hub(bus: FrailBus, log: MemoryLog) -> Iterator[Hub]:
    hub = make_hub(bus, log)
    hub.start()
    yield hub
    hub.stop()
    hub.join(5)


def listen(hub: Hub, run_id: str, at: int = 0) -> Subscription:
    subscription = hub.subscribe(run_id)
    hub.caught_up(run_id, at)
    return subscription


def taken(subscription: Subscription, count: int) -> list[int]:
    found = []
    while len(found) < count:
        wire = subscription.take(5)
        assert wire is not None, f"only {found} came"
        found.append(wire.seq)
    return found


def say(bus: FrailBus, log: MemoryLog, run_id: str, *seqs: int) -> None:
    for seq in seqs:
        log.append(frame(run_id, seq))
        bus.publish([frame(run_id, seq)])


def test_each_listener_of_a_run_gets_its_frames_and_no_others(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given two listeners of one run and one of another
    first, second, other = listen(hub, "a"), listen(hub, "a"), listen(hub, "b")
    # When both runs speak
    say(bus, log, "a", 1, 2)
    say(bus, log, "b", 1)
    # Then each hears its own
    assert taken(first, 2) == taken(second, 2) == [1, 2]
    assert taken(other, 1) == [1]
    assert other.take(0) is None


def test_a_frame_that_no_doorbell_announced_comes_from_the_log(hub: Hub, log: MemoryLog) -> None:
    # Given a listener, and a frame that was stored and never published
    listener = listen(hub, "a")
    log.append(frame("a", 1, "complete"))
    # Then the watcher finds it
    assert taken(listener, 1) == [1]


def test_frames_published_out_of_order_arrive_in_order(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given three stored frames whose doorbells ring in another order
    listener = listen(hub, "a")
    log.append(frame("a", 1), frame("a", 2), frame("a", 3))
    bus.publish([frame("a", 3), frame("a", 1), frame("a", 2), frame("a", 3)])
    # Then the order is that of the log, each once
    assert taken(listener, 3) == [1, 2, 3]
    assert listener.take(0.2) is None


@pytest.mark.parametrize("of_tenant", [False, True])
def test_a_frame_that_is_only_announced_comes_from_the_log_at_once(
    bus: FrailBus, log: MemoryLog, *, of_tenant: bool
) -> None:
    """Seen to fail with the frame left to the watcher's next question, and with it left to whoever joins by it."""
    # Given a listener that has caught up, or one of the whole tenant that does not know the run yet
    hub = make_hub(bus, log, poll_seconds=60)
    listener = hub.subscribe_many([], tenant="default") if of_tenant else listen(hub, "a")
    wait_until(lambda: hub._live.began and hub._next_poll > 0)
    # When the run says more than fits into an entry of the stream
    large = frame("a", 1, payload={"text": "x" * ENTRY_BYTES})
    log.append(large)
    bus.publish([large])
    # Then the listener has it whole, and hears on
    told = listener.take(5)
    assert told is not None
    assert json.loads(told.text) == large.as_json()
    say(bus, log, "a", 2)
    assert taken(listener, 1) == [2]
    hub.stop()
    hub.join(5)


def test_one_question_serves_every_run_with_listeners(hub: Hub, log: MemoryLog) -> None:
    # Given many runs with listeners
    for number in range(50):
        listen(hub, f"run-{number}")
    # When a few polls have passed
    before = log.questions
    wait_until(lambda: log.questions >= before + 2)
    # Then each was a single question, not one per run
    assert log.questions < before + 20


def test_a_bus_that_goes_away_and_comes_back_empty_loses_nothing(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given a listener that has heard a frame
    listener = listen(hub, "a")
    say(bus, log, "a", 1)
    assert taken(listener, 1) == [1]
    # When the server dies, frames are stored meanwhile, and it comes back without its data
    bus.down = True
    log.append(frame("a", 2))
    assert taken(listener, 1) == [2]
    bus.flush()
    bus.down = False
    # Then the listener goes back to the beginning of the new stream and hears on
    wait_until(lambda: bus.reads_from_start > 0)
    say(bus, log, "a", 3)
    assert taken(listener, 1) == [3]


def test_a_database_that_goes_away_does_not_end_the_relay(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given a listener and a database that is away while a doorbell is lost
    listener = listen(hub, "a")
    log.down = True
    log.append(frame("a", 1))
    bus.publish([frame("a", 2)])
    # When it is back
    log.append(frame("a", 2))
    log.down = False
    # Then the gap is filled
    assert taken(listener, 2) == [1, 2]


def test_a_client_that_does_not_take_its_frames_is_given_up_with_bounded_memory(bus: FrailBus, log: MemoryLog) -> None:
    # Given a small queue and a client that takes nothing
    hung_up: list[bool] = []
    hub = make_hub(bus, log, queue_limit=5)
    slow = hub.subscribe("a", hang_up=lambda: hung_up.append(True))
    hub.caught_up("a", 0)
    brisk = hub.subscribe("a")
    # When more frames come than it may hold
    for seq in range(1, 21):
        say(bus, log, "a", seq)
        assert taken(brisk, 1) == [seq]
    # Then it finds itself overrun with nothing queued, and is hung up on
    assert slow.overrun
    wait_until(lambda: hung_up)
    assert slow.take(0) is None
    hub.stop()
    hub.join(5)


def test_a_queue_is_bounded_by_its_text_too(hub: Hub, bus: FrailBus, log: MemoryLog) -> None:
    # Given a client that takes nothing
    slow = listen(hub, "a")
    # When a few very large frames come
    for seq in range(1, 6):
        large = frame("a", seq, payload={"text": "x" * 1_000_000})
        log.append(large)
        bus.publish([large])
    # Then it is given up long before its queue is full
    wait_until(lambda: slow.overrun)


def test_a_stopping_hub_tells_every_listener_also_one_that_comes_late(hub: Hub) -> None:
    # Given a listener
    early = listen(hub, "a")
    # When the server stops
    hub.stop()
    late = hub.subscribe("a")
    # Then both are told
    assert early.restarting
    assert late.restarting


def test_a_listener_that_leaves_is_forgotten(hub: Hub) -> None:
    # Given two listeners
    first, second = listen(hub, "a"), listen(hub, "a")
    # When both leave, one of them twice
    first.close()
    first.close()
    second.close()
    # Then nobody is listening
    assert hub.listeners() == 0
