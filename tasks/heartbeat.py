"""Keep this process's leases alive: one thread for all of them, and the news of those that it has lost.

Every third of a lease, and every two seconds at least, the thread extends what is being worked on here, none past its
deadline; a lease whose attempt broke runs out, however busy its process is otherwise. What the reply does not name any
more has been cancelled, taken back or timed out: the attempt's token is cancelled, which aborts its call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from models.errors import DatabaseUnavailableError
from models.repositories.runs import Held
from models.settings import get_settings
from models.unit_of_work import open_statement
from tasks.agents.base import CancelToken
from tasks.base import WORKER

logger = structlog.get_logger(__name__)

LONGEST_PAUSE = 2.0
"""How long a cancelled call may go on before its worker hears of it, in seconds."""


class Heartbeat:
    """The leases of one process, and the thread that extends them while there are any."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._held: dict[Held, CancelToken] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None

    @contextmanager
    def holding(self, run_id: str, node_id: str, attempt: int) -> Iterator[CancelToken]:
        """Keep a lease alive for the length of the block; the token tells when it is lost."""
        key, token = (run_id, node_id, attempt), CancelToken()
        with self._lock:
            idle = not self._held
            self._held[key] = token
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease-heartbeat", daemon=True)
                self._thread.start()
            if idle:
                self._changed.notify()
        try:
            yield token
        finally:
            with self._lock:
                self._held.pop(key, None)

    def beat(self) -> None:
        """Extend every lease once, and cancel the tokens of those that are no longer held."""
        with self._lock:
            before = dict(self._held)
        lease = get_settings().lease_seconds
        # Two transactions: one that holds nodes must never wait for a run, as all others lock the run first.
        with open_statement(None) as unit:
            kept = unit.claims.extend(self._worker, lease, before)
        with open_statement(None) as unit:
            kept |= unit.planning.extend(self._worker, lease, before)
        for key, token in before.items():
            if key not in kept:
                logger.info("lease_lost", run_id=key[0], node_id=key[1], attempt=key[2])
                token.cancel("lease_lost")

    def _run(self) -> None:
        pause = min(get_settings().lease_seconds / 3, LONGEST_PAUSE)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._held))
            # The wait is on an event that nobody sets: it is a pause that a stopping process does not have to sit out.
            threading.Event().wait(pause)
            try:
                self.beat()
            except DatabaseUnavailableError:
                logger.warning("heartbeat_missed", worker=self._worker)
            except Exception:
                logger.exception("heartbeat_failed", worker=self._worker)


heartbeat = Heartbeat(WORKER)
