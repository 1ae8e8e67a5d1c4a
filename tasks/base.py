"""What every task does around its work: the run on every log line, and its message handed back without a database."""

from __future__ import annotations

import gc
import os
import socket
import threading
import uuid
from typing import Any

import structlog
from celery import Task
from celery.signals import worker_ready, worker_shutting_down

from models.errors import DatabaseUnavailableError
from tasks.dispatch import CORRELATION, send

logger = structlog.get_logger(__name__)

WORKER = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
"""This process's name in leases; it is never used again by another process."""

stopping = threading.Event()
"""Set when the worker has been told to stop: lanes then end at the next node's boundary."""


@worker_shutting_down.connect
def _note_stop(**_: Any) -> None:
    stopping.set()


SECONDS_BETWEEN_HANDS = 1.0
"""How long a worker without a database keeps a message before it lets another try."""
MOST_HANDS = 10
"""How often a message is handed back; after that the sweep publishes the work anew."""
HANDS = "handed_back"
"""The header that counts."""


@worker_ready.connect
def _spare_what_stays(**_: Any) -> None:
    """Let the garbage collector pass over what is loaded by now: it stays as long as the process does."""
    gc.collect()
    gc.freeze()


class TaskBrokenError(RuntimeError):
    """A task asked its process to end, or ran out of memory; other tasks of the process go on."""


class FlexTask(Task):  # type: ignore[type-arg]  # the stubs make it generic, the class itself is not
    """A task whose failure is never its message's problem: leases and the sweep bring the work back.

    One that finds no database is handed back, as it came, so that seconds are lost and not a sweep's patience. With
    `comes_again` it is not: somebody knocks again anyway.
    """

    comes_again = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        context: dict[str, Any] = {name: kwargs[name] for name in ("run_id", "epoch") if name in kwargs}
        headers = self.request.headers or {}
        if correlation_id := headers.get(CORRELATION):
            context["correlation_id"] = correlation_id
        chain = self.request.chain
        with structlog.contextvars.bound_contextvars(task=self.name, **context):
            try:
                return self.run(*args, **kwargs)
            except (SystemExit, MemoryError) as error:
                # Celery would lose sight of the task: its place in the worker would stay taken, its error untold.
                raise TaskBrokenError(f"{self.name}: {error!r}") from error
            except DatabaseUnavailableError as error:
                logger.warning("database_unavailable", cause=str(error.__cause__))
                self._hand_back(chain)
                return None

    def _hand_back(self, chain: Any) -> None:
        """Publish the message once more after a moment, with the rest of its chain, which then is no longer ours."""
        request = self.request
        headers = dict(request.headers or {})
        hands = int(headers.get(HANDS, 0)) + 1
        if self.comes_again or request.called_directly or hands > MOST_HANDS:
            return
        request.headers, request.chain = {**headers, HANDS: hands}, chain
        message = self.signature_from_request(request, queue=(request.delivery_info or {}).get("routing_key"))
        request.chain = None
        stopping.wait(SECONDS_BETWEEN_HANDS)
        send(message)
