"""When a worker that has no room looks again for work, and what it keeps of a message that it has read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state
from kombu import Connection, Consumer, Queue

from tasks.consumer import BatchingConsumer

THREADS = 4


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> BatchingConsumer:
    """The consumer of a worker of four threads, all of them idle, whose loop notes by whom it is called."""
    monkeypatch.setattr(state, "reserved_requests", set())
    made = BatchingConsumer.__new__(BatchingConsumer)
    made.hub = SimpleNamespace(called=[])
    made.hub.call_soon = made.hub.called.append
    made.pool = SimpleNamespace(num_processes=THREADS)
    return made


def take(consumer: BatchingConsumer) -> None:
    """Let the worker take a task, as its loop does, and tell so."""
    state.reserved_requests.add(object())
    consumer.look_for_room()
    consumer.on_send_event_buffered()


def test_a_loop_looks_again_as_soon_as_a_full_worker_has_room(consumer: BatchingConsumer) -> None:
    # Given a worker that has taken as many tasks as it has threads, and told of their beginnings
    for _ in range(THREADS):
        take(consumer)
        consumer.on_send_event_buffered()
    assert consumer.hub.called == []

    # When one has ended
    state.reserved_requests.pop()
    consumer.on_send_event_buffered()

    # Then its loop is called, finds room, and is called no more
    [look] = consumer.hub.called
    look()
    state.reserved_requests.pop()
    consumer.on_send_event_buffered()
    assert consumer.hub.called == [look]


@pytest.mark.parametrize("ended", range(1, THREADS + 1))
def test_a_loop_looks_again_however_many_tasks_end_at_once(consumer: BatchingConsumer, ended: int) -> None:
    """Seen to fail when a worker counted as full with at most one free thread: it then idled for up to a second."""
    # Given a full worker
    for _ in range(THREADS):
        take(consumer)

    # When tasks have given up their places before any of them tells so
    for _ in range(ended):
        state.reserved_requests.pop()
    consumer.on_send_event_buffered()

    # Then its loop is called
    assert consumer.hub.called


def test_a_place_that_was_taken_again_leaves_the_worker_full(consumer: BatchingConsumer) -> None:
    # Given a full worker, one of whose tasks has ended
    for _ in range(THREADS):
        take(consumer)
    state.reserved_requests.pop()
    consumer.on_send_event_buffered()

    # When its loop had found the room already, before it was called
    take(consumer)
    look = consumer.hub.called.pop()
    look()

    # Then the next end calls it again
    state.reserved_requests.pop()
    consumer.on_send_event_buffered()
    assert consumer.hub.called


def test_a_message_that_is_read_leaves_no_note_in_its_channel(consumer: BatchingConsumer) -> None:
    """Celery acknowledges it still, and kombu would keep its tag for as long as the worker lives."""
    # Given a message of a queue that needs no acknowledgement
    with Connection("memory://") as connection:
        channel = connection.channel()
        queue = Queue("read", no_ack=True)
        read: list[Any] = []
        with Consumer(channel, [queue], on_message=read.append, accept=["json"]):
            connection.Producer().publish({}, routing_key="read", declare=[queue(channel)])
            connection.drain_events(timeout=1)

        # When Celery has it acknowledged, and the loop has done what it was called for
        consumer.call_soon_ack(read[0].ack_log_error, None, ())
        for call in consumer.hub.called:
            call()

        # Then nothing is left of it
        assert not channel.qos._delivered
        assert not channel.qos._dirty
