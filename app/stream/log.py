"""What the relay asks of the event log, as a port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

WAITING_STATUSES = frozenset({"awaiting_hitl", "awaiting_human", "paused"})
TERMINAL_STATUSES = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a run stands: its status and the seq of the last frame in its log."""

    status: str
    last_seq: int

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL_STATUSES

    @property
    def waits_for_person(self) -> bool:
        return self.status in WAITING_STATUSES


class RunLog(Protocol):
    """The log of every run, for a reader who was already allowed to see the run."""

    page: int
    """How many frames one answer holds at most; a shorter one has seen the log to its end."""

    def frames(self, run_id: str, after: int) -> list[Mapping[str, Any]]:
        """Return the next page of frames behind `after`, in the order of their seq; empty when there are none."""

    def last_seqs(self, run_ids: Iterable[str]) -> dict[str, int]:
        """Return the seq of the last frame of each run, in one question."""

    def moment(self) -> str:
        """Return the log's own clock, as frames tell it."""

    def recent(self, tenant: str) -> dict[str, int]:
        """Return the runs of a tenant that have spoken within the last seconds, each with its first seq since."""

    def state(self, run_id: str) -> RunState:
        """Return where the run stands now."""
