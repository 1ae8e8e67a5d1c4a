"""The Celery application: how messages travel, and what a message may do to a worker.

Messages are hints. They are acknowledged early and not prefetched, so that nothing is ever unacknowledged: a worker
that dies leaves no message behind that somebody would deliver again an hour later, and one whose Redis goes away stays
alive. Leases and the sweep bring work back in seconds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from celery.signals import setup_logging
from kombu import Exchange, Queue, pools

from models.settings import broker_url, get_settings
from models.telemetry import configure_logging
from tasks.monitoring import BatchingEvents
from tasks.transport import keeping_its_client

PUBLISH_SECONDS = 1.0
"""How long publishing may take; after that the sweep does it."""
BROKER_SECONDS = 10
"""After how long without an answer a worker gives up its connection to the broker and makes a new one."""
QUEUES = ("nodes", "bulk", "control")


PATIENCE = {
    "socket_timeout": PUBLISH_SECONDS,
    "socket_connect_timeout": PUBLISH_SECONDS,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "connect_retries_timeout": PUBLISH_SECONDS,
}


class FlexAMQP(AMQP):
    """How messages are made and sent, without what is the same for each of them."""

    def as_task_v2(
        self, task_id: str, name: str, args: Any = None, kwargs: Any = None, *more: Any, **options: Any
    ) -> Any:
        """Return a message; what monitors show of its arguments is made plainly, since these are a few short ids."""
        options = {"argsrepr": repr(args or ()), "kwargsrepr": repr(kwargs or {}), **options}
        return super().as_task_v2(task_id, name, args, kwargs, *more, **options)

    @cached_property
    def send_task_message(self) -> Any:
        """Return the function that sends; it declares no queue, which the workers do that listen to it."""
        return partial(super().send_task_message, declare=())


class FlexCelery(Celery):
    """An application whose publishing gives up soon, while its consumers wait patiently."""

    amqp_cls = FlexAMQP  # type: ignore[assignment]  # a class will do
    events_cls = BatchingEvents  # type: ignore[assignment]  # the same

    @cached_property
    def producer_pool(self) -> Any:
        """Return the connections that messages are sent through, a pool of its own beside the consumers'."""
        return pools.producers[keeping_its_client(self.connection_for_write(transport_options=PATIENCE))]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that the block publishes leave in one round trip, when the block ends."""
        with self.producer_or_acquire() as producer, producer.batch():
            _held.producer = producer
            try:
                yield
            finally:
                _held.producer = None

    def producer_or_acquire(self, producer: Any = None) -> Any:
        """Return a context that gives the producer, the one that holds messages back in this thread, or another."""
        return super().producer_or_acquire(producer or getattr(_held, "producer", None))


_held = threading.local()
"""The producer of a thread that publishes several messages together."""


def configuration() -> dict[str, Any]:
    """Return the configuration for this process's settings. Raises `SettingsError`."""
    settings = get_settings()
    return {
        "broker_url": broker_url(settings.redis_url) if settings.redis_url else "memory://",
        "result_backend": "tasks.chord_backend:PlanCountedBackend",
        "broker_transport_options": {
            "global_keyprefix": "flex:",
            # Nothing is kept of a message once it is read (see `no_ack` below): the note that would be made and deleted
            # again costs a worker two round trips, and would bring back what the sweep has long published.
            "ack_emulation": False,
            "socket_timeout": BROKER_SECONDS,
            "socket_connect_timeout": 3,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_publish_retry": False,
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_queues": [Queue(name, Exchange("flex"), routing_key=name, no_ack=True) for name in QUEUES],
        "task_default_queue": "nodes",
        "task_default_exchange": "flex",
        "task_default_routing_key": "nodes",
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        "worker_concurrency": settings.worker_threads,
        "worker_hijack_root_logger": False,
        "worker_send_task_events": True,
        "worker_consumer": "tasks.consumer:BatchingConsumer",
        "worker_enable_remote_control": True,
        "accept_content": ["json"],
        "task_serializer": "json",
        "timezone": "UTC",
        "enable_utc": True,
        "beat_schedule": {
            "sweep": _knock("tasks.sweep", settings.sweep_seconds),
            "canary": _knock("tasks.send_canary", max(settings.sweep_seconds, 10.0)),
        },
    }


def _knock(task: str, period: float) -> dict[str, Any]:
    """Return a beat entry; a knock that nobody heard within its period has been followed by the next."""
    return {"task": task, "schedule": period, "options": {"queue": "control", "expires": period}}


class BriefKnocks(logging.Filter):
    """Shortens what beat says of a knock that it could not send: a stack at every tick would fill a disk in a night."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and str(record.msg).startswith("Message Error"):
            record.msg, record.args, record.exc_info = "knock_not_sent: %s", record.args[:1], None
        return True


@setup_logging.connect
def _log_like_the_rest(**_: Any) -> None:
    configure_logging(get_settings())
    logging.getLogger("celery.beat").addFilter(BriefKnocks())


celery = FlexCelery("flex", include=["tasks.runs", "tasks.sweep"])
celery.add_defaults(configuration)  # a promise: settings are read when they are needed, not on import
