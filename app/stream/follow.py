"""Follow one run: every frame behind a seq, once and in order, from the log first and then live.

The order of things is what makes it lossless: the subscription exists before the log is read, so a frame is in the
log, or in the queue, or in both; what was seen already is dropped by its seq, and a gap sends the follower back to
the log. A follower ends by itself after the frame that ends the run, and otherwise with one closing signal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from app.stream.log import RunLog
from app.stream.subscription import Subscription
from app.stream.wire import Wire, wire_of
from models.errors import DatabaseUnavailableError

HEARTBEAT_SECONDS = 15.0
WAITING_CHECK_SECONDS = 0.25
MINIMUM_WAIT_SECONDS = 0.01
OUTAGE_PAUSE_SECONDS = 0.5


class Signal(Enum):
    """What a follower says between frames, or as its last word."""

    HEARTBEAT = "heartbeat"
    OVERRUN = "overrun"
    RESTART = "server-restart"
    REVOKED = "revoked"
    PAUSED = "stream_paused"


class Follower:
    """An iterator over the frames of a run behind `after`, with signals between them.

    With `until_paused` it ends with `Signal.PAUSED` once the run can only be moved by a person.
    """

    __slots__ = (
        "_caught_up",
        "_finished",
        "_heartbeat_seconds",
        "_log",
        "_paused",
        "_person_asked",
        "_run_id",
        "_spoke",
        "_subscription",
        "_until_paused",
        "plan_version",
        "position",
    )

    def __init__(
        self,
        subscription: Subscription,
        log: RunLog,
        *,
        after: int = 0,
        caught_up: Callable[[str, int], None],
        until_paused: bool = False,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        (self._run_id,) = subscription.runs
        self.position = after
        self.plan_version = 0
        self._subscription = subscription
        self._log = log
        self._caught_up = caught_up
        self._until_paused = until_paused
        self._heartbeat_seconds = heartbeat_seconds
        self._person_asked = False
        self._finished = False
        self._paused = False
        self._spoke = time.monotonic()

    def __iter__(self) -> Iterator[Wire | Signal]:
        try:
            yield from self._catch_up()
            while (end := self._end()) is None:
                yield from self._listen()
            if isinstance(end, Signal):
                yield end
        finally:
            self._subscription.close()

    def _end(self) -> Signal | bool | None:
        """Return why the stream is over, True when the run itself is, None while it goes on."""
        if self._finished:
            return True
        if self._subscription.restarting:
            return Signal.RESTART
        if self._subscription.revoked:
            return Signal.REVOKED
        if self._subscription.overrun:
            return Signal.OVERRUN
        return Signal.PAUSED if self._paused else None

    def _catch_up(self) -> Iterator[Wire | Signal]:
        """Read the log to its end, a page at a time, at the pace of the client."""
        while not (self._finished or self._subscription.restarting or self._subscription.revoked):
            self._subscription.clear()
            try:
                page = [wire_of(frame) for frame in self._log.frames(self._run_id, self.position)]
            except DatabaseUnavailableError:
                yield from self._heartbeat()
                self._subscription.pause(OUTAGE_PAUSE_SECONDS)
                continue
            for wire in page:
                yield self._pass(wire)
                self._subscription.touch()
            if len(page) < self._log.page:
                self._caught_up(self._run_id, self.position)
                return

    def _listen(self) -> Iterable[Wire | Signal]:
        """Take one frame from the queue, or find that there is none; return what follows from that.

        This waits, for hours in all: it is no generator, which would be one more on the stack of every client.
        """
        patience = self._heartbeat_seconds - (time.monotonic() - self._spoke)
        if self._person_asked:
            patience = min(patience, WAITING_CHECK_SECONDS)
        wire = self._subscription.take(max(patience, MINIMUM_WAIT_SECONDS))
        if wire is None:
            if self._until_paused:
                self._check_waiting()
            return self._heartbeat()
        if wire.seq == self.position + 1:
            return (self._pass(wire),)
        return self._catch_up() if wire.seq > self.position else ()

    def _pass(self, wire: Wire) -> Wire:
        self.position = wire.seq
        self.plan_version = wire.plan_version
        self._finished = wire.terminal
        self._person_asked = self._person_asked or (self._until_paused and wire.may_wait)
        self._spoke = time.monotonic()
        return wire

    def _heartbeat(self) -> Iterator[Signal]:
        if time.monotonic() - self._spoke >= self._heartbeat_seconds:
            self._spoke = time.monotonic()
            yield Signal.HEARTBEAT

    def _check_waiting(self) -> None:
        """Find out whether only a person can move the run now and everything before that has been passed on."""
        try:
            state = self._log.state(self._run_id)
        except DatabaseUnavailableError:
            return
        self._paused = state.waits_for_person and state.last_seq <= self.position
