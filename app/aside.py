"""Work that burns processor time, done where it does not hold up the streams of this process.

Under gevent everything runs in one thread, and half a second of computing would freeze every stream for as long. Such
work is therefore given to a native thread, with which the interpreter takes turns every few milliseconds.
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
    if isinstance(outcome, _Raised):
        raise outcome.error
    return outcome


class _Raised:
    """An error on its way back: gevent would print the trace of one that it carries itself."""

    def __init__(self, error: Exception) -> None:
        self.error = error


def _guarded(work: Callable[[], Result]) -> Result | _Raised:
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - raised again in the caller's greenlet
        return _Raised(error)
