"""Questions to people: one answer wins, a wrong one is told where it is wrong, and an ended run asks nobody."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import AlreadyResolvedError, HitlRequestNotFoundError, InvalidRunStateError
from models.settings import get_settings
from models.unit_of_work import open_unit
from policies.errors import InvalidInputError
from tasks.agents.base import AgentResult, HitlAsk
from tests.support.factories import make_chain, make_diamond
from tests.support.loop import Loop, Step, gives, run_together


@pytest.fixture
def run_id(loop: Loop) -> str:
    """A run that waits for a person's output for its node `a`."""
    loop.agents.on("a", gives(), gives())
    found = loop.install(make_chain("a", "b"))
    assert loop.settle(found).status == "awaiting_hitl"
    return found


@pytest.fixture
def request_id(loop: Loop, run_id: str) -> str:
    (request,) = loop.requests(run_id)
    return str(request["id"])


def asks(question: str) -> Step:
    return lambda _bundle, _cancel: AgentResult({}, hitl=HitlAsk("clarify", question))


def resolve(request_id: str, *responses: dict[str, Any], operator: str = "op-1", **more: Any) -> dict[str, Any]:
    with open_unit() as unit:
        return unit.hitl.resolve(request_id, list(responses), operator={"id": operator}, **more)


def test_of_twenty_answers_at_once_one_wins_and_the_others_learn_whose(
    loop: Loop, run_id: str, request_id: str
) -> None:
    # Given twenty people who answer differently at the same moment
    outputs = [{"a_text": f"answer {number}"} for number in range(20)]
    results = run_together(20, lambda n: resolve(request_id, {"output": outputs[n]}, operator=f"op-{n}"))
    # Then one answer is taken
    (winner,) = [number for number, result in enumerate(results) if isinstance(result, dict)]
    # And nineteen are refused and told who won, and with what
    late = [result for result in results if isinstance(result, AlreadyResolvedError)]
    assert len(late) == 19
    for error in late:
        assert error.data["resolvedBy"] == f"op-{winner}"
        assert error.data["status"] == "resolved"
        assert [response["output"] for response in error.data["responses"]] == [outputs[winner]]
        assert error.data["resolvedAt"]
    # And it is told and applied once
    loop.settle(run_id)
    assert len(loop.told(run_id, "hitl_resolved")) == 1
    assert loop.nodes(run_id)["a"]["output"] == outputs[winner]


def test_an_output_that_does_not_fit_is_refused_with_every_pointer_and_nothing_is_stored(
    loop: Loop, run_id: str, request_id: str
) -> None:
    before = loop.frames(run_id)
    with pytest.raises(InvalidInputError) as caught:
        resolve(request_id, {"output": {"a_text": "x"}}, {"output": {}})
    assert [p.pointer for p in caught.value.problems] == ["/responses/0/output/a_text", "/responses/1/output/a_text"]
    assert loop.frames(run_id) == before
    assert [request["id"] for request in loop.requests(run_id)] == [request_id]


def test_a_reply_tells_what_was_decided(run_id: str, request_id: str) -> None:
    reply = resolve(request_id, {"output": {"a_text": "by hand"}}, run_id=run_id, note="done")
    assert (reply["ok"], reply["runId"], reply["decision"]) == (
        True,
        run_id,
        {"kind": "approval", "requestId": request_id},
    )
    assert reply["requests"][0]["status"] == "resolved"
    assert reply["responses"][0]["responseType"] == "approval"


def test_a_request_of_another_run_is_not_found(request_id: str) -> None:
    with pytest.raises(HitlRequestNotFoundError):
        resolve(request_id, {"approved": False}, run_id="flex_other")
    with pytest.raises(HitlRequestNotFoundError):
        resolve("hitl_unknown", {"approved": False})


def test_open_requests_are_listed_with_their_runs_until_they_are_answered(run_id: str, request_id: str) -> None:
    with open_unit() as unit:
        (pending,) = unit.hitl.pending()
    assert (pending["runId"], pending["pendingRequestId"], pending["status"]) == (run_id, request_id, "awaiting_hitl")
    assert pending["pendingRequest"]["pendingNodeId"] == "a"
    resolve(request_id, {"approved": False})
    with open_unit() as unit:
        assert unit.hitl.pending() == []


def test_a_run_that_ends_closes_its_requests(loop: Loop, run_id: str, request_id: str) -> None:
    # When the run is cancelled
    loop.cancel(run_id)
    # Then an answer that comes before it has ended is refused
    with pytest.raises(InvalidRunStateError):
        resolve(request_id, {"output": {"a_text": "by hand"}})
    # And one that comes after finds the request closed
    loop.drain()
    with pytest.raises(AlreadyResolvedError) as caught:
        resolve(request_id, {"output": {"a_text": "by hand"}})
    assert caught.value.data["status"] == "cancelled"
    assert loop.requests(run_id) == []
    assert loop.frames(run_id)[-1]["type"] == "complete"


def test_an_answer_and_a_cancel_at_once_leave_one_course(loop: Loop, run_id: str, request_id: str) -> None:
    def act(number: int) -> Any:
        return loop.cancel(run_id) if number else resolve(request_id, {"output": {"a_text": "by hand"}})

    run_together(2, act)
    assert loop.settle(run_id).status == "cancelled"
    types = [frame["type"] for frame in loop.frames(run_id)]
    assert types.count("complete") == 1
    assert types[-1] == "complete"


BRANCHES = tuple("abcde")


@pytest.fixture
def crowded(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run of whose five branches each needs a person, and which may have two open requests."""
    monkeypatch.setenv("HITL_MAX_REQUESTS", "2")
    get_settings.cache_clear()
    for branch in BRANCHES:
        loop.agents.on(branch, gives(), gives())
    found = loop.install(make_diamond(BRANCHES))
    assert loop.settle(found).status == "awaiting_hitl"
    return found


def test_no_more_requests_are_open_than_may_be_and_the_others_take_their_turn(loop: Loop, crowded: str) -> None:
    """Seen to fail with `waits = False` in `ask`: five are open at once."""
    answered: list[str] = []
    while open_requests := loop.requests(crowded):
        # Then never more than two are put to people, and each has been told of
        assert len(open_requests) == min(2, len(BRANCHES) - len(answered))
        told = [f["payload"]["request"]["id"] for f in loop.told(crowded, "hitl_request")]
        assert told == [*answered, *(request["id"] for request in open_requests)]
        # And when one is answered, the next takes its place
        first = open_requests[0]
        resolve(first["id"], {"output": {f"{first['pendingNodeId']}_text": "by hand"}})
        answered.append(first["id"])
        loop.settle(crowded)
    # And all were asked once, whereupon the run completes
    assert len(answered) == len(set(answered)) == len(BRANCHES)
    assert loop.run(crowded).status == "completed"


def test_a_request_that_waits_for_its_turn_cannot_be_answered_and_ends_with_its_run(loop: Loop, crowded: str) -> None:
    with open_unit() as unit:
        waiting = [request["id"] for request in unit.hitl.of_run(crowded) if request["status"] == "waiting"]
        assert len(waiting) == 3
        assert len(unit.hitl.pending()) == 2
    for request_id in waiting:
        with pytest.raises(HitlRequestNotFoundError):
            resolve(request_id, {"output": {"c_text": "by hand"}})
    loop.cancel(crowded)
    assert loop.settle(crowded).status == "cancelled"
    with open_unit() as unit:
        assert {request["status"] for request in unit.hitl.of_run(crowded)} == {"cancelled"}


def test_an_agent_that_asks_again_gets_no_old_answer_while_it_waits_for_its_turn(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen to fail with requests that wait left out of `open_states`: the first answer is taken for the second."""
    # Given two branches whose agents ask a person, one of them twice, and room for one request
    monkeypatch.setenv("HITL_MAX_REQUESTS", "1")
    get_settings.cache_clear()
    loop.agents.on("left", asks("Which tone?"), asks("Which length?"))
    loop.agents.on("right", asks("Which tone?"))
    run_id = loop.install(make_diamond())
    loop.settle(run_id)
    # When each request is answered as it comes
    asked = []
    while open_requests := loop.requests(run_id):
        (request,) = open_requests
        asked.append((request["pendingNodeId"], request["operatorPrompt"]))
        resolve(request["id"], {"freeform": f"answer {len(asked)}"})
        loop.settle(run_id)
    # Then every question was put once, and each agent ran once more for each of its answers
    assert sorted(asked) == [("left", "Which length?"), ("left", "Which tone?"), ("right", "Which tone?")]
    assert [len(bundle.clarifications) for bundle in loop.agents.attempts("left")] == [0, 1, 2]
    assert loop.run(run_id).status == "completed"
