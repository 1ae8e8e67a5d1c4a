"""The one door to the workers: turns lanes into Celery's chain, group and chord, and sends everything by name.

A message holds ids only and stays small whatever the plan's size: a chain carries its later links inside its first
message, so it is kept to two of them, each with a limited length; what lies beyond is published when the second ends.
Publishing never raises and never holds anybody up: it has one second and is not retried,
and after a failure it rests for a moment, because whatever is not published is published by the sweep.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from typing import Any

import structlog
from celery import chain, group
from celery.canvas import Signature
from kombu.exceptions import KombuError
from redis import RedisError

from models.faults import fault
from models.settings import get_settings
from planner.plan.lanes import Lane
from tasks.celery_app import celery
from tasks.publishing import Message, PlanChord

SECONDS_OF_REST = 1.0
LINKS_IN_A_CHAIN = 2
ID_CHARACTERS_IN_A_LINK = 240

CORRELATION = "flex_correlation_id"
"""The header of the request's id; `correlation_id` is AMQP's own, which Celery fills with the task's."""

logger = structlog.get_logger(__name__)


class _Rest:
    """When publishing may be tried again after it failed."""

    until = 0.0


def plan_run(run_id: str, epoch: int, *, correlation_id: str | None = None) -> None:
    """Ask a worker to plan a run."""
    _send(_task("tasks.plan_run", "nodes", correlation_id, run_id=run_id, epoch=epoch))


def advance_run(run_id: str, *, correlation_id: str | None = None) -> None:
    """Ask a worker to look what a run needs next."""
    _send(_task("tasks.advance_run", "nodes", correlation_id, run_id=run_id))


def cancel_run(run_id: str, *, correlation_id: str | None = None) -> None:
    """Ask a control worker to end a run whose cancel intent is stored."""
    _send(_task("tasks.cancel_run", "control", correlation_id, run_id=run_id))


def canary(canary_id: str, queue: str) -> None:
    """Send a task that does nothing but say that `queue` is being worked on."""
    _send(_task("tasks.finish_canary", queue, None, canary_id=canary_id))


def walk_lanes(
    run_id: str, epoch: int, lanes: Sequence[Lane], *, kept: bool = False, correlation_id: str | None = None
) -> None:
    """Publish lanes: one by itself, several as a chord whose body looks what the run needs next.

    `kept` says that the sender walks one more lane of the same chord itself.
    """
    _send(canvas_of(run_id, epoch, lanes, kept=kept, correlation_id=correlation_id))


def canvas_of(
    run_id: str, epoch: int, lanes: Sequence[Lane], *, kept: bool = False, correlation_id: str | None = None
) -> Signature:
    """Return the canvas of `lanes`, which must not be empty.

    A lane is one task that walks its nodes; one longer than FLEX_LANE_NODES is a chain of such tasks. The body of the
    chord is never called by Celery (see `chord_backend`): it names what the lane that closes the join does in place.
    """
    header = [_lane(run_id, epoch, lane, correlation_id) for lane in lanes]
    if len(header) == 1 and not kept:
        return header[0]
    body = _task("tasks.advance_run", "nodes", correlation_id, run_id=run_id)
    return PlanChord(group(header, app=celery), body, app=celery)


def _lane(run_id: str, epoch: int, lane: Lane, correlation_id: str | None) -> Signature:
    links = [
        _task("tasks.walk_lane", "nodes", correlation_id, run_id=run_id, epoch=epoch, node_ids=list(node_ids)).on_error(
            celery.signature("tasks.lane_failed")
        )
        for node_ids in islice(_links(lane), LINKS_IN_A_CHAIN)
    ]
    return links[0] if len(links) == 1 else chain(*links, app=celery)


def _links(lane: Lane) -> Iterator[tuple[str, ...]]:
    """Cut a lane into links of at most FLEX_LANE_NODES nodes, and of ids that leave the message small."""
    rest = lane.node_ids
    while rest:
        lengths = accumulate(len(node_id) for node_id in rest[: get_settings().lane_nodes])
        fitting = max(1, sum(length <= ID_CHARACTERS_IN_A_LINK for length in lengths))
        yield rest[:fitting]
        rest = rest[fitting:]


def _task(name: str, queue: str, correlation_id: str | None, **ids: Any) -> Signature:
    headers = {CORRELATION: correlation_id} if correlation_id else {}
    return Message(name, kwargs=ids, immutable=True, app=celery, queue=queue, headers=headers)


def send(message: Signature) -> None:
    """Publish a message that a worker had taken, and hands back."""
    _send(message)


def _send(canvas: Signature) -> None:
    if time.monotonic() < _Rest.until:
        return
    try:
        fault("before_publish")
        canvas.apply_async()
        fault("after_publish")
    except (KombuError, RedisError, OSError) as error:
        _Rest.until = time.monotonic() + SECONDS_OF_REST
        logger.warning("publish_failed", error=str(error))
