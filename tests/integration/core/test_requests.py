"""Questions to people: one answer wins, a wrong one is told where it is wrong, and an ended run asks nobody."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import AlreadyResolvedError, HitlRequestNotFoundError, InvalidRunStateError
from models.unit_of_work import open_unit
from policies.errors import InvalidInputError
from tests.support.factories import make_chain
from tests.support.loop import Loop, gives, run_together


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
