"""What every task does around its work: the run on every log line, and a quiet end when the database is away."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from typing import Any

import structlog
from celery import Task
from celery.signals import worker_shutting_down

from models.errors import DatabaseUnavailableError

logger = structlog.get_logger(__name__)

WORKER = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
"""This process's name in leases; it is never used again by another process."""

stopping = threading.Event()
"""Set when the worker has been told to stop: lanes then end at the next node's boundary."""


@worker_shutting_down.connect
def _note_stop(**_: Any) -> None:
    stopping.set()


class TaskBrokenError(RuntimeError):
    """A task asked its process to end, or ran out of memory; other tasks of the process go on."""


class FlexTask(Task):  # type: ignore[type-arg]  # the stubs make it generic, the class itself is not
    """A task whose failure is never its message's problem: leases and the sweep bring the work back."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context: dict[str, Any] = {name: kwargs[name] for name in ("run_id", "epoch") if name in kwargs}
        headers = self.request.headers or {}
        if correlation_id := headers.get("correlation_id"):
            context["correlation_id"] = correlation_id
        with structlog.contextvars.bound_contextvars(task=self.name, **context):
            try:
                return self.run(*args, **kwargs)
            except (SystemExit, MemoryError) as error:
                # Celery would lose sight of the task: its place in the worker would stay taken, its error untold.
                raise TaskBrokenError(f"{self.name}: {error!r}") from error
            except DatabaseUnavailableError as error:
                logger.warning("database_unavailable", cause=str(error.__cause__))
                return None
