"""A worker's consumer that tells monitors of its tasks in batches.

Celery publishes the events of tasks as soon as its loop comes round, which under load is once per event, and each
costs a worker more than receiving a message does. Monitors show tasks to people: half a second later is early enough.
"""

from __future__ import annotations

from typing import Any

from celery.worker.consumer import Consumer

SECONDS_BETWEEN_BATCHES = 0.5


class BatchingConsumer(Consumer):
    """Celery's consumer, whose events leave twice a second, when there are many of them, and at the end."""

    hub: Any
    event_dispatcher: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.hub is not None:
            self.hub.call_repeatedly(SECONDS_BETWEEN_BATCHES, self.flush)

    def on_send_event_buffered(self) -> Any:
        """Leave an event where it is until the next batch."""

    def flush(self) -> None:
        """Send the events that have gathered; while the broker is away they stay where they are."""
        if self.event_dispatcher is not None:
            self.event_dispatcher.flush()

    def shutdown(self) -> None:
        """Send what is left, and end."""
        self.flush()
        super().shutdown()
