"""When a worker that has no room looks again for work."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from tasks.consumer import BatchingConsumer


@pytest.mark.parametrize(("busy", "looks"), [(3, True), (4, True), (2, False)])
def test_a_loop_looks_again_as_soon_as_a_full_worker_has_room(
    monkeypatch: pytest.MonkeyPatch, busy: int, *, looks: bool
) -> None:
    # Given a worker of four threads, so many of which are still taken when a task has ended
    called: list[Any] = []
    consumer = SimpleNamespace(hub=SimpleNamespace(call_soon=called.append), pool=SimpleNamespace(num_processes=4))
    monkeypatch.setattr(state, "reserved_requests", set(range(busy)))
    # When the end of that task is told
    BatchingConsumer.on_send_event_buffered(consumer)
    # Then its loop is called, unless it is listening anyway
    assert bool(called) == looks
