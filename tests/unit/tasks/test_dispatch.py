"""From lanes to Celery's canvas: chain for long lanes, chord for several, ids only, and small whatever the plan."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from celery._state import _task_stack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kombu import Connection, pools
from kombu.exceptions import OperationalError
from kombu.transport.memory import Channel

import tasks.runs  # noqa: F401 - so that Celery knows its tasks
from models.settings import get_settings
from planner.plan.lanes import Lane
from tasks import dispatch
from tasks.celery_app import celery
from tasks.chord_backend import PlanCountedBackend

RUN = "flex_" + "a" * 32
BODY_LIMIT = 2048


def tasks_of(canvas: Any) -> list[str]:
    return [task["task"] for task in getattr(canvas, "tasks", [canvas])]


def ids_of(canvas: Any) -> list[list[str]]:
    return [task.kwargs["node_ids"] for task in getattr(canvas, "tasks", [canvas])]


@pytest.fixture
def lane_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A switch for FLEX_LANE_NODES."""

    def switch(number: int) -> None:
        monkeypatch.setenv("FLEX_LANE_NODES", str(number))
        get_settings.cache_clear()

    yield switch
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is put into a broker in memory, message by message, whatever broker an earlier test has made known."""
    monkeypatch.setitem(celery.__dict__, "producer_pool", pools.producers[Connection("memory://")])
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(dispatch._Rest, "until", 0.0)
    monkeypatch.setattr(Channel, "_put", lambda _channel, _queue, message, **_: messages.append(message))
    return messages


def body_of(message: dict[str, Any]) -> str:
    return str(Channel.codecs["base64"].decode(message["body"]), "utf-8")


def without_names(messages: list[dict[str, Any]]) -> str:
    """Return messages as they travel, their bodies read, with every identifier told by the order in which it comes."""
    numbers: dict[str, str] = {}
    read = json.dumps([{**message, "body": json.loads(body_of(message))} for message in messages])
    return re.sub(
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", lambda id_: numbers.setdefault(id_[0], f"#{len(numbers)}"), read
    )


def test_one_lane_is_one_task_that_names_its_nodes() -> None:
    canvas: Any = dispatch.canvas_of(RUN, 3, [Lane(("a", "b"))], correlation_id="c-1")
    assert canvas["task"] == "tasks.walk_lane"
    assert canvas.kwargs == {"run_id": RUN, "epoch": 3, "node_ids": ["a", "b"]}
    assert canvas.options["queue"] == "nodes"
    assert canvas.options["headers"] == {dispatch.CORRELATION: "c-1"}
    assert canvas.immutable


def test_a_task_that_breaks_reaches_its_own_error_task() -> None:
    canvas: Any = dispatch.canvas_of(RUN, 1, [Lane(("a",)), Lane(("b",))])
    for task in canvas.tasks:
        assert [error["task"] for error in task.options["link_error"]] == ["tasks.lane_failed"]


def test_several_lanes_are_one_chord_whose_body_looks_at_the_run() -> None:
    canvas: Any = dispatch.canvas_of(RUN, 1, [Lane(("a",)), Lane(("b",)), Lane(("c",))])
    assert canvas["task"] == "celery.chord"
    assert ids_of(canvas) == [["a"], ["b"], ["c"]]
    assert canvas.body["task"] == "tasks.advance_run"
    assert canvas.body.kwargs == {"run_id": RUN}


def test_a_lane_longer_than_the_limit_goes_on_as_the_next_link_of_a_chain(lane_nodes: Any) -> None:
    lane_nodes(2)
    canvas: Any = dispatch.canvas_of(RUN, 1, [Lane(("a", "b", "c"))])
    assert canvas["task"] == "celery.chain"
    assert ids_of(canvas) == [["a", "b"], ["c"]]


def test_with_one_node_per_lane_every_node_is_a_task_of_its_own(lane_nodes: Any) -> None:
    lane_nodes(1)
    assert ids_of(dispatch.canvas_of(RUN, 1, [Lane(("a", "b"))])) == [["a"], ["b"]]
    assert ids_of(dispatch.canvas_of(RUN, 1, [Lane(("a",))])) == [["a"]]


def test_a_chain_holds_two_links_and_leaves_the_rest_to_the_run(lane_nodes: Any) -> None:
    lane_nodes(2)
    assert ids_of(dispatch.canvas_of(RUN, 1, [Lane(tuple("abcdefg"))])) == [["a", "b"], ["c", "d"]]


def test_long_ids_make_short_links() -> None:
    names = tuple(f"{'x' * 99}~{number}" for number in range(4))
    assert ids_of(dispatch.canvas_of(RUN, 1, [Lane(names)])) == [list(names[:2]), list(names[2:])]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 80), st.integers(1, 4), st.integers(1, 120))
def test_a_message_stays_small_whatever_the_plan(
    sent: list[dict[str, Any]], nodes: int, lanes: int, length: int
) -> None:
    # Given lanes of many nodes with long names
    cut = [Lane(tuple(f"{'n' * length}~{chr(97 + b)}-{i}" for i in range(nodes))) for b in range(lanes)]
    sent.clear()
    # When they are published
    dispatch.walk_lanes(RUN, 1, cut, correlation_id="c" * 36)
    # Then there is a message per lane, and what it carries is small
    assert len(sent) == lanes
    assert max(len(body_of(message)) for message in sent) < BODY_LIMIT


def test_a_message_carries_ids_and_nothing_else(sent: list[dict[str, Any]]) -> None:
    dispatch.plan_run(RUN, 1, correlation_id="c-1")
    dispatch.advance_run(RUN)
    dispatch.cancel_run(RUN)
    dispatch.canary("canary-1", "bulk")
    dispatch.walk_lanes(RUN, 2, [Lane(("a",))])
    told = [json.loads(body_of(message))[1] for message in sent]
    assert told == [
        {"run_id": RUN, "epoch": 1},
        {"run_id": RUN},
        {"run_id": RUN},
        {"canary_id": "canary-1"},
        {"run_id": RUN, "epoch": 2, "node_ids": ["a"]},
    ]
    queues = [message["properties"]["delivery_info"]["routing_key"] for message in sent]
    assert queues == ["nodes", "nodes", "control", "bulk", "nodes"]
    assert sent[0]["headers"][dispatch.CORRELATION] == "c-1"


def test_flower_sees_the_node_ids_of_a_task(sent: list[dict[str, Any]]) -> None:
    dispatch.walk_lanes(RUN, 1, [Lane(("linkedinVariants~a", "contentReview~a"))])
    assert "linkedinVariants~a" in sent[0]["headers"]["kwargsrepr"]
    assert RUN in sent[0]["headers"]["kwargsrepr"]


def test_publishing_that_fails_raises_nothing_and_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a broker that is away
    tried: list[str] = []

    def refuse(_channel: Channel, queue: str, _message: Any, **_: Any) -> None:
        tried.append(queue)
        raise OperationalError("away")

    monkeypatch.setattr(dispatch._Rest, "until", 0.0)
    monkeypatch.setattr(Channel, "_put", refuse)
    # When work is published again and again
    for _ in range(5):
        dispatch.advance_run(RUN)
    # Then nothing is raised, and only the first tried to reach it
    assert tried == ["nodes"]


def test_the_app_counts_chords_in_the_plan_and_names_the_tasks_that_are_sent() -> None:
    assert isinstance(celery.backend, PlanCountedBackend)
    assert celery.conf.task_acks_late is False
    assert celery.conf.worker_disable_prefetch is True
    assert celery.conf.accept_content == ["json"]
    for entry in celery.conf.beat_schedule.values():
        assert entry["options"]["expires"] == entry["schedule"]


def test_a_lane_beside_one_that_the_sender_walks_itself_is_a_chord_still(sent: list[dict[str, Any]]) -> None:
    # Given two branches, of which the sender keeps one
    # When it publishes the other
    dispatch.walk_lanes(RUN, 1, [Lane(("linkedinVariants~b", "contentReview~b"))], kept=True)

    # Then one message leaves, as the header of a chord whose body is the look at the run
    [message] = sent
    embedded = json.loads(body_of(message))[2]
    assert embedded["chord"]["task"] == "tasks.advance_run"
    assert embedded["chord"]["kwargs"] == {"run_id": RUN}
    assert len(body_of(message)) < BODY_LIMIT


@pytest.fixture(params=["a client", "a worker's task"])
def publisher(request: pytest.FixtureRequest) -> Iterator[None]:
    """Who publishes: somebody outside, or a task that a worker is at, which Celery then names as the parent."""
    if request.param == "a client":
        yield
        return
    task = celery.tasks["tasks.advance_run"]
    _task_stack.push(task)
    task.push_request(id=str(uuid4()), root_id=str(uuid4()), called_directly=False)
    yield
    task.pop_request()
    _task_stack.pop()


@pytest.mark.parametrize(
    "lanes", [[Lane(("a",))], [Lane(("a", "b")), Lane(("c",))], [Lane(("a", "b", "c")), Lane(("d",))]], ids=len
)
@pytest.mark.usefixtures("publisher")
def test_what_is_published_is_what_celery_would_publish(
    sent: list[dict[str, Any]], lane_nodes: Any, lanes: list[Lane]
) -> None:
    """The canvas is published by a shorter way than Celery's; a worker of Celery must not see a difference."""
    # Given the canvas of some lanes, one of them a chain, and the same as Celery reads it from a message
    lane_nodes(2)
    ours = dispatch.canvas_of(RUN, 1, lanes, correlation_id="c-1")
    of_celery = celery.signature(json.loads(json.dumps(ours)))
    assert type(of_celery).__module__ == "celery.canvas"

    # When both are published
    ours.apply_async()
    published = without_names(sent)
    sent.clear()
    of_celery.apply_async()

    # Then the messages are the same
    assert published == without_names(sent)
