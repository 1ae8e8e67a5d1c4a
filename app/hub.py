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
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from app.stream.audience import Audience, Channel
from app.stream.live import LiveBus, LiveReader
from app.stream.log import RunLog
from app.stream.places import Places
from app.stream.subscription import Subscription
from app.stream.wire import wire_of
from models.events.bus import IN_LOG, OWNER

BLOCK_MS = 1000
QUEUE_LIMIT = 1000
POLL_SECONDS = 2.0
STALL_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 2.0
MAX_STREAMS = 9000
KEY_CHECK_SECONDS = 5.0

logger = structlog.get_logger(__name__)


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
        self._live = LiveReader(bus, block_ms)
        self._log = log
        self._places = Places(max_streams, max_streams_per_owner)
        self._audience = Audience()
        self._queue_limit = queue_limit
        self._poll_seconds = poll_seconds
        self._stall_seconds = stall_seconds
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
            channel = self._audience.of_run(run_id)
            if channel is not None and channel.last is None:
                channel.last = seq

    def listeners(self) -> int:
        """Return how many clients listen now."""
        return len(self._places)

    def _admit(self, subscription: Subscription) -> Subscription:
        with self._lock:
            self._places.take(subscription)
            self._audience.admit(subscription)
        if self._stopping.is_set():
            subscription.restart()
        return subscription

    def _subscriptions(self) -> list[Subscription]:
        with self._lock:
            return list(self._places)

    def _leave(self, subscription: Subscription) -> None:
        with self._lock:
            if self._places.give_back(subscription):
                self._audience.dismiss(subscription)

    def _listen(self) -> None:
        """Read the live stream for ever; whatever goes wrong with Redis is waited out."""
        backoff = 0.1
        while not self._stopping.is_set():
            try:
                frames = self._hear()
            except Exception as error:  # noqa: BLE001 - the only listener must outlive every fault of the doorbell
                logger.warning("live_stream_unavailable", error=type(error).__name__, retry_in=backoff)
                self._stopping.wait(backoff)
                backoff = min(backoff * 2, MAX_BACKOFF_SECONDS)
                continue
            backoff = 0.1
            self._fan_out(frames)

    def _hear(self) -> list[dict[str, Any]]:
        if not self._live.began:
            self._live.begin()
            # A run may have begun before this place was known; the log tells what it said.
            self._next_poll = 0.0
            self._wake.set()
        return self._live.read()

    def _fan_out(self, frames: Iterable[dict[str, Any]]) -> None:
        for frame in frames:
            tenant = frame.pop(OWNER, None)
            with self._lock:
                channel = self._audience.called(frame["runId"], tenant)
                if channel is None:
                    continue
                if IN_LOG in frame:
                    self._fetch(channel, frame["runId"], int(frame["id"]))
                    continue
                wire = wire_of(frame)
                if channel.last is None or wire.seq == channel.last + 1:
                    self._audience.deliver(channel, wire)
                elif wire.seq > channel.last:
                    self._fetch(channel, wire.run_id, wire.seq)

    def _fetch(self, channel: Channel, run_id: str, seq: int) -> None:
        """Have the watcher read from the log what its listeners lack up to `seq`."""
        if channel.last is None:
            channel.last = seq - 1
        self._gaps.add(run_id)
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
            served = self._audience.served()
        if not served:
            return
        for run_id, last_seq in self._log.last_seqs(served).items():
            if last_seq > served.get(run_id, last_seq):
                self._fill(run_id)

    def _fill(self, run_id: str) -> None:
        while True:
            with self._lock:
                channel = self._audience.of_run(run_id)
                after = None if channel is None else channel.last
            if channel is None or after is None:
                return
            frames = self._log.frames(run_id, after)
            if not frames:
                return
            with self._lock:
                for wire in map(wire_of, frames):
                    if channel.last is None or wire.seq > channel.last:
                        self._audience.deliver(channel, wire)

    def _find_unheard(self) -> None:
        """Find runs of listening tenants whose first frames no doorbell announced."""
        with self._lock:
            tenants = self._audience.tenants()
        for tenant, listeners in tenants.items():
            for run_id, first in self._log.recent(tenant).items():
                unheard = [one for one in listeners if run_id not in one.runs]
                if unheard and not self._audience.has_ended(run_id):
                    self._introduce(run_id, first, unheard)

    def _introduce(self, run_id: str, first: int, listeners: list[Subscription]) -> None:
        frames = self._log.frames(run_id, first - 1)
        with self._lock:
            channel = self._audience.join(run_id, listeners)
            for frame in frames:
                wire = wire_of(frame)
                for subscription in listeners:
                    if frame["timestamp"] >= subscription.since:
                        subscription.offer(wire)
                channel.last = max(channel.last or 0, wire.seq)
                if wire.terminal:
                    self._audience.end(channel, run_id)

    def _check_keys(self) -> None:
        """End the streams of keys that were revoked or have expired since they opened them."""
        if time.monotonic() < self._next_key_check:
            return
        self._next_key_check = time.monotonic() + KEY_CHECK_SECONDS
        with self._lock:
            keys = self._places.owners()
        lost = keys - self._still_holding(keys) if keys else set()
        for subscription in self._subscriptions():
            if subscription.owner in lost:
                subscription.revoke()

    def _cut_stalled(self) -> None:
        now = time.monotonic()
        for subscription in self._subscriptions():
            if subscription.cut_if_stalled(now, self._stall_seconds):
                logger.info("slow_client_cut", run_id=min(subscription.runs, default=None))
