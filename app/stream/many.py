"""Follow many runs at once over one subscription: each frame once, those of one run in order.

The log comes first and the live frames after it, as for one run. Since all runs share a queue, catching up goes in
rounds: forget the queue, ask how far the runs have come, read what is missing, until a round finds nothing missing.
Whatever is queued after such a round's start is newer than what was read, or is dropped by its seq.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping

from app.stream.follow import OUTAGE_PAUSE_SECONDS, Signal
from app.stream.log import RunLog
from app.stream.subscription import Subscription
from app.stream.wire import Wire, wire_of
from models.errors import DatabaseUnavailableError

TURN_SECONDS = 1.0
KNOWN_AT_MOST = 20_000


class ManyFollower:
    """An iterator over the frames of many runs; None after a second without any, a closing signal as the last item.

    `after` says behind which seq each named run goes on. A run that is not named is followed from the first frame
    that comes.
    """

    def __init__(
        self, subscription: Subscription, log: RunLog, after: Mapping[str, int], caught_up: Callable[[str, int], None]
    ) -> None:
        self._subscription = subscription
        self._log = log
        self._positions = dict(after)
        self._named = frozenset(after)
        self._caught_up = caught_up
        # What was lost of a run that nobody named could not be found again.
        self._passable = (None,) if subscription.tenant is not None else (None, Signal.OVERRUN)

    def __iter__(self) -> Generator[Wire | Signal | None]:
        try:
            yield from self._catch_up(self._positions)
            while (end := self._end()) is None:
                wire = self._subscription.take(TURN_SECONDS)
                if wire is None:
                    yield None
                else:
                    yield from self._pass(wire)
            yield end
        finally:
            self._subscription.close()

    def _end(self) -> Signal | None:
        if self._subscription.restarting:
            return Signal.RESTART
        if self._subscription.revoked:
            return Signal.REVOKED
        return Signal.OVERRUN if self._subscription.overrun else None

    def _catch_up(self, run_ids: Mapping[str, int]) -> Iterator[Wire | None]:
        """Bring these runs up to the end of their logs, in as many rounds as it takes."""
        while self._end() in self._passable:
            yield from self._set_aside(run_ids)
            try:
                last = self._log.last_seqs(run_ids)
                behind = [run_id for run_id, seq in last.items() if seq > self._positions[run_id]]
                for run_id in behind:
                    yield from self._read(run_id)
            except DatabaseUnavailableError:
                yield None
                self._subscription.pause(OUTAGE_PAUSE_SECONDS)
                continue
            if not behind:
                break
        for run_id in run_ids:
            self._caught_up(run_id, self._positions[run_id])

    def _set_aside(self, run_ids: Mapping[str, int]) -> Iterator[Wire | None]:
        """Empty the queue: what these runs said is in the log, and what others said is passed on."""
        if self._subscription.tenant is None:
            self._subscription.clear()
            return
        while (wire := self._subscription.take(0)) is not None:
            if wire.run_id not in run_ids:
                yield from self._pass(wire)

    def _read(self, run_id: str) -> Iterator[Wire]:
        """Read one run's log from its position to the end; raises DatabaseUnavailableError."""
        while frames := self._log.frames(run_id, self._positions[run_id]):
            for frame in frames:
                yield self._step(wire_of(frame))
                self._subscription.touch()
            if len(frames) < self._log.page:
                return

    def _pass(self, wire: Wire) -> Iterator[Wire | None]:
        position = self._positions.setdefault(wire.run_id, wire.seq - 1)
        if wire.seq == position + 1:
            yield self._step(wire)
        elif wire.seq > position:
            yield from self._fill(wire)

    def _fill(self, wire: Wire) -> Iterator[Wire | None]:
        """Read what is missing before a frame; the queue stays, and what is in it already is dropped by its seq."""
        while self._end() is None and self._positions[wire.run_id] < wire.seq:
            try:
                yield from self._read(wire.run_id)
            except DatabaseUnavailableError:
                yield None
                self._subscription.pause(OUTAGE_PAUSE_SECONDS)

    def _step(self, wire: Wire) -> Wire:
        self._positions[wire.run_id] = wire.seq
        if wire.terminal:
            self._forget_old()
        return wire

    def _forget_old(self) -> None:
        """Keep what is known of runs bounded; those that were named are never forgotten."""
        surplus = len(self._positions) - len(self._named) - KNOWN_AT_MOST
        if surplus > 0:
            for run_id in [one for one in self._positions if one not in self._named][:surplus]:
                del self._positions[run_id]
