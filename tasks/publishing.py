"""Celery's signature and chord, published without what Celery does for results and for tasks it has to look up.

Celery clones and freezes a chord's members several times over, makes a result object for each, and looks up how every
single task is to be sent. Our messages all go one way and nobody waits for a result, so the same messages can leave as
they were built. Chains are Celery's own.
"""

from __future__ import annotations

from typing import Any

from celery.canvas import Signature, chord
from kombu.utils.uuid import uuid

from tasks.celery_app import celery


class Message(Signature):
    """A task that names its queue, and is sent by its name."""

    def apply_async(self, *_: Any, **membership: Any) -> None:  # type: ignore[override]  # nobody waits for a result
        """Publish the task; `membership` says which chord it belongs to, as Celery does."""
        parent = celery.current_worker_task
        request = parent.request if parent else None
        message = celery.amqp.create_task_message(
            uuid(),
            self.task,
            self.args,
            self.kwargs,
            errbacks=self.options.get("link_error"),
            reply_to=celery.thread_oid,
            root_id=request and (request.root_id or request.id),
            parent_id=request and request.id,
            ignore_result=True,
            **membership,
        )
        with celery.producer_or_acquire() as producer:
            celery.amqp.send_task_message(
                producer, self.task, message, queue=self.options["queue"], headers=self.options["headers"]
            )


class PlanChord(chord):
    """A chord whose counter is the plan: its members leave in one round trip, and nobody counts them beside it."""

    def apply_async(self, *_: Any, **__: Any) -> None:  # type: ignore[override]  # nobody waits for a result
        """Publish the members of the header."""
        group_id = uuid()
        self.body.freeze(group_id=group_id)
        with celery.together():
            for index, member in enumerate(self.tasks):
                member.apply_async(group_id=group_id, group_index=index, chord=self.body)
