"""A worker's consumer that fetches work as soon as there is room for it, and tells monitors of its tasks in batches.

A worker that does not prefetch stops listening when all its threads are busy, and Celery lets it listen again when its
loop comes round for another reason, up to a second later: with short tasks it would idle most of the time.

Celery publishes the events of tasks as soon as its loop comes round, which under load is once per event, and each
costs a worker more than receiving a message does. Monitors show tasks to people: half a second later is early enough.
"""

from __future__ import annotations

from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer

SECONDS_BETWEEN_BATCHES = 0.5


def _look_again() -> None:
    """Do nothing: a loop that is called comes round, and sees for itself what there is room for."""


class BatchingConsumer(Consumer):
    """Celery's consumer, whose events leave twice a second, when there are many of them, and at the end."""

    hub: Any
    pool: Any
    event_dispatcher: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.hub is not None:
            self.hub.call_repeatedly(SECONDS_BETWEEN_BATCHES, self.flush)

    def on_send_event_buffered(self) -> Any:
        """Leave an event where it is until the next batch; if it says that a task has ended, there may be room again.

        Celery tells the event of a task's end just after it has given up the task's place, from the thread that ran it.
        """
        if self.hub is not None and len(state.reserved_requests) >= self.pool.num_processes - 1:
            self.hub.call_soon(_look_again)

    def flush(self) -> None:
        """Send the events that have gathered; while the broker is away they stay where they are."""
        if self.event_dispatcher is not None:
            self.event_dispatcher.flush()

    def shutdown(self) -> None:
        """Send what is left, and end."""
        self.flush()
        super().shutdown()
