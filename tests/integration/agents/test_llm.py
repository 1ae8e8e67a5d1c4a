"""The model agent against a real server that speaks the protocol."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from planner.contracts.json_schema import validator_for
from tasks.agents.base import (
    AgentCancelledError,
    AgentError,
    AgentRateLimitedError,
    AgentRefusedError,
    AgentResult,
    AgentTimeoutError,
    AgentUnavailableError,
    CancelToken,
    InvalidReplyError,
)
from tasks.agents.llm import LlmAgent
from tests.support import fake_openai as fake
from tests.support.bundles import asking, builtin, bundle_for, settings_for
from tests.support.fake_openai import FakeOpenAI


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as running:
        yield running


def agent_at(server: FakeOpenAI, **environ: str) -> LlmAgent:
    return LlmAgent(settings_for(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=server.base_url, **environ))


def ask(server: FakeOpenAI, **changes: object) -> AgentResult:
    return agent_at(server).run(bundle_for(**changes), cancel=CancelToken())


def test_a_good_answer_becomes_the_output_with_tokens_and_cost(server: FakeOpenAI) -> None:
    # Given a capability with a price
    capability = replace(builtin(), cost={"pricePer1kTokens": 0.01})
    # When the model answers well
    result = agent_at(server).run(bundle_for(capability), cancel=CancelToken())
    # Then the output is valid, what it cost is known, and who made it
    assert validator_for(capability.output_schema).is_valid(result.output)
    assert result.usage.as_json() == {"promptTokens": 120, "completionTokens": 80, "cost": 0.002}
    assert result.provenance == {"provider": "openai", "model": "gpt-5", "tries": 1}


def test_the_request_carries_prompt_schema_key_and_correlation_id(server: FakeOpenAI) -> None:
    ask(server)
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
    assert request.system == builtin().system_prompt
    assert "Variant A is about the team." in request.user
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.headers["x-correlation-id"] == "corr-1"
    assert request.body["response_format"]["type"] == "json_schema"


def test_the_settings_decide_on_the_model(server: FakeOpenAI) -> None:
    agent_at(server, FLEX_OPENAI_DEFAULT_MODEL="gpt-test").run(bundle_for(), cancel=CancelToken())
    assert server.requests[0].body["model"] == "gpt-test"


@pytest.mark.parametrize("step", [fake.FENCED, fake.WRAPPED], ids=["fenced", "wrapped in output"])
def test_usual_wrappings_are_taken_off(server: FakeOpenAI, step: fake.Step) -> None:
    server.play(step)
    assert ask(server).output.keys() == {"copyVariants"}


def test_nulls_of_the_strict_format_stand_for_absent_properties(server: FakeOpenAI) -> None:
    # Given a schema with an optional property, which strict mode can only express as nullable
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    server.play(fake.says('{"a": "x", "b": null}'))
    # When the model says null
    result = agent_at(server).run(asking(schema), cancel=CancelToken())
    # Then the property is absent
    assert server.requests[0].format["strict"] is True
    assert result.output == {"a": "x"}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (fake.INVALID_JSON, "not valid JSON"),
        (fake.NOT_AN_OBJECT, "array"),
        (fake.CUT_OFF, "token limit"),
        (fake.says('{"a": NaN}'), "not valid JSON"),
        (fake.HTML, "not a chat completion"),
        (fake.Step(body="{"), "not JSON"),
        (fake.Step(body='{"choices": []}'), "not a chat completion"),
    ],
)
def test_an_answer_that_cannot_be_read_is_told_apart_and_asked_for_once(
    server: FakeOpenAI, step: fake.Step, words: str
) -> None:
    server.play(step)
    with pytest.raises(InvalidReplyError, match=words):
        ask(server)
    assert len(server.requests) == 1


def test_an_unreadable_answer_keeps_its_text_and_is_paid_for(server: FakeOpenAI) -> None:
    server.play(fake.INVALID_JSON)
    with pytest.raises(InvalidReplyError) as caught:
        ask(server)
    assert caught.value.raw == '{"headline": "half a'
    assert caught.value.usage.prompt_tokens == 120


def test_a_schema_violation_is_left_to_the_caller_and_repaired_with_its_findings(server: FakeOpenAI) -> None:
    # Given an answer that breaks the schema, then a right one
    server.play(fake.SCHEMA_VIOLATION, fake.OK)
    first = ask(server)
    problems = validator_for(builtin().output_schema).problems(first.output)
    # When the next attempt carries the findings and the last output
    second = ask(server, attempt=2, repair=1, findings=tuple(p.as_json() for p in problems), last_output=first.output)
    # Then the model was told both, and the output is valid
    assert '"somethingElse": 1' in server.requests[1].user
    assert f'"keyword": "{problems[0].keyword}"' in server.requests[1].user
    assert validator_for(builtin().output_schema).is_valid(second.output)


def test_a_rate_limit_is_waited_for_as_long_as_it_asks(server: FakeOpenAI) -> None:
    server.play(fake.rate_limited(0.3), fake.OK)
    begun = time.monotonic()
    result = ask(server)
    assert time.monotonic() - begun >= 0.3
    assert result.provenance["tries"] == 2
    assert result.usage.prompt_tokens == 120


def test_a_rate_limit_beyond_twenty_seconds_is_left_to_the_scheduler(server: FakeOpenAI) -> None:
    server.play(fake.rate_limited(60))
    with pytest.raises(AgentRateLimitedError) as caught:
        ask(server)
    assert (caught.value.retry_after, caught.value.retryable, len(server.requests)) == (60, True, 1)


def test_an_empty_account_is_not_asked_again(server: FakeOpenAI) -> None:
    server.play(fake.NO_QUOTA)
    with pytest.raises(AgentRateLimitedError) as caught:
        ask(server)
    assert (caught.value.retryable, len(server.requests)) == (False, 1)


@pytest.mark.parametrize("step", [fake.SERVER_ERROR, fake.DROP, fake.DROP_MIDWAY], ids=["500", "drop", "drop midway"])
def test_a_passing_failure_is_tried_again(server: FakeOpenAI, step: fake.Step) -> None:
    server.play(step, fake.OK)
    assert ask(server).provenance["tries"] == 2


def test_a_lasting_failure_ends_after_three_tries(server: FakeOpenAI) -> None:
    server.play(fake.SERVER_ERROR)
    with pytest.raises(AgentUnavailableError):
        ask(server)
    assert len(server.requests) == 3


def test_a_wrong_key_is_refused_at_once_and_says_what_to_check(server: FakeOpenAI) -> None:
    server.play(fake.BAD_KEY)
    with pytest.raises(AgentRefusedError, match="OPENAI_API_KEY"):
        ask(server)
    assert len(server.requests) == 1


def test_a_model_that_refuses_is_not_asked_again(server: FakeOpenAI) -> None:
    server.play(fake.REFUSED)
    with pytest.raises(AgentRefusedError, match="cannot help") as caught:
        ask(server)
    assert caught.value.usage.completion_tokens == 80


def test_a_server_without_strict_formats_gets_the_plain_one(server: FakeOpenAI) -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    server.play(fake.NO_STRICT, fake.OK)
    result = agent_at(server).run(asking(schema), cancel=CancelToken())
    assert result.output == {"a": "A sentence from the model."}
    assert [request.format["strict"] for request in server.requests] == [True, False]


@pytest.mark.parametrize("step", [fake.HANG, fake.DRIP], ids=["hang", "one byte at a time"])
def test_a_slow_server_is_cut_at_the_deadline(server: FakeOpenAI, step: fake.Step) -> None:
    server.play(step)
    begun = time.monotonic()
    with pytest.raises(AgentTimeoutError):
        ask(server, timeout_seconds=0.5)
    assert time.monotonic() - begun < 3


def test_a_huge_reply_is_cut_at_the_cap(server: FakeOpenAI) -> None:
    server.play(fake.HUGE)
    with pytest.raises(InvalidReplyError, match="4194304 bytes"):
        ask(server)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with FakeOpenAI() as gone:
        agent = agent_at(gone)
    with pytest.raises(AgentUnavailableError, match="could not be reached"):
        agent.run(bundle_for(), cancel=CancelToken())


@pytest.mark.parametrize("step", [fake.HANG, fake.rate_limited(15)], ids=["in flight", "between tries"])
def test_a_cancel_ends_the_call_at_once(server: FakeOpenAI, step: fake.Step) -> None:
    # Given a call that waits
    server.play(step)
    token, caught = CancelToken(), []

    def call() -> None:
        try:
            agent_at(server).run(bundle_for(timeout_seconds=60), cancel=token)
        except AgentError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    server.wait_for_requests(1)
    # When its run is cancelled
    token.cancel("the run was cancelled")
    thread.join(3)
    # Then it ended, and says why
    assert not thread.is_alive()
    assert isinstance(caught[0], AgentCancelledError)
    assert "the run was cancelled" in caught[0].message


def test_a_cancelled_token_asks_nobody(server: FakeOpenAI) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(AgentCancelledError):
        agent_at(server).run(bundle_for(), cancel=token)
    assert server.requests == []
