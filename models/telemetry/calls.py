"""Calls of agents: a line when one begins, a line when it is over, and the span between them.

A call is not a frame: one whose lease was lost leaves none, and its lines are all that is known of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from models.telemetry.facts import Call, CallEnd
from models.telemetry.isolation import tell
from models.telemetry.lines import token
from models.telemetry.traces import traced_call, tracing

logger = structlog.get_logger("flex")


@contextmanager
def observe_call(call: Call) -> Iterator[CallEnd]:
    """Tell of a call that the block makes; the block says in the given value how it ended."""
    end, begun = CallEnd(), time.monotonic()
    if not (logger.is_enabled_for(logging.INFO) or tracing()):
        yield end
        return
    tell(write_call_start, call)
    try:
        with traced_call(call, end):
            yield end
    finally:
        tell(write_call_end, call, end, (time.monotonic() - begun) * 1000)


def write_call_start(call: Call) -> None:
    """Write the line of a call that begins."""
    logger.info("flex_capability_dispatch_start", **_about(call))


def write_call_end(call: Call, end: CallEnd, duration_ms: float) -> None:
    """Write the line of a call that is over, whatever came of it."""
    facts = {
        "outcome": token(end.outcome),
        "provider": token(end.provider),
        "model": token(end.model),
        "duration_ms": round(duration_ms, 3),
        "prompt_tokens": end.usage.get("promptTokens"),
        "completion_tokens": end.usage.get("completionTokens"),
        "cost": end.usage.get("cost"),
    }
    known = {name: value for name, value in facts.items() if value is not None}
    logger.info("flex_capability_dispatch_complete", **_about(call), **known)


def _about(call: Call) -> dict[str, object]:
    facts = {
        "run_id": call.run_id,
        "correlation_id": call.correlation_id,
        "plan_version": call.plan_version,
        "node_id": call.node_id,
        "capability_id": call.capability_id,
        "attempt": call.attempt,
        "tenant": call.tenant_id,
    }
    return {name: value for name, value in facts.items() if value is not None}
