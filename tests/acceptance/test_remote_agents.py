"""Agents of other people, over HTTP: the example of the docs, and one that is busy, asks, or breaks the rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from models.settings import child_environ
from tests.support.envelopes import freeform_envelope, writer_registration
from tests.support.invariants import assert_sound
from tests.support.remote_agent import GOOD, Call, RemoteAgent
from tests.support.stack import ROOT
from tests.support.visitor import FLEX, Visitor, pointers, told

SECRET = "whsec_" + base64.b64encode(b"a secret of the yard, long enough").decode()
CONTRACT = {"mode": "facets", "facets": ["post_copy"]}


Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def agent() -> Iterator[RemoteAgent]:
    one = RemoteAgent()
    yield one
    one.stop()


@pytest.fixture
def run_with(visitor: Visitor) -> Iterator[Run]:
    """Register an agent that writes a post at an address, and stream a run that needs it."""

    def run(url: str, **members: Any) -> list[dict[str, Any]]:
        endpoint = {"url": url, "secret": SECRET}
        registration = {
            "capabilityId": "yard.remote",
            "version": "1.0.0",
            "displayName": "Remote writer",
            "summary": "Writes a post somewhere else",
            "kind": "execution",
            "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
            "outputContract": CONTRACT,
            "endpoint": endpoint,
            **members,
        }
        reply = visitor.post(f"{FLEX}/capabilities/register", registration)
        assert reply.status_code == 200, reply.text
        others = [
            one["capabilityId"]
            for one in visitor.get(f"{FLEX}/capabilities").json()["data"]
            if "post_copy" in one["outputFacets"] and one["capabilityId"] != "yard.remote"
        ]
        selection = {"require": ["yard.remote"], "forbid": others}
        envelope = freeform_envelope(outputContract=CONTRACT, policies={"planner": {"selection": selection}})
        _, frames = visitor.stream(envelope)
        return frames

    yield run
    visitor.http.delete(f"{FLEX}/capabilities/yard.remote")


def own_node(frames: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the `node_complete` of the remote agent's node."""
    (frame,) = (f for f in told(frames, "node_complete") if f["payload"]["capabilityId"] == "yard.remote")
    return frame


def is_signed(call: Call) -> bool:
    """Check the signature by the published rules of Standard Webhooks, in our own words."""
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode() + call.raw
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return expected in call.headers["webhook-signature"].split()


@pytest.mark.parametrize("secret", [SECRET, "whsec_" + base64.b64encode(b"another secret").decode()])
def test_the_example_agent_does_a_real_node_if_the_secret_is_the_same(
    visitor: Visitor, run_with: Run, secret: str
) -> None:
    # Given the agent of the documentation, which checks signatures
    command = [sys.executable, str(ROOT / "docs" / "examples" / "agent.py"), "0"]
    with subprocess.Popen(command, env=child_environ({"AGENT_SECRET": secret}), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().split()[-1]

            # When a run needs it
            frames = run_with(url)
        finally:
            process.terminate()

    # Then it did the node, or refused it because it could not tell who asked
    if secret == SECRET:
        assert_sound(frames)
        visitor.assert_valid(frames)
        assert frames[-1]["payload"]["output"]["post_copy"].endswith("Explain why wooden boats last")
        assert own_node(frames)["payload"]["output"] == {"post_copy": frames[-1]["payload"]["output"]["post_copy"]}
    else:
        assert frames[-1]["message"] == "stream_paused"
        assert "401" in json.dumps(frames[-2]["payload"]["request"])
        visitor.cancel(frames[0]["runId"])


def test_the_call_is_as_the_protocol_says(agent: RemoteAgent, run_with: Run) -> None:
    # When a run needs the agent
    frames = run_with(agent.url)

    # Then it was called once, signed, with everything that it needs to know
    assert_sound(frames)
    (call,) = agent.calls
    node = own_node(frames)
    body = call.body
    assert set(body) == {
        *("runId", "nodeId", "attempt", "planVersion", "capabilityId", "objective", "instructions", "inputs"),
        *("outputSchema", "findings", "clarifications"),
    }
    assert (body["runId"], body["nodeId"], body["attempt"]) == (node["runId"], node["nodeId"], 1)
    assert body["inputs"]["objectiveBrief"]["objective"] == "Explain why wooden boats last"
    assert body["outputSchema"]["required"] == ["post_copy"]
    assert (body["findings"], body["clarifications"]) == ([], [])
    assert is_signed(call)
    assert call.headers["idempotency-key"] == f"{node['runId']}:{node['nodeId']}:1:0"
    assert call.headers["x-correlation-id"] == node["correlationId"]
    # And what it used up is counted
    assert node["payload"]["usage"] == {"promptTokens": 7, "completionTokens": 3, "cost": 0.0}


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_busy_agent_is_asked_again_under_the_same_key(agent: RemoteAgent, run_with: Run, status: int) -> None:
    agent.replies = [(status, {"Retry-After": "0"}, {"error": "busy"}), (200, {}, GOOD)]

    frames = run_with(agent.url)

    assert_sound(frames)
    assert len(agent.calls) == 2
    assert len({call.headers["idempotency-key"] for call in agent.calls}) == 1


def test_a_wrong_output_comes_back_with_its_findings_under_a_new_key(agent: RemoteAgent, run_with: Run) -> None:
    agent.replies = [(200, {}, {"output": {"post_copy": 7}}), (200, {}, GOOD)]

    frames = run_with(agent.url)

    assert_sound(frames)
    first, second = agent.calls
    assert [found["pointer"] for found in second.body["findings"]] == ["/post_copy"]
    assert second.body["attempt"] == 2
    assert [call.headers["idempotency-key"].rsplit(":", 1)[1] for call in (first, second)] == ["0", "1"]


@pytest.mark.parametrize(
    "reply",
    [
        (400, {}, {"error": "no"}),
        (302, {"Location": "http://127.0.0.1:1/"}, {}),
        (200, {}, b"no JSON"),
        (200, {}, {"answer": 1}),
        (200, {}, b"x" * 5_000_000),
    ],
    ids=["400", "redirect", "no JSON", "no output", "too large"],
)
def test_an_agent_that_breaks_the_rules_leads_to_a_person(
    visitor: Visitor, agent: RemoteAgent, run_with: Run, reply: tuple[int, dict[str, str], Any]
) -> None:
    agent.replies = [reply]

    frames = run_with(agent.url)

    assert [f["type"] for f in frames[-2:]] == ["hitl_request", "log"]
    assert frames[-2]["payload"]["request"]["originAgent"] == "yard.remote"
    visitor.cancel(frames[0]["runId"])


@pytest.mark.parametrize("kind", ["clarify", "approval"])
def test_an_agents_question_goes_to_a_person_and_the_answer_comes_back(
    visitor: Visitor, agent: RemoteAgent, run_with: Run, kind: str
) -> None:
    # Given an agent that asks before it writes
    question = "May we name the customer?"
    agent.replies = [(200, {}, {"hitl": {"kind": kind, "question": question, "urgency": "high"}}), (200, {}, GOOD)]

    # When a run needs it
    frames = run_with(agent.url)

    # Then its question is put to a person
    visitor.assert_valid(frames)
    request = frames[-2]["payload"]["request"]
    assert (request["payload"]["question"], request["payload"]["kind"]) == (question, kind)
    assert request["payload"]["urgency"] == "high"
    assert request["payload"]["allowFreeForm"] is True

    # When the person answers
    response = {"freeformText": "Yes, she agreed."} | ({"approved": True} if kind == "approval" else {})
    decided = visitor.post("/api/hitl/resume", {"requestId": request["id"], "responses": [response]})

    # Then the agent gets the answer, and the run goes on
    assert decided.status_code == 200, decided.text
    visitor.wait(request["runId"], "completed")
    assert agent.calls[1].body["clarifications"] == [{"question": question, "answer": "Yes, she agreed."}]
    frames = visitor.frames(request["runId"])
    assert_sound(frames)
    visitor.assert_valid(frames)


def test_an_agent_on_a_host_that_is_not_allowed_is_not_registered(visitor: Visitor) -> None:
    # Given an agent at an address that belongs to no agent, with a secret that is none
    endpoint = {"url": "http://169.254.169.254/latest/meta-data", "secret": "hunter2"}

    # When it is registered
    registration = writer_registration(capabilityId="yard.stranger", endpoint=endpoint)
    reply = visitor.post(f"{FLEX}/capabilities/register", registration)

    # Then it is refused at both places, with the remedy, and the registry knows nothing of it
    assert reply.status_code == 422
    assert pointers(reply) == {"/endpoint/url", "/endpoint/secret"}
    assert "FLEX_AGENT_HOSTS" in reply.text
    assert visitor.get(f"{FLEX}/capabilities/yard.stranger").status_code == 404


def test_the_secret_of_an_endpoint_is_never_shown(visitor: Visitor, agent: RemoteAgent, run_with: Run) -> None:
    frames = run_with(agent.url)

    shown = [
        visitor.get(f"{FLEX}/capabilities/yard.remote").text,
        visitor.get(f"{FLEX}/capabilities").text,
        visitor.get(f"{FLEX}/runs/{frames[0]['runId']}").text,
        json.dumps(frames),
    ]
    assert not [text for text in shown if SECRET in text or SECRET.removeprefix("whsec_") in text]
