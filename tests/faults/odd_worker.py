"""A worker whose first messages of a lane meet what makes Celery lose a task; the lanes after those are walked.

`celery -A tests.faults.odd_worker:celery worker`, as a worker of another version or with a broken task would be.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from celery.exceptions import Ignore

from tasks.celery_app import celery

celery.loader.import_default_modules()
_walk_lane = celery.tasks["tasks.walk_lane"]
_walk: Callable[..., Any] = _walk_lane.run
_calls = itertools.count()


def _ignored() -> Any:
    raise Ignore


def _unserialisable() -> Any:
    return object()


def _cut_off() -> Any:
    """Leave as a thread does that a hard limit would have killed."""
    raise SystemExit(1)


ODDITIES: tuple[Callable[[], Any], ...] = (_ignored, _unserialisable, _cut_off)


def _run(*args: Any, **kwargs: Any) -> Any:
    number = next(_calls)
    return ODDITIES[number]() if number < len(ODDITIES) else _walk(*args, **kwargs)


_walk_lane.run = _run
