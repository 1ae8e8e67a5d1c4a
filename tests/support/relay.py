"""In-memory twins for the relay: a log that can lose its database, and a bus that can lose its server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.hub import Hub
from app.stream.log import RunState
from models.errors import DatabaseUnavailableError
from models.events.bus import MemoryBus
from models.events.frames import Frame, timestamp_text

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def frame(run_id: str, seq: int, kind: str = "log", **more: Any) -> Frame:
    """Return a stored frame; `payload` and `node_id` may be given."""
    return Frame(
        run_id=run_id,
        seq=seq,
        type=kind,
        timestamp=MOMENT,
        correlation_id="c-1",
        plan_version=1,
        tenant_id="default",
        **more,
    )


class MemoryLog:
    """The log of runs in memory; `down` makes it answer like a database that is away."""

    def __init__(self, page: int = 500) -> None:
        self.stored: dict[str, list[Frame]] = {}
        self.statuses: dict[str, str] = {}
        self.down = False
        self.questions = 0
        self.page = page
        self._lock = threading.Lock()

    def append(self, *frames: Frame) -> None:
        with self._lock:
            for one in frames:
                self.stored.setdefault(one.run_id, []).append(one)

    def frames(self, run_id: str, after: int) -> list[Mapping[str, Any]]:
        self._fail_when_down()
        with self._lock:
            behind = [one.as_json() for one in self.stored.get(run_id, []) if one.seq > after]
        return list(behind[: self.page])

    def last_seqs(self, run_ids: Iterable[str]) -> dict[str, int]:
        self._fail_when_down()
        self.questions += 1
        with self._lock:
            return {run_id: self.stored[run_id][-1].seq for run_id in run_ids if self.stored.get(run_id)}

    def moment(self) -> str:
        return timestamp_text(MOMENT)

    def recent(self, tenant: str) -> dict[str, int]:
        self._fail_when_down()
        with self._lock:
            return {r: frames[0].seq for r, frames in self.stored.items() if frames and frames[0].tenant_id == tenant}

    def state(self, run_id: str) -> RunState:
        self._fail_when_down()
        with self._lock:
            frames = self.stored.get(run_id, [])
            return RunState(self.statuses.get(run_id, "running"), frames[-1].seq if frames else 0)

    def _fail_when_down(self) -> None:
        if self.down:
            raise DatabaseUnavailableError


class FrailBus(MemoryBus):
    """A bus whose server can be away, be flushed, or lose what is published."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.reads_from_start = 0

    def read(self, cursor: str, block_ms: int) -> tuple[str, list[dict[str, Any]]]:
        if self.down:
            raise ConnectionError("no server")
        if cursor == "0":
            self.reads_from_start += 1
        found, frames = super().read(cursor, min(block_ms, 20))
        # Like the server's, a read that finds nothing leaves the cursor where it was.
        return (found if frames else cursor), frames

    def tail(self) -> str:
        if self.down:
            raise ConnectionError("no server")
        return super().tail()

    def flush(self) -> None:
        with self._more:
            self._entries.clear()


def make_hub(bus: MemoryBus, log: MemoryLog, **more: Any) -> Hub:
    """Return a hub with short waits; the caller stops it."""
    return Hub(bus, log, **{"poll_seconds": 0.1, "block_ms": 20, "stall_seconds": 0.2, **more})


def wait_until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Wait until the condition holds; fail when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("the condition did not come true in time")
        time.sleep(0.005)
