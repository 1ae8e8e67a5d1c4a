"""A message whose task found no database is handed back as it came, a bounded number of times."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from celery.worker.request import Request
from kombu import Connection
from kombu.transport.virtual import Message

import tasks.runs
import tasks.sweep  # noqa: F401 - as above
from planner.plan.lanes import Lane
from tasks import dispatch
from tasks.base import HANDS, MOST_HANDS, stopping
from tasks.celery_app import celery
from tests.support.lines import captured
from tests.support.web import forget_process
from tests.unit.tasks.test_dispatch import BODY_LIMIT, RUN, body_of
from tests.unit.tasks.test_dispatch import lane_nodes as lane_nodes
from tests.unit.tasks.test_dispatch import sent as sent

Sent = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A worker without a database, which is told to stop and so does not pause."""
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg2://nobody@/none?host=/nowhere")
    forget_process()
    stopping.set()
    yield
    stopping.clear()
    forget_process()


def deliver(message: dict[str, Any]) -> None:
    """Let a worker have the message, as it comes out of the broker."""
    message["properties"]["delivery_tag"] = "1"
    with Connection("memory://") as connection:
        received = Message(message, channel=connection.channel())
        Request(received, app=celery, on_ack=lambda *_: None, decoded=False).execute()


def told(message: dict[str, Any]) -> dict[str, Any]:
    """Return what a message says, but for how often it was handed back and by which task it was published."""
    headers = {name: value for name, value in message["headers"].items() if name not in {HANDS, "parent_id"}}
    return {"body": json.loads(body_of(message)), "headers": headers, "to": message["properties"]["delivery_info"]}


def test_a_lane_comes_back_with_its_chain_and_chord_and_its_next_link_is_not_published(
    sent: Sent, lane_nodes: Any
) -> None:
    """Seen to fail without `request.chain = None` (the next link too), and with the chain of `request` (it is lost)."""
    # Given two lanes of two links each
    lane_nodes(1)
    dispatch.walk_lanes(RUN, 1, [Lane(("a", "b")), Lane(("c", "d"))], correlation_id="c-1")
    first, _ = list(sent)
    sent.clear()
    # When a worker without a database has the first
    before = told(first)
    deliver(first)
    # Then that message is all that is published, as it was
    (again,) = sent
    assert before["body"][2]["chain"]
    assert told(again) == before
    assert again["headers"][HANDS] == 1
    assert len(body_of(again)) < BODY_LIMIT


@pytest.mark.parametrize("name", ["plan_run", "advance_run", "cancel_run"])
def test_every_message_of_a_run_comes_back(sent: Sent, name: str) -> None:
    ids = {"plan_run": (RUN, 1)}.get(name, (RUN,))
    getattr(dispatch, name)(*ids, correlation_id="c-1")
    before = told(sent[0])
    for number in range(1, MOST_HANDS + 1):
        message = sent.pop()
        deliver(message)
        assert told(sent[0]) == before
        assert sent[0]["headers"][HANDS] == number
    # Until somebody else sees to it
    deliver(sent.pop())
    assert sent == []


def test_every_line_of_a_task_names_the_request_that_it_came_of(sent: Sent) -> None:
    """Seen to fail with the header named `correlation_id`, which Celery keeps for itself."""
    dispatch.advance_run(RUN, correlation_id="c-1")
    with captured() as lines:
        deliver(sent.pop())
    (line,) = lines.named("database_unavailable")
    assert (line["correlation_id"], line["run_id"], line["task"]) == ("c-1", RUN, "tasks.advance_run")


def test_what_is_knocked_again_does_not_come_back(sent: Sent) -> None:
    dispatch.canary("canary-1", "bulk")
    celery.tasks["tasks.sweep"].apply_async()
    for message in (sent.pop(), sent.pop()):
        deliver(message)
    assert sent == []
