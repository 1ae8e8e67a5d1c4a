"""How monitors are told of tasks: in batches, since each message costs a worker more than receiving a task does."""

from __future__ import annotations

from typing import Any

from celery.app.events import Events
from celery.events import EventDispatcher

MOST_IN_A_BATCH = 1000
"""At how many events a batch leaves before its time, see `BatchingConsumer`."""


class BatchingDispatcher(EventDispatcher):
    """Celery's dispatcher, which lets more events gather than Celery's two dozen."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"buffer_limit": MOST_IN_A_BATCH, **kwargs})


class BatchingEvents(Events):
    """What the application knows of events, with this dispatcher."""

    dispatcher_cls = "tasks.monitoring:BatchingDispatcher"
