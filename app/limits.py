"""How much one caller may ask of the service, and how a refusal says when to come back."""

from __future__ import annotations

from models.rates import counter_of
from models.settings import Settings
from models.unit_of_work import UnitOfWork
from policies.errors import FlexError


class LimitError(FlexError):
    """There is no room for this now; come back later."""

    code = "server_busy"

    def __init__(self, message: str, *, pending: int, limit: int, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.data = {"pending": pending, "limit": limit}
        self.headers = {"X-Backlog-Pending": str(pending), "X-Backlog-Limit": str(limit)}


class TooManyRequestsError(LimitError):
    """The caller asks more often than it may."""

    code = "too_many_requests"


class TooManyWaitingRunsError(LimitError):
    """As many runs as may wait do wait for a planner."""


class RateLimit:
    """The requests that one key, or one address without a key, may make within any minute."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.requests_per_minute
        self._counter = counter_of(settings.redis_url)

    def count(self, subject: str) -> None:
        """Count one request. Raises `TooManyRequestsError` when it is one too many."""
        usage = self._counter.hit(subject, self._limit)
        seconds = usage.seconds_to_wait(self._limit)
        if seconds is not None:
            raise TooManyRequestsError(
                f"More than {self._limit} requests within a minute; ask again in {seconds} s.",
                pending=self._limit,
                limit=self._limit,
                retry_after=seconds,
            )


def check_backlog(unit: UnitOfWork, limit: int) -> None:
    """Raise `TooManyWaitingRunsError` when the tenant has as many runs waiting for a planner as it may."""
    waiting = unit.runs.count_waiting(limit)
    if waiting >= limit:
        runs = "1 run waits" if waiting == 1 else f"{waiting} runs wait"
        raise TooManyWaitingRunsError(
            f"{runs} for a planner already; nothing was stored, send it again in a moment.",
            pending=waiting,
            limit=limit,
            retry_after=2,
        )
