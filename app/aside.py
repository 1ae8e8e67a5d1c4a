"""Work done elsewhere than in the greenlet that needs its result: what computes long, and what goes deep.

Under gevent everything runs in one thread, and half a second of computing would freeze every stream for as long. Such
work is therefore given to a native thread, with which the interpreter takes turns every few milliseconds.

And a greenlet never gives back the pages that its stack has touched. One that lives for hours and mostly waits has what
goes deep, down to the database, done by another that ends with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent import monkey

Result = TypeVar("Result")


def run_aside(work: Callable[[], Result]) -> Result:
    """Return what `work` returns and raise what it raises. `work` computes: it asks no database and no network."""
    if not monkey.is_module_patched("threading"):
        return work()
    outcome: Result | _Raised = gevent.get_hub().threadpool.apply(_guarded, (work,))
    return _result(outcome)


def run_deep(work: Callable[[], Result]) -> Result:
    """Return what `work` returns and raise what it raises; `work` may ask and wait, and its stack goes with it."""
    if not monkey.is_module_patched("threading"):
        return work()
    outcome: Result | _Raised = gevent.spawn(_guarded, work).get()
    return _result(outcome)


class _Raised:
    """An error on its way back: gevent would print the trace of one that it carries itself."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _guarded(work: Callable[[], Result]) -> Result | _Raised:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - raised again in the caller's greenlet
        return _Raised(error)


def _result(outcome: Result | _Raised) -> Result:
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome
