"""A followed run as server-sent events: the text of frames, heartbeats and closing marks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.stream.follow import Follower, Signal
from app.stream.wire import Wire, one_line
from models.events.frames import timestamp_text

RECONNECT_MS = 2000
RESTART_MS = 500


@dataclass(frozen=True, slots=True)
class Stream:
    """What a stream's own marks say about its run."""

    run_id: str
    correlation_id: str | None
    plan_version: int = 0

    def mark(self, kind: str, message: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Return a mark of the stream itself: shaped like a frame, without an id, and in no log."""
        return {
            "type": kind,
            "timestamp": timestamp_text(datetime.now(UTC)),
            "runId": self.run_id,
            "correlationId": self.correlation_id,
            "planVersion": self.plan_version,
            "message": message,
            "payload": payload,
        }


def write_events(
    follower: Follower, stream: Stream, *, types: frozenset[str] | None = None, opening: str = ""
) -> Iterator[str]:
    """Yield the text of the stream, piece by piece; `types` leaves out stored frames of other types."""
    yield f"retry: {RECONNECT_MS}\n\n{opening}"
    for item in follower:
        if isinstance(item, Signal):
            yield _signal_text(item, replace(stream, plan_version=follower.plan_version), follower.position)
        elif types is None or item.type in types:
            yield frame_text(item)


def frame_text(wire: Wire) -> str:
    return f"event: {wire.type}\nid: {wire.seq}\ndata: {wire.text}\n\n"


def reset_text(stream: Stream) -> str:
    """Return the mark that tells a client its position is none of this run's: everything follows from the start."""
    return event_text(stream.mark("reset", "unknown_position", {"after": 0}))


def event_text(mark: Mapping[str, Any]) -> str:
    return f"event: {mark['type']}\ndata: {one_line(mark)}\n\n"


def _signal_text(signal: Signal, stream: Stream, position: int) -> str:
    match signal:
        case Signal.HEARTBEAT:
            return ": heartbeat\n\n"
        case Signal.RESTART:
            return f": {signal.value}\nretry: {RESTART_MS}\n\n"
        case Signal.OVERRUN:
            return event_text(stream.mark("overrun", "client_too_slow", {"after": position}))
        case Signal.REVOKED:
            return event_text(stream.mark("revoked", "key_no_longer_holds", {"after": position}))
        case Signal.PAUSED:
            return event_text(stream.mark("log", signal.value, {"after": position}))
