"""The relay of one web process: it hears the live stream once and hands each frame to the clients of its run.

Two loops of its own keep it going. The listener holds the process's one Redis connection and fans out what it hears;
a flushed or restarted Redis makes it go back to the beginning of the new stream. The watcher asks Postgres every
couple of seconds, in one query, how far the runs with listeners have come, and fills from the log what no doorbell
announced; it also fills gaps at once and hangs up on clients that stopped reading. Both loops only ever deliver in
the order of `seq` per run, so a client sees a gap only while it is still catching up by itself.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import structlog

from app.limits import LimitError
from app.stream.log import RunLog
from app.stream.subscription import Subscription
from app.stream.wire import Wire, wire_of
from models.events.bus import OWNER

BLOCK_MS = 1000
QUEUE_LIMIT = 1000
POLL_SECONDS = 2.0
STALL_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 2.0
MAX_STREAMS = 9000
STREAM_RETRY_SECONDS = 5
KEY_CHECK_SECONDS = 5.0
ENDED_REMEMBERED = 10_000

logger = structlog.get_logger(__name__)


class ServerFullError(LimitError):
    """This server serves as many streams as it can; try again in a moment, or read the events as JSON pages."""


class TooManyStreamsError(LimitError):
    """This key holds as many streams open as it may; close one, or read the events as JSON pages."""

    code = "too_many_streams"


class LiveBus(Protocol):
    """The live stream as the listener needs it: where it ends now, and what came behind a cursor."""

    def tail(self) -> str:
        """Return the id of the last entry, `0-0` for an empty stream."""

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        """Wait up to `block_ms` for frames behind the cursor; return the new cursor and them."""


class _Channel:
    """The listeners of one run, and the seq up to which they have been served (None until one has caught up)."""

    __slots__ = ("last", "subscriptions")

    def __init__(self) -> None:
        self.last: int | None = None
        self.subscriptions: set[Subscription] = set()


class Hub:
    """Fan-out from one live stream to many clients, repaired from the log."""

    def __init__(
        self,
        bus: LiveBus,
        log: RunLog,
        *,
        still_holding: Callable[[set[str]], set[str]] = set,
        max_streams: int = MAX_STREAMS,
        max_streams_per_owner: int = MAX_STREAMS,
        queue_limit: int = QUEUE_LIMIT,
        poll_seconds: float = POLL_SECONDS,
        stall_seconds: float = STALL_SECONDS,
        block_ms: int = BLOCK_MS,
    ) -> None:
        self._bus = bus
        self._log = log
        self._max_streams = max_streams
        self._max_streams_per_owner = max_streams_per_owner
        self._places: set[Subscription] = set()
        self._owners: Counter[str | None] = Counter()
        self._queue_limit = queue_limit
        self._poll_seconds = poll_seconds
        self._stall_seconds = stall_seconds
        self._block_ms = block_ms
        self._channels: dict[str, _Channel] = {}
        self._tenants: dict[str, set[Subscription]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._still_holding = still_holding
        self._next_key_check = 0.0
        self._gaps: set[str] = set()
        self._next_poll = 0.0
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start the two loops; does nothing when they run already."""
        with self._lock:
            if self._threads or self._stopping.is_set():
                return
            self._threads = [
                threading.Thread(target=loop, name=f"hub-{loop.__name__.strip('_')}", daemon=True)
                for loop in (self._listen, self._watch)
            ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Tell every client to reconnect elsewhere and end the loops; returns without waiting for either."""
        self._stopping.set()
        self._wake.set()
        for subscription in self._subscriptions():
            subscription.restart()

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for each loop to end after `stop`."""
        for thread in self._threads:
            thread.join(timeout)

    def subscribe(
        self, run_id: str, *, owner: str | None = None, hang_up: Callable[[], None] | None = None
    ) -> Subscription:
        """Return a place for one client of the run; call this before reading the log.

        `owner` is the key whose place it is; `hang_up` closes the client's connection when it stops reading. Raises
        `ServerFullError` and `TooManyStreamsError`.
        """
        self.start()
        return self._admit(
            Subscription(run_id, owner=owner, limit=self._queue_limit, on_close=self._leave, hang_up=hang_up)
        )

    def subscribe_many(
        self,
        run_ids: Iterable[str],
        *,
        tenant: str | None = None,
        owner: str | None = None,
        hang_up: Callable[[], None] | None = None,
    ) -> Subscription:
        """Return one place for several runs; with `tenant`, also for every run of it that speaks from now on.

        Raises as `subscribe` does, and `DatabaseUnavailableError`.
        """
        self.start()
        return self._admit(
            Subscription(
                *run_ids,
                tenant=tenant,
                since=self._log.moment() if tenant else "",
                owner=owner,
                limit=self._queue_limit,
                on_close=self._leave,
                hang_up=hang_up,
            )
        )

    def stopping(self) -> bool:
        """Tell whether this server is about to stop."""
        return self._stopping.is_set()

    def caught_up(self, run_id: str, seq: int) -> None:
        """Note that a client has read the log up to `seq`: from here on the watcher answers for the run."""
        with self._lock:
            channel = self._channels.get(run_id)
            if channel is not None and channel.last is None:
                channel.last = seq

    def listeners(self) -> int:
        """Return how many clients listen now."""
        return self._owners.total()

    def _admit(self, subscription: Subscription) -> Subscription:
        with self._lock:
            self._take_place(subscription.owner)
            self._places.add(subscription)
            for run_id in subscription.runs:
                self._channels.setdefault(run_id, _Channel()).subscriptions.add(subscription)
            if subscription.tenant is not None:
                self._tenants.setdefault(subscription.tenant, set()).add(subscription)
        if self._stopping.is_set():
            subscription.restart()
        return subscription

    def _subscriptions(self) -> list[Subscription]:
        with self._lock:
            return list(self._places)

    def _take_place(self, owner: str | None) -> None:
        open_now = self._owners.total()
        for error, held, limit in (
            (ServerFullError, open_now, self._max_streams),
            (TooManyStreamsError, self._owners[owner], self._max_streams_per_owner),
        ):
            if held >= limit:
                raise error(_said_by(error), pending=held, limit=limit, retry_after=STREAM_RETRY_SECONDS)
        self._owners[owner] += 1

    def _give_place(self, owner: str | None) -> None:
        self._owners[owner] -= 1
        if not self._owners[owner]:
            del self._owners[owner]

    def _leave(self, subscription: Subscription) -> None:
        with self._lock:
            if subscription not in self._places:
                return
            self._places.remove(subscription)
            self._give_place(subscription.owner)
            for run_id in list(subscription.runs):
                self._leave_run(subscription, run_id)
            listeners = self._tenants.get(subscription.tenant or "", set())
            listeners.discard(subscription)
            if not listeners:
                self._tenants.pop(subscription.tenant or "", None)

    def _join_run(self, subscription: Subscription, run_id: str) -> None:
        subscription.runs.add(run_id)
        self._channels.setdefault(run_id, _Channel()).subscriptions.add(subscription)

    def _leave_run(self, subscription: Subscription, run_id: str) -> None:
        subscription.runs.discard(run_id)
        channel = self._channels.get(run_id)
        if channel is not None:
            channel.subscriptions.discard(subscription)
            if not channel.subscriptions:
                del self._channels[run_id]

    def _listen(self) -> None:
        """Read the live stream for ever; whatever goes wrong with Redis is waited out."""
        cursor: str | None = None
        backoff = 0.1
        while not self._stopping.is_set():
            try:
                cursor, frames = self._hear(cursor)
            except Exception as error:  # noqa: BLE001 - the only listener must outlive every fault of the doorbell
                logger.warning("live_stream_unavailable", error=type(error).__name__, retry_in=backoff)
                self._stopping.wait(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)
                continue
            backoff = 0.1
            self._fan_out(frames)

    def _hear(self, cursor: str | None) -> tuple[str, list[dict[str, Any]]]:
        if cursor is None:
            cursor = self._bus.tail()
            # A run may have begun before this cursor was known; the log tells what it said.
            self._next_poll = 0.0
            self._wake.set()
        cursor, frames = self._bus.read(cursor, self._block_ms)
        if not frames and _entry_id(self._bus.tail()) < _entry_id(cursor):
            logger.info("live_stream_restarted", cursor=cursor)
            return "0", []
        return cursor, frames

    def _fan_out(self, frames: Iterable[dict[str, Any]]) -> None:
        for frame in frames:
            tenant = frame.pop(OWNER, None)
            with self._lock:
                for subscription in self._tenants.get(tenant or "", ()):
                    if frame["runId"] not in self._ended:
                        self._join_run(subscription, frame["runId"])
                channel = self._channels.get(frame["runId"])
                if channel is None:
                    continue
                wire = wire_of(frame)
                if channel.last is None or wire.seq == channel.last + 1:
                    self._deliver(channel, wire)
                elif wire.seq > channel.last:
                    self._gaps.add(wire.run_id)
                    self._wake.set()

    def _watch(self) -> None:
        """Fill gaps when told of them, ask for missed frames every `poll_seconds`, and cut off dead clients."""
        while not self._stopping.is_set():
            self._wake.wait(max(0.0, self._next_poll - time.monotonic()))
            self._wake.clear()
            due = time.monotonic() >= self._next_poll
            if due:
                self._next_poll = time.monotonic() + self._poll_seconds
            try:
                self._fill_gaps()
                if due:
                    self._poll()
                    self._find_unheard()
                    self._check_keys()
            except Exception as error:  # noqa: BLE001 - the only watcher must outlive every fault of the database
                logger.warning("event_log_unavailable", error=type(error).__name__)
            if due:
                self._cut_stalled()

    def _fill_gaps(self) -> None:
        with self._lock:
            run_ids, self._gaps = self._gaps, set()
        for run_id in run_ids:
            self._fill(run_id)

    def _poll(self) -> None:
        with self._lock:
            served = {run_id: c.last for run_id, c in self._channels.items() if c.last is not None}
        if not served:
            return
        for run_id, last_seq in self._log.last_seqs(served).items():
            if last_seq > served.get(run_id, last_seq):
                self._fill(run_id)

    def _fill(self, run_id: str) -> None:
        while True:
            with self._lock:
                channel = self._channels.get(run_id)
                after = None if channel is None else channel.last
            if channel is None or after is None:
                return
            frames = self._log.frames(run_id, after)
            if not frames:
                return
            with self._lock:
                for wire in map(wire_of, frames):
                    if channel.last is None or wire.seq > channel.last:
                        self._deliver(channel, wire)

    def _deliver(self, channel: _Channel, wire: Wire) -> None:
        channel.last = wire.seq
        for subscription in channel.subscriptions:
            subscription.offer(wire)
        if wire.terminal:
            self._end_run(channel, wire.run_id)

    def _end_run(self, channel: _Channel, run_id: str) -> None:
        """Let listeners of a whole tenant leave a run that has ended, and remember that it has."""
        self._ended[run_id] = None
        while len(self._ended) > ENDED_REMEMBERED:
            self._ended.popitem(last=False)
        for subscription in [one for one in channel.subscriptions if one.tenant is not None]:
            self._leave_run(subscription, run_id)

    def _find_unheard(self) -> None:
        """Find runs of listening tenants whose first frames no doorbell announced."""
        with self._lock:
            tenants = {tenant: list(listeners) for tenant, listeners in self._tenants.items()}
        for tenant, listeners in tenants.items():
            for run_id, first in self._log.recent(tenant).items():
                unheard = [one for one in listeners if run_id not in one.runs and run_id not in self._ended]
                if unheard:
                    self._introduce(run_id, first, unheard)

    def _introduce(self, run_id: str, first: int, listeners: list[Subscription]) -> None:
        frames = self._log.frames(run_id, first - 1)
        with self._lock:
            for subscription in listeners:
                self._join_run(subscription, run_id)
            channel = self._channels[run_id]
            for frame in frames:
                wire = wire_of(frame)
                for subscription in listeners:
                    if frame["timestamp"] >= subscription.since:
                        subscription.offer(wire)
                channel.last = max(channel.last or 0, wire.seq)
                if wire.terminal:
                    self._end_run(channel, run_id)

    def _check_keys(self) -> None:
        """End the streams of keys that were revoked or have expired since they opened them."""
        if time.monotonic() < self._next_key_check:
            return
        self._next_key_check = time.monotonic() + KEY_CHECK_SECONDS
        with self._lock:
            keys = {owner for owner in self._owners if owner is not None}
        lost = keys - self._still_holding(keys) if keys else set()
        for subscription in self._subscriptions():
            if subscription.owner in lost:
                subscription.revoke()

    def _cut_stalled(self) -> None:
        now = time.monotonic()
        for subscription in self._subscriptions():
            if subscription.cut_if_stalled(now, self._stall_seconds):
                logger.info("slow_client_cut", run_id=min(subscription.runs, default=None))


def _said_by(error: type[LimitError]) -> str:
    return (error.__doc__ or "").strip()


def _entry_id(text: str) -> tuple[int, int]:
    """Return a stream entry id `milliseconds-sequence` as numbers that compare; a bare `0` is `0-0`."""
    milliseconds, _, sequence = text.partition("-")
    return int(milliseconds), int(sequence or 0)
