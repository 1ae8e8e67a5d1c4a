"""A result backend that stores no results and joins no chords: the plan in Postgres does both.

Celery asks a backend to count the finished members of a chord and to call its body. Our lanes settle nodes in Postgres,
and the transaction that settles the last parent of a join knows that it did; the worker behind it goes on in place.
So a flushed Redis, a doubled message or a lost worker cannot lose or repeat the body, and no counter is kept twice.
"""

from __future__ import annotations

from typing import Any

from celery.backends.base import BaseBackend
from celery.states import PENDING


class PlanCountedBackend(BaseBackend):
    """What Celery needs of a backend when nobody ever asks it for a result."""

    def apply_chord(self, header_result_args: Any, body: Any, **kwargs: Any) -> None:
        """Do nothing before a chord's members are published: `waiting` of the joined node counts them."""

    def on_chord_part_return(self, request: Any, state: Any, result: Any, **kwargs: Any) -> None:
        """Do nothing when a member ends: it has settled its nodes, and has gone on if it closed the join."""

    def store_result(self, task_id: Any, result: Any, state: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: outputs are rows of `flex_plan_nodes`."""

    def get_state(self, task_id: Any) -> str:  # noqa: ARG002 - the library's signature
        """Say of every task that nothing is known: asked when a chain breaks whose last link is a chord's member."""
        return PENDING

    def as_uri(self, include_password: bool = True) -> str:  # noqa: FBT001, FBT002, ARG002 - the library's signature
        return "plan://"
