"""Remote agents over real sockets: the request, the reply, and everything that can go wrong between."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from tasks.agents.base import (
    AgentCancelledError,
    AgentError,
    AgentRateLimitedError,
    AgentRefusedError,
    AgentResult,
    AgentTimeoutError,
    AgentUnavailableError,
    CancelToken,
    HitlAsk,
    InvalidReplyError,
)
from tasks.agents.http import HttpAgent
from tests.support import fake_openai as fake
from tests.support.bundles import builtin, bundle_for
from tests.support.fake_openai import FakeOpenAI, Step

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "agent.py"
GOOD: dict[str, Any] = {
    "output": {"copyVariants": []},
    "usage": {"promptTokens": 3, "completionTokens": 4, "cost": 0.5},
}


def replies(value: Any, status: int = 200, **headers: str) -> Step:
    text = value if isinstance(value, str) else json.dumps(value)
    return Step(status=status, body=text or " ", headers=tuple((k.replace("_", "-"), v) for k, v in headers.items()))


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI([replies(GOOD)]) as running:
        yield running


def call(
    server: FakeOpenAI, *, secret: str | None = None, hosts: tuple[str, ...] = ("127.0.0.1",), **changes: Any
) -> AgentResult:
    endpoint = {"url": f"{server.base_url}/run"} | ({"secret": secret} if secret else {})
    capability = replace(builtin(), endpoint=endpoint, cost={"pricePer1kTokens": 1})
    return HttpAgent(hosts).run(bundle_for(capability, **changes), cancel=CancelToken())


def test_the_output_and_the_usage_come_back(server: FakeOpenAI) -> None:
    result = call(server)
    assert result.output == {"copyVariants": []}
    assert result.usage.as_json() == {"promptTokens": 3, "completionTokens": 4, "cost": 0.5}
    assert result.provenance == {"provider": "http", "host": "127.0.0.1", "tries": 1}


def test_tokens_without_a_cost_are_priced_as_registered(server: FakeOpenAI) -> None:
    server.play(replies({"output": {}, "usage": {"promptTokens": 500, "completionTokens": 500}}))
    assert call(server).usage.cost == 1.0


def test_the_request_is_what_the_protocol_says(server: FakeOpenAI) -> None:
    findings = ({"pointer": "/copyVariants", "keyword": "minItems", "message": "must have at least 1 items, has 0"},)
    call(server, repair=2, plan_version=3, findings=findings, clarifications=({"question": "q", "answer": "a"},))
    (request,) = server.requests
    assert request.headers["idempotency-key"] == "run_1:linkedinVariants~a:3:2"
    assert request.headers["x-correlation-id"] == "corr-1"
    assert "webhook-signature" not in request.headers
    assert request.body.keys() == {
        "runId", "nodeId", "attempt", "planVersion", "capabilityId", "objective", "instructions", "inputs",
        "outputSchema", "findings", "clarifications",
    }  # fmt: skip
    assert request.body["findings"] == list(findings)
    assert "Variant A is about the team." in request.body["instructions"]


def test_the_signature_verifies_with_the_standard_library_of_webhooks(server: FakeOpenAI) -> None:
    call(server, secret=SECRET)
    (request,) = server.requests
    body = json.dumps(request.body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert Webhook(SECRET).verify(body, request.headers) == request.body


def test_a_secret_that_is_none_is_refused_before_anything_is_sent(server: FakeOpenAI) -> None:
    with pytest.raises(AgentRefusedError, match="whsec_"):
        call(server, secret="not base64!?")
    assert server.requests == []


def test_an_agent_may_ask_a_person(server: FakeOpenAI) -> None:
    server.play(replies({"hitl": {"kind": "clarify", "question": "Which office?", "urgency": "high"}}))
    assert call(server).hitl == HitlAsk("clarify", "Which office?", "high")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("not json", "not valid JSON"),
        ("[]", "array"),
        ({}, "exactly one of"),
        ({"output": {}, "hitl": {"kind": "approval", "question": "ok?"}}, "exactly one of"),
        ({"output": []}, "/output must be an object"),
        ({"output": {}, "extra": 1}, "unknown key 'extra'"),
        ({"output": {}, "usage": {"promptTokens": -1}}, "/usage/promptTokens"),
        ({"output": {}, "usage": {"completionTokens": 1.5}}, "/usage/completionTokens"),
        ({"output": {}, "usage": {"price": 1}}, "/usage/price is unknown"),
        ({"hitl": {"kind": "shout", "question": " "}}, "/hitl/kind must be .*; /hitl/question"),
    ],
)
def test_a_reply_that_breaks_the_protocol_names_every_fault(server: FakeOpenAI, reply: Any, words: str) -> None:
    server.play(replies(reply))
    with pytest.raises(InvalidReplyError, match=words):
        call(server)


@pytest.mark.parametrize(
    "step", [replies("busy", 503, Retry_After="0"), replies("busy", 429, Retry_After="0"), replies("", 502), fake.DROP]
)
def test_what_may_pass_is_tried_again_with_the_same_key(server: FakeOpenAI, step: Step) -> None:
    server.play(step, replies(GOOD))
    assert call(server).provenance["tries"] == 2
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1


def test_a_client_error_is_not_tried_again(server: FakeOpenAI) -> None:
    server.play(replies("no such facet", 422))
    with pytest.raises(AgentRefusedError, match="no such facet"):
        call(server)
    assert len(server.requests) == 1


def test_a_long_retry_after_is_handed_to_the_scheduler(server: FakeOpenAI) -> None:
    server.play(replies("later", 429, Retry_After="120"))
    with pytest.raises(AgentRateLimitedError) as caught:
        call(server)
    assert (caught.value.retry_after, len(server.requests)) == (120, 1)


def test_redirects_are_not_followed(server: FakeOpenAI) -> None:
    server.play(replies("", 307, Location="http://127.0.0.1:1/"))
    with pytest.raises(AgentRefusedError, match="redirects are not followed"):
        call(server)
    assert len(server.requests) == 1


def test_a_compressed_reply_is_not_unpacked(server: FakeOpenAI) -> None:
    server.play(replies(GOOD, Content_Encoding="gzip"))
    with pytest.raises(InvalidReplyError, match="compressed"):
        call(server)


def test_size_and_time_are_capped(server: FakeOpenAI) -> None:
    server.play(fake.HUGE)
    with pytest.raises(InvalidReplyError, match="larger than"):
        call(server)
    server.play(fake.DRIP)
    begun = time.monotonic()
    with pytest.raises(AgentTimeoutError):
        call(server, timeout_seconds=0.4)
    assert time.monotonic() - begun < 3


def test_a_host_that_is_not_listed_is_not_called(server: FakeOpenAI) -> None:
    with pytest.raises(AgentRefusedError, match="FLEX_AGENT_HOSTS"):
        call(server, hosts=("agents.example.com",))
    assert server.requests == []


def test_a_name_is_called_at_its_checked_address_under_its_own_name(server: FakeOpenAI) -> None:
    port = server.base_url.split(":")[2].split("/")[0]
    capability = replace(builtin(), endpoint={"url": f"http://localhost:{port}/run"})
    HttpAgent((f"localhost:{port}",)).run(bundle_for(capability), cancel=CancelToken())
    assert server.requests[0].headers["host"] == f"localhost:{port}"


def test_a_cancel_cuts_the_call(server: FakeOpenAI) -> None:
    server.play(fake.HANG)
    capability = replace(builtin(), endpoint={"url": server.base_url})
    token, caught = CancelToken(), []

    def run() -> None:
        try:
            HttpAgent(("127.0.0.1",)).run(bundle_for(capability, timeout_seconds=60), cancel=token)
        except AgentError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    server.wait_for_requests(1)
    token.cancel("lease lost")
    thread.join(3)
    assert not thread.is_alive()
    assert isinstance(caught[0], AgentCancelledError)


@pytest.fixture
def example() -> Iterator[str]:
    program = subprocess.Popen(
        [sys.executable, str(EXAMPLE), "0"], stdout=subprocess.PIPE, text=True, env={"AGENT_SECRET": SECRET}
    )
    try:
        assert program.stdout is not None
        yield program.stdout.readline().split()[-1]
    finally:
        program.terminate()
        program.communicate(timeout=5)


def test_the_example_agent_answers_the_protocol_and_checks_the_signature(example: str) -> None:
    # Given the example agent, running as its own program
    host = example.split("/")[2]
    capability = replace(builtin("copywriter.SocialpostDrafting"), endpoint={"url": example, "secret": SECRET})
    bundle = bundle_for(capability, inputs={"company_information": {"name": "Northwind Robotics"}})
    # When it is called with the right secret
    result = HttpAgent((host,)).run(bundle, cancel=CancelToken())
    # Then it answers, and with a wrong one it refuses
    assert result.output["post_copy"].startswith("Northwind Robotics: Write two LinkedIn posts")
    wrong = replace(capability, endpoint={"url": example, "secret": "whsec_d3Jvbmc="})
    with pytest.raises(AgentRefusedError, match="401"):
        HttpAgent((host,)).run(replace(bundle, capability=wrong), cancel=CancelToken())


def test_an_agent_that_is_not_there_is_unavailable() -> None:
    with FakeOpenAI() as gone:
        address = gone.base_url
    capability = replace(builtin(), endpoint={"url": address})
    with pytest.raises(AgentUnavailableError, match="could not be reached"):
        HttpAgent(("127.0.0.1",)).run(bundle_for(capability), cancel=CancelToken())
