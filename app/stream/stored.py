"""The event log in Postgres, as the relay reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from app.aside import run_deep
from app.stream.log import RunState
from models.events.frames import timestamp_text
from models.unit_of_work import open_unit

PAGE = 100
"""A slow client that catches up holds one page, so a page is small."""
RECENT_SECONDS = 10.0
"""Much longer than the relay's own questions are apart, and than a transaction takes."""


class StoredLog:
    """The log in Postgres. The relay serves every tenant, so it reads as the service itself.

    What a stream itself asks is asked in another greenlet: the one that writes the stream lives long and stays shallow.
    """

    page = PAGE

    def frames(self, run_id: str, after: int) -> list[Mapping[str, Any]]:
        return run_deep(partial(_page, run_id, after))

    def last_seqs(self, run_ids: Iterable[str]) -> dict[str, int]:
        with open_unit(tenant=None) as unit:
            return dict(unit.runs.last_seqs(list(run_ids)))

    def moment(self) -> str:
        with open_unit(tenant=None) as unit:
            return timestamp_text(unit.events.now())

    def recent(self, tenant: str) -> dict[str, int]:
        with open_unit(tenant) as unit:
            return unit.events.recent(RECENT_SECONDS)

    def state(self, run_id: str) -> RunState:
        return run_deep(partial(_state, run_id))


def _page(run_id: str, after: int) -> list[Mapping[str, Any]]:
    with open_unit(tenant=None) as unit:
        return [frame.as_json() for frame in unit.events.page(run_id, after=after, limit=PAGE)]


def _state(run_id: str) -> RunState:
    with open_unit(tenant=None) as unit:
        run = unit.runs.get(run_id)
    return RunState(run.status, run.last_seq)
