"""One client's place in the relay: a bounded queue of frames, and the reasons why it may end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.stream.wire import Wire

MAX_CHARACTERS = 4_000_000


class Subscription:
    """The frames of its runs that one client has not taken yet: at most `limit` of them, and `MAX_CHARACTERS` of text.

    A client that is too slow loses its queue and finds `overrun` set; what it missed is in the log. The relay
    offers and the client's own thread takes, so every change happens under the lock. Thousands of these wait in one
    process: hence slots, a list, and a lock made for each wait in place of a deque and a `Condition`, which keeps one
    of its own.
    """

    __slots__ = (
        "_characters",
        "_frames",
        "_hang_up",
        "_limit",
        "_lock",
        "_on_close",
        "_progress",
        "_waiting",
        "overrun",
        "owner",
        "restarting",
        "revoked",
        "runs",
        "since",
        "tenant",
    )

    def __init__(
        self,
        *run_ids: str,
        limit: int,
        owner: str | None = None,
        tenant: str | None = None,
        since: str = "",
        on_close: Callable[[Subscription], None],
        hang_up: Callable[[], None] | None = None,
    ) -> None:
        self.runs = set(run_ids)
        self.tenant = tenant
        """Every run of this tenant belongs to the subscription from its first frame on."""
        self.since = since
        self.owner = owner
        self.overrun = False
        self.restarting = False
        self.revoked = False
        self._limit = limit
        self._on_close = on_close
        self._hang_up = hang_up
        self._frames: list[Wire] = []
        self._characters = 0
        self._lock = threading.Lock()
        self._waiting: threading.Lock | None = None
        """What the client's thread waits for: held until something happens."""
        self._progress = time.monotonic()

    def offer(self, wire: Wire) -> None:
        """Queue a frame for the client, or give the client up as overrun when the queue is full."""
        with self._lock:
            if self.overrun:
                return
            self._characters += len(wire.text)
            self._frames.append(wire)
            if len(self._frames) > self._limit or self._characters > MAX_CHARACTERS:
                self._give_up()
            self._ring()

    def take(self, timeout: float) -> Wire | None:
        """Return the next frame, waiting up to `timeout` seconds; None when there was none or the stream must end."""
        self._progress = time.monotonic()
        self._wait_for(lambda: bool(self._frames) or self._must_end, timeout)
        with self._lock:
            self._progress = time.monotonic()
            if not self._frames:
                return None
            wire = self._frames.pop(0)
            self._characters -= len(wire.text)
            return wire

    def pause(self, seconds: float) -> None:
        """Wait without taking frames, but no longer than the server itself lives."""
        self._wait_for(lambda: self.restarting or self.revoked, seconds)
        self._progress = time.monotonic()

    def clear(self) -> None:
        """Forget what is queued, just before the log is read: everything queued so far is in the log already."""
        with self._lock:
            self._forget()
            self.overrun = False
            self._progress = time.monotonic()

    def touch(self) -> None:
        """Note that the client took what was written to it."""
        self._progress = time.monotonic()

    def restart(self) -> None:
        """Tell the client's thread that this server stops."""
        with self._lock:
            self.restarting = True
            self._ring()

    def revoke(self) -> None:
        """Tell the client's thread that the key that opened this no longer holds."""
        with self._lock:
            self.revoked = True
            self._ring()

    def cut_if_stalled(self, now: float, patience: float) -> bool:
        """Hang up on a client that has left frames waiting for longer than `patience` seconds; True when it did."""
        with self._lock:
            waiting = bool(self._frames) or self.overrun
            if not waiting or now - self._progress <= patience:
                return False
            self._give_up()
            self._progress = now
        if self._hang_up is not None:
            self._hang_up()
        return True

    def close(self) -> None:
        """Leave the relay; safe to call twice."""
        self._on_close(self)

    def _wait_for(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready` holds, which is asked under the lock, or after so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            with self._lock:
                if ready():
                    return
                waiting = self._waiting = threading.Lock()
                waiting.acquire()
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.acquire(timeout=left):
                return

    def _ring(self) -> None:
        """Wake the client's thread, if it waits; the lock is held."""
        if self._waiting is not None:
            self._waiting.release()
            self._waiting = None

    @property
    def _must_end(self) -> bool:
        return self.overrun or self.restarting or self.revoked

    def _give_up(self) -> None:
        self.overrun = True
        self._forget()

    def _forget(self) -> None:
        self._frames.clear()
        self._characters = 0
