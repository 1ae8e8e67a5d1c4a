"""Traces: off unless FLEX_OTLP_ENDPOINT names a collector and the extra `otel` is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

from models.settings import get_settings
from models.telemetry.facts import Call, CallEnd, StatusChange
from models.telemetry.isolation import tell

try:
    from models.telemetry.otel import Tracer, batched, traceparent

    INSTALLED = True
except ImportError:
    INSTALLED = False

logger = structlog.get_logger("flex")

_header: ContextVar[str | None] = ContextVar("flex_traceparent", default=None)


class _Started:
    """This process's tracer, made at the first use, which is after every fork."""

    lock = threading.Lock()
    known = False
    tracer: Any = None


def tracing() -> bool:
    """Tell whether traces may be made: they may until the first one is asked for. Never raises."""
    return not _Started.known or _Started.tracer is not None


def trace_frame(frame: Mapping[str, Any], tenant_id: str) -> None:
    """Add a stored frame to its run's trace."""
    if tracer := _tracer():
        tracer.frame(frame, tenant_id)


def trace_status(change: StatusChange) -> None:
    """Add a run's new status to its trace."""
    if tracer := _tracer():
        tracer.status(change)


@contextmanager
def traced_call(call: Call, end: CallEnd) -> Iterator[None]:
    """Give the block, which makes a call and fills in its end, a span; never raises of itself."""
    spans: list[Any] = []
    tell(_begin_call, call, spans)
    header = _header.set(traceparent(spans[0]) if spans else None)
    try:
        yield
    finally:
        _header.reset(header)
        tell(_end_call, spans, end)


def outgoing_headers() -> dict[str, str]:
    """Return what a request made during a call carries, so that whoever is called can join the trace."""
    header = _header.get()
    return {} if header is None else {"traceparent": header}


def use_tracer(tracer: Any) -> None:
    """Take this tracer from now on; None asks the settings anew at the next use."""
    with _Started.lock:
        _Started.known, _Started.tracer = tracer is not None, tracer


def _begin_call(call: Call, spans: list[Any]) -> None:
    if tracer := _tracer():
        spans.append(tracer.begin_call(call))


def _end_call(spans: list[Any], end: CallEnd) -> None:
    if spans and (tracer := _tracer()):
        tracer.end_call(spans[0], end)


def _tracer() -> Any:
    if not _Started.known:
        with _Started.lock:
            if not _Started.known:
                _Started.tracer = _started()
                _Started.known = True
    return _Started.tracer


def _started() -> Any:
    endpoint = get_settings().otlp_endpoint
    if endpoint is None:
        return None
    if not INSTALLED:
        logger.warning("traces_unavailable", remedy="install the extra: pip install 'flex[otel]'")
        return None
    return Tracer(batched(endpoint))
