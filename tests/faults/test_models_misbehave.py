"""A model's server that refuses, hangs, breaks off, or talks nonsense: the run goes on, is paid for once, and ends.

What one call does is tested in tests/integration/agents/test_llm.py; this is what a run makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import tasks.nodes
from models.settings import Settings
from planner.contracts.capabilities import Capability
from planner.plan.graph import NodeContract
from tasks.agents.llm import LlmAgent
from tests.support import fake_openai as fake
from tests.support.bundles import settings_for
from tests.support.factories import make_chain, make_node, make_plan
from tests.support.fake_openai import FakeOpenAI, Step
from tests.support.invariants import assert_sound
from tests.support.loop import Loop


@pytest.fixture
def model(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOpenAI]:
    """The server that every agent of the loop asks."""
    with FakeOpenAI() as server:
        settings = settings_for(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=server.base_url)

        def agent_for(_capability: Capability, _settings: Settings) -> LlmAgent:
            return LlmAgent(settings)

        monkeypatch.setattr(tasks.nodes, "agent_for", agent_for)
        yield server


def lone(seconds: float = 20.0) -> Any:
    return make_plan([make_node("a", makes=["a_text"], timeout_seconds=seconds)], output=["a_text"])


USED = {"promptTokens": 120, "completionTokens": 80}
FAILURES = {"node_error", "node_retry"}


@pytest.mark.parametrize(
    "bad",
    [fake.rate_limited(0.1), fake.SERVER_ERROR, fake.DROP, fake.DROP_MIDWAY],
    ids=["429", "500", "dropped", "dropped midway"],
)
def test_a_passing_failure_costs_no_attempt_and_is_paid_for_once(loop: Loop, model: FakeOpenAI, bad: Step) -> None:
    """Seen to fail with MAX_TRIES at 1: the node is retried, with an event of its own."""
    # Given a server that fails once, then answers
    model.play(bad, fake.OK)
    run_id = loop.install(lone())
    # When the run asks it
    assert loop.settle(run_id).status == "completed"
    # Then the attempt was the first, and what the answer used is booked once
    assert loop.told(run_id, "node_retry") == []
    used = loop.run(run_id).usage
    assert {key: used[key] for key in USED} == USED
    assert_sound(loop.frames(run_id))


def test_a_long_retry_after_is_waited_for_by_the_run_and_not_by_a_worker(loop: Loop, model: FakeOpenAI) -> None:
    """Seen to fail with `retry_after` taken out of `_delay`: the node comes back after a second."""
    # Given a server that asks to be left alone for a minute
    model.play(fake.rate_limited(60), fake.OK)
    run_id = loop.install(lone())
    loop.drain()
    # Then nobody holds the node, and it comes back after that minute
    assert loop.nodes(run_id)["a"]["status"] == "retrying"
    loop.pass_time(50)
    loop.sweep()
    loop.drain()
    assert len(model.requests) == 1
    assert loop.settle(run_id).status == "completed"
    assert len(model.requests) == 2


@pytest.mark.parametrize("step", [fake.HANG, fake.DRIP], ids=["hangs", "drips"])
def test_a_server_that_hangs_is_cut_at_the_deadline(loop: Loop, model: FakeOpenAI, step: Step) -> None:
    """Seen to fail with the wire's deadline taken out of `tasks.agents.wire`: the answer that drips is waited for."""
    model.play(step)
    run_id = loop.install(lone(0.6))
    run = loop.settle(run_id)
    # Then every attempt timed out, and a person is asked
    assert {f["payload"]["reason"] for f in loop.told(run_id, "node_retry")} == {"timeout"}
    assert run.status == "awaiting_hitl"


def test_a_reply_that_is_too_large_is_cut_and_told(loop: Loop, model: FakeOpenAI) -> None:
    """Seen to fail with the cap taken out of `tasks.agents.wire`: six megabytes are read to their end."""
    model.play(fake.HUGE)
    run_id = loop.install(lone())
    assert loop.settle(run_id).status == "awaiting_hitl"
    assert "larger" in str(loop.nodes(run_id)["a"]["error"])


def test_nonsense_is_repaired_with_its_findings_and_then_put_to_a_person(loop: Loop, model: FakeOpenAI) -> None:
    """Seen to fail with `max_attempts` of the contract ignored in `after_failure`: the model is asked for ever."""
    # Given a model that never says JSON
    model.play(fake.INVALID_JSON)
    run_id = loop.install(make_chain("a"))
    run = loop.settle(run_id)
    # Then it was asked as often as the contract allows, told what was wrong, and paid for; then a person is asked
    assert run.status == "awaiting_hitl"
    asked = len(model.requests)
    assert 1 < asked <= 4
    assert run.usage["promptTokens"] == asked * USED["promptTokens"]
    assert all("JSON" in request.user for request in model.requests[1:])


@pytest.mark.parametrize(("tries", "end"), [(4, "completed"), (1, "failed")])
def test_what_a_failed_attempt_used_is_told_and_booked_once(
    loop: Loop, model: FakeOpenAI, tries: int, end: str
) -> None:
    """Seen to fail with `usage` left out of the frames of a failure (the run has used more than was told), and with
    `_spent` left out of `try_again` and `leave` (less): both by I6 after the test too.
    """
    # Given a model whose first answer is no JSON, and a node that may or may not ask again
    model.play(fake.INVALID_JSON, fake.OK)
    node = make_node("a", makes=["a_text"], contract=NodeContract(tries, "abort"))
    run_id = loop.install(make_plan([node], output=["a_text"]))
    # When the run has ended
    run = loop.settle(run_id)
    assert run.status == end
    # Then each attempt's frame tells what that attempt used, and the run has used their sum
    told = [frame["payload"] for frame in loop.frames(run_id) if frame["type"] in {"node_complete", *FAILURES}]
    assert len(told) == len(model.requests) == (2 if end == "completed" else 1)
    for name, each in USED.items():
        assert [payload["usage"][name] for payload in told] == [each] * len(told)
        assert run.usage[name] == each * len(told)
    assert loop.frames(run_id)[-1]["payload"]["usage"] == run.usage
