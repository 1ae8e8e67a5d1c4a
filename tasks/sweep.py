"""The sweep and its companions: what keeps the service moving when messages, workers or servers are lost."""

from __future__ import annotations

from functools import partial
from typing import Any

import structlog
from celery.signals import worker_ready

from models.unit_of_work import open_unit
from tasks import dispatch
from tasks.base import WORKER, FlexTask
from tasks.celery_app import QUEUES, celery

logger = structlog.get_logger(__name__)


@celery.task(name="tasks.sweep", base=FlexTask, comes_again=True)
def sweep() -> None:
    """Publish a look at every run whose wake-up is due; keep built-in capabilities alive and let silent ones expire."""
    with open_unit(None) as unit:
        for due in unit.runs.due():
            unit.on_commit(partial(dispatch.advance_run, due.run_id, correlation_id=due.correlation_id))
            if due.nudges > 1:
                logger.info("run_nudged", run_id=due.run_id, nudges=due.nudges)
    with open_unit(None) as unit:
        unit.capabilities.refresh_builtins()
        for capability_id in unit.capabilities.expire():
            logger.info("flex_capability_marked_inactive", capability_id=capability_id, reason="heartbeat_timeout")


@celery.task(name="tasks.send_canary", base=FlexTask, comes_again=True)
def send_canary() -> None:
    """Send a canary through every queue that work travels on."""
    with open_unit(None) as unit:
        for queue in QUEUES:
            canary_id = unit.canaries.send(queue)
            unit.on_commit(lambda c=canary_id, q=queue: dispatch.canary(c, q))  # type: ignore[misc]  # bound per turn


@celery.task(name="tasks.finish_canary", base=FlexTask, comes_again=True)
def finish_canary(*, canary_id: str) -> None:
    """Say that the queue of this canary is being worked on."""
    with open_unit(None) as unit:
        unit.canaries.finish(canary_id, WORKER)


@worker_ready.connect
def _send_first_canary(**_: Any) -> None:
    """Let a control worker begin with a canary, so that nobody waits a whole period to see that all is well."""
    if "control" in celery.amqp.queues.consume_from:
        send_canary.apply_async(queue="control")
