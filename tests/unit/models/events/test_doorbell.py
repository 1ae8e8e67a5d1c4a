"""The doorbell: frames are carried in order, by a thread of its own, and nobody who hands them over waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from models.events.bus import MemoryBus
from models.events.doorbell import Doorbell
from models.events.frames import Frame


def frame(seq: int) -> Frame:
    return Frame("run", seq, "log", datetime.now(UTC), "c", 1, "default")


class SlowBus(MemoryBus):
    """Carries nothing until it is let; tells how many frames came in each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.let = threading.Event()
        self.asked = threading.Event()
        self.batches: list[int] = []

    def publish(self, frames: Sequence[Frame]) -> None:  # type: ignore[override]  # the bus takes more than is given
        self.batches.append(len(frames))
        self.asked.set()
        assert self.let.wait(10)
        super().publish(frames)


def test_whoever_hands_frames_over_does_not_wait_for_the_bus() -> None:
    # Given a bus that is stuck
    bus = SlowBus()
    bell = Doorbell(bus)
    # When frames are handed over
    bell.publish([frame(1)])
    assert bus.asked.wait(10)
    # Then the caller is back although nothing has been carried
    assert bell.tail() == "0-0"
    bell.flush(timeout=0)
    bus.let.set()
    bell.flush()
    assert bell.tail() == "1-0"


def test_what_gathers_meanwhile_leaves_in_one_batch_and_in_order() -> None:
    # Given a batch that is on its way
    bus = SlowBus()
    bell = Doorbell(bus)
    bell.publish([frame(1)])
    assert bus.asked.wait(10)
    # When many more are handed over
    for seq in range(2, 50):
        bell.publish([frame(seq)])
    bus.let.set()
    bell.flush()
    # Then they have left together, in the order in which they came
    assert bus.batches == [1, 48]
    _, frames = bell.read("0-0", 0)
    assert [int(each["id"]) for each in frames] == list(range(1, 50))


def test_nothing_is_carried_for_nothing() -> None:
    bus = SlowBus()
    Doorbell(bus).publish([])
    assert not bus.asked.is_set()
