"""How a call to an agent is tried again: by the kind of its failure, within its deadline, never past a cancel.

A plain loop, because the wait between tries must end when the run is cancelled, which no retry library offers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from tasks.agents.base import AgentError, AgentTimeoutError, CancelToken, InvalidReplyError
from tasks.agents.deadline import Deadline

MAX_TRIES = 3
MAX_RETRY_AFTER_SECONDS = 20.0
_FIRST_WAIT_SECONDS = 0.5
_MAX_WAIT_SECONDS = 8.0

T = TypeVar("T")


def call_with_retries(call: Callable[[], T], *, deadline: Deadline, cancel: CancelToken) -> tuple[T, int]:
    """Return what `call` returned and the number of tries; raise its last error when trying again cannot help.

    A reply that came but could not be read is the caller's to judge, so it is not asked for again here. A wait that
    the server asks for beyond `MAX_RETRY_AFTER_SECONDS` or beyond the deadline is left to whoever schedules attempts.
    """
    for tries in range(1, MAX_TRIES + 1):
        cancel.raise_if_cancelled()
        try:
            return call(), tries
        except (InvalidReplyError, AgentTimeoutError):
            raise
        except AgentError as error:
            wait = _wait_seconds(error, tries)
            if not error.retryable or tries == MAX_TRIES or wait is None or wait >= deadline.remaining():
                raise
            cancel.wait(wait)
    raise AssertionError("unreachable: the last try returns or raises")


def retry_after_seconds(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, a number or a date in it; None if it says nothing."""
    if not header:
        return None
    try:
        return max(float(header), 0.0)
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def _wait_seconds(error: AgentError, tries: int) -> float | None:
    if error.retry_after is not None:
        return error.retry_after if error.retry_after <= MAX_RETRY_AFTER_SECONDS else None
    ceiling = min(_FIRST_WAIT_SECONDS * 2.0 ** (tries - 1), _MAX_WAIT_SECONDS)
    return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter against herds, no secret
