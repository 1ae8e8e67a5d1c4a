"""A frame on its way to clients: read as far as the relay needs, and serialised once for all of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TERMINAL_TYPE = "complete"


@dataclass(frozen=True, slots=True)
class Wire:
    """One stored frame: its run, its place in that run's log, its type, and its one-line JSON."""

    run_id: str
    seq: int
    type: str
    text: str
    plan_version: int
    may_wait: bool
    """After this frame the run may be waiting for a person."""

    @property
    def terminal(self) -> bool:
        return self.type == TERMINAL_TYPE


def wire_of(frame: Mapping[str, Any]) -> Wire:
    """Return the wire form of a frame as stored; `id` is its seq in decimal digits."""
    return Wire(
        run_id=frame["runId"],
        seq=int(frame["id"]),
        type=frame["type"],
        text=one_line(frame),
        plan_version=frame.get("planVersion", 0),
        may_wait=_may_wait(frame),
    )


def one_line(document: Mapping[str, Any]) -> str:
    """Return compact JSON; line breaks inside strings are escaped, so it fits one `data:` line."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _may_wait(frame: Mapping[str, Any]) -> bool:
    if frame["type"] == "node_start":
        return bool((frame.get("payload") or {}).get("executorType") == "human")
    return frame["type"] in {"hitl_request", "run_paused"}
