"""The cancel token and the values that agents return."""

from __future__ import annotations

import threading

import pytest

from tasks.agents.base import AgentCancelledError, AgentRateLimitedError, AgentRefusedError, CancelToken, HitlAsk, Usage


def test_usage_adds_up_and_is_written_in_the_words_of_the_api() -> None:
    total = Usage(1, 2, 0.1) + Usage(3, 4, 0.2)
    assert total.as_json() == {"promptTokens": 4, "completionTokens": 6, "cost": 0.3}


def test_a_question_without_urgency_has_no_such_key() -> None:
    assert HitlAsk("approval", "Publish?").as_json() == {"kind": "approval", "question": "Publish?"}


def test_what_an_agent_says_can_be_stored() -> None:
    told = "a\x00b\ud800c"
    assert HitlAsk("clarify", told).question == "ab?c"
    assert AgentRefusedError(told).message == "ab?c"


def test_the_kind_of_error_says_whether_to_retry_unless_told_otherwise() -> None:
    assert AgentRateLimitedError("slow down").retryable
    assert not AgentRefusedError("no").retryable
    assert not AgentRateLimitedError("no money", retryable=False).retryable


def test_callbacks_run_once_and_not_after_they_were_given_up() -> None:
    token, called = CancelToken(), []
    token.on_cancel(lambda: called.append("kept"))
    with token.on_cancel(lambda: called.append("given up")):
        pass
    token.cancel("first")
    token.cancel("second")
    assert called == ["kept"]
    assert token.reason == "first"


def test_a_callback_that_comes_too_late_runs_at_once() -> None:
    token, called = CancelToken(), []
    token.cancel()
    token.on_cancel(lambda: called.append(1))
    assert called == [1]


def test_a_wait_ends_with_the_cancel() -> None:
    token = CancelToken()
    threading.Timer(0.05, token.cancel).start()
    assert token.wait(30)


def test_a_thrown_token_raises_with_its_reason() -> None:
    token = CancelToken()
    token.raise_if_cancelled()
    token.cancel("lease lost")
    with pytest.raises(AgentCancelledError, match="lease lost"):
        token.raise_if_cancelled()
