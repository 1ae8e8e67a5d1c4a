"""When a call is tried again, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tasks.agents.base import (
    AgentCancelledError,
    AgentError,
    AgentRateLimitedError,
    AgentRefusedError,
    AgentTimeoutError,
    AgentUnavailableError,
    CancelToken,
    InvalidReplyError,
)
from tasks.agents.deadline import Deadline
from tasks.agents.retries import MAX_TRIES, call_with_retries, retry_after_seconds


class Flaky:
    """A call that raises the given errors, one each time, and then answers."""

    def __init__(self, *errors: AgentError) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


def soon(error: type[AgentError]) -> AgentError:
    return error("x", retry_after=0)


def test_a_passing_failure_is_tried_again_and_the_tries_are_counted() -> None:
    call = Flaky(soon(AgentUnavailableError), soon(AgentRateLimitedError))
    assert call_with_retries(call, deadline=Deadline.after(5), cancel=CancelToken()) == ("answer", 3)


def test_the_last_error_is_raised_after_all_tries() -> None:
    call = Flaky(*(soon(AgentUnavailableError) for _ in range(9)))
    with pytest.raises(AgentUnavailableError):
        call_with_retries(call, deadline=Deadline.after(5), cancel=CancelToken())
    assert call.calls == MAX_TRIES


@pytest.mark.parametrize(
    "error",
    [
        AgentRefusedError("no"),
        InvalidReplyError("?"),
        AgentTimeoutError("late"),
        AgentRateLimitedError("later", retry_after=21),
        AgentUnavailableError("beyond the deadline", retry_after=6),
    ],
    ids=lambda error: error.code,
)
def test_what_trying_again_cannot_help_is_raised_at_once(error: AgentError) -> None:
    call = Flaky(error)
    with pytest.raises(type(error)):
        call_with_retries(call, deadline=Deadline.after(5), cancel=CancelToken())
    assert call.calls == 1


def test_a_cancelled_run_is_not_called_for_again() -> None:
    token = CancelToken()

    def call() -> str:
        token.cancel()
        raise AgentUnavailableError("gone", retry_after=10)

    with pytest.raises(AgentCancelledError):
        call_with_retries(call, deadline=Deadline.after(60), cancel=token)


@pytest.mark.parametrize(
    ("header", "seconds"), [(None, None), ("", None), ("3", 3.0), ("0.5", 0.5), ("-1", 0.0), ("soon", None)]
)
def test_retry_after_is_read_as_seconds(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    header = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    found = retry_after_seconds(header)
    assert found is not None
    assert 25 < found <= 30
