"""A worker's consumer that fetches work as soon as there is room for it, and tells monitors of its tasks in batches.

A worker that does not prefetch stops listening when all its threads are busy, and Celery lets it listen again when its
loop comes round for another reason, up to a second later: with short tasks it would idle most of the time. So what
makes room in a full worker wakes its loop, and nothing else does: to come round costs as much as to tell an event.

Celery publishes the events of tasks as soon as its loop comes round, which under load is once per event, and each
costs a worker more than receiving a message does. Monitors show tasks to people: half a second later is early enough.
"""

from __future__ import annotations

from typing import Any

from celery.worker import state
from celery.worker.consumer import Consumer

SECONDS_BETWEEN_BATCHES = 0.5


class BatchingConsumer(Consumer):
    """Celery's consumer, whose events leave twice a second, when there are many of them, and at the end."""

    hub: Any
    pool: Any
    on_task_message: Any
    event_dispatcher: Any
    full = False
    """Whether there was no room when the loop looked last; only the loop changes this, so that no look is lost."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_task_message.add(self.look_for_room)
        if self.hub is not None:
            self.hub.call_repeatedly(SECONDS_BETWEEN_BATCHES, self.flush)

    def has_room(self) -> bool:
        """Say whether a thread is free, as Celery asks before it listens."""
        return len(state.reserved_requests) < int(self.pool.num_processes)

    def look_for_room(self, *_: Any) -> None:
        """Note, in the loop, whether there is room: after each message, and when the loop has been woken."""
        self.full = not self.has_room()

    def on_send_event_buffered(self) -> Any:
        """Leave an event where it is until the next batch; if it says that a task has ended, there is room again.

        Celery tells the event of a task's end just after it has given up the task's place, from the thread that ran it.
        """
        if self.full and self.has_room():
            self.hub.call_soon(self.look_for_room)

    def call_soon_ack(self, *_: Any, **__: Any) -> None:
        """Acknowledge nothing: a message is gone once it is read, and kombu would keep a note of each for ever."""

    def flush(self) -> None:
        """Send the events that have gathered; while the broker is away they stay where they are."""
        if self.event_dispatcher is not None:
            self.event_dispatcher.flush()

    def shutdown(self) -> None:
        """Send what is left, and end."""
        self.flush()
        super().shutdown()
