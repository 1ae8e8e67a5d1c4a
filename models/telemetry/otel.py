"""Traces in OpenTelemetry's form: one trace per run, whichever processes work on it.

Trace and span ids are computed from what a span is about (run; node and attempt), so processes that know nothing of
each other give the same ids and their spans fit together. Spans of runs, plans and nodes are made when they are over,
from stored frames; only the call of an agent is a span while it lasts, and hands its place on in `traceparent`.

Importing this module needs the extra `otel`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from hashlib import sha256
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace.status import Status, StatusCode

from models.telemetry.facts import Call, CallEnd, StatusChange
from models.telemetry.lines import facts_of

MOST_OPEN = 10_000
"""How many attempts that began here are remembered; the oldest are forgotten and have no span."""
TERMINAL = frozenset({"completed", "failed", "cancelled"})
ENDS_ATTEMPT = frozenset({"node_complete", "node_error", "node_retry", "hitl_request"})

Attributes = dict[str, str | int | float | bool]

_chosen: ContextVar[tuple[int, int] | None] = ContextVar("flex_chosen_ids", default=None)


def trace_id(run_id: str) -> int:
    """Return the id of a run's trace: the hexadecimal part of the run's own id, or a digest of an id without one."""
    digits = run_id.rpartition("_")[2]
    try:
        return (int(digits, 16) if len(digits) == 32 else 0) or int(sha256(run_id.encode()).hexdigest()[:32], 16)
    except ValueError:
        return int(sha256(run_id.encode()).hexdigest()[:32], 16)


def span_id(*about: object) -> int:
    """Return the id of the span about these things; never 0, which stands for none."""
    return int(sha256("\0".join(map(str, about)).encode()).hexdigest()[:16], 16) or 1


def batched(endpoint: str) -> SpanProcessor:
    """Return what sends spans to a collector in the background; `endpoint` is its address without a path."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces"))


class Tracer:
    """Makes spans of what observers are told."""

    def __init__(self, processor: SpanProcessor) -> None:
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create({SERVICE_NAME: "flex"}), id_generator=_ChosenIds()
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("flex")
        self._open: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._lock = threading.Lock()

    def frame(self, frame: Mapping[str, Any], tenant_id: str) -> None:
        """Note where something begins, and make a span where it ends."""
        kind, run_id, moment = frame["type"], str(frame["runId"]), _nanoseconds(frame["timestamp"])
        if kind == "start":
            self._make("flex.accept", frame, tenant_id, (moment, moment), span_id(run_id, "accept"), SpanKind.SERVER)
        elif kind in {"plan_requested", "node_start"}:
            self._begin(run_id, frame.get("nodeId") or "", (frame.get("payload") or {}).get("attempt") or 1, moment)
        elif kind in {"plan_generated", "plan_rejected"}:
            if begun := self._end(run_id, ""):
                self._make("flex.plan", frame, tenant_id, (begun[1], moment), span_id(run_id, "plan", begun[0]))
        elif kind in ENDS_ATTEMPT and (node_id := frame.get("nodeId")) and (begun := self._end(run_id, node_id)):
            own = span_id(run_id, node_id, begun[0])
            self._make(f"flex.node {node_id}", frame, tenant_id, (begun[1], moment), own, attempt=begun[0])

    def status(self, change: StatusChange) -> None:
        """Make the span of a whole run when it has ended."""
        if change.status not in TERMINAL:
            return
        end = int(change.at.timestamp() * 1e9)
        attributes: Attributes = {
            "flex.run_id": change.run_id,
            "flex.tenant": change.tenant_id,
            "flex.correlation_id": change.correlation_id,
            "flex.status": change.status,
            "flex.reason": change.reason or "",
        }
        with _choose(trace_id(change.run_id), span_id(change.run_id)):
            span = self._tracer.start_span(
                "flex.run",
                context=Context(),
                attributes=attributes,
                start_time=end - int(change.age_ms * 1e6),
            )
        _fail_if(span, change.status == "failed", change.reason)
        span.end(end)

    def begin_call(self, call: Call) -> Span:
        """Return the running span of a call, a child of its attempt's."""
        context = _inside(call.run_id, span_id(call.run_id, call.node_id, call.attempt))
        attributes: Attributes = {
            "flex.run_id": call.run_id,
            "flex.node_id": call.node_id,
            "flex.capability_id": call.capability_id,
            "flex.attempt": call.attempt,
        }
        return self._tracer.start_span(
            f"flex.call {call.capability_id}", context=context, kind=SpanKind.CLIENT, attributes=attributes
        )

    @staticmethod
    def end_call(span: Span, end: CallEnd) -> None:
        """End the span of a call with what is known of it."""
        span.set_attribute("flex.outcome", end.outcome)
        for name, value in (("gen_ai.provider.name", end.provider), ("gen_ai.response.model", end.model)):
            if value:
                span.set_attribute(name, value)
        for name, member in (("input", "promptTokens"), ("output", "completionTokens")):
            span.set_attribute(f"gen_ai.usage.{name}_tokens", end.usage.get(member, 0))
        _fail_if(span, end.outcome not in {"done", "asked"}, end.outcome)
        span.end()

    def flush(self) -> None:
        """Send what is ready."""
        self._provider.force_flush()

    def _make(
        self,
        name: str,
        frame: Mapping[str, Any],
        tenant_id: str,
        lasted: tuple[int, int],
        own: int,
        kind: SpanKind = SpanKind.INTERNAL,
        **more: int,
    ) -> None:
        run_id, facts = str(frame["runId"]), {**facts_of(frame, tenant_id), **more}
        attributes = {f"flex.{key}": value for key, value in facts.items() if isinstance(value, str | int | float)}
        with _choose(trace_id(run_id), own):
            span = self._tracer.start_span(
                name,
                context=_inside(run_id, span_id(run_id)),
                kind=kind,
                attributes=attributes,
                start_time=lasted[0],
            )
        _fail_if(span, frame["type"] in {"node_error", "node_retry", "plan_rejected"}, facts.get("code"))
        span.end(lasted[1])

    def _begin(self, run_id: str, node_id: str, attempt: int, moment: int) -> None:
        with self._lock:
            self._open[run_id, node_id] = (attempt, moment)
            if len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)

    def _end(self, run_id: str, node_id: str) -> tuple[int, int] | None:
        with self._lock:
            return self._open.pop((run_id, node_id), None)


class _ChosenIds(IdGenerator):
    """Gives the ids that were chosen for the span about to be made, else random ones."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        chosen = _chosen.get()
        return chosen[0] if chosen else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        chosen = _chosen.get()
        return chosen[1] if chosen else self._random.generate_span_id()


@contextmanager
def _choose(trace: int, span: int) -> Iterator[None]:
    token = _chosen.set((trace, span))
    try:
        yield
    finally:
        _chosen.reset(token)


def _inside(run_id: str, parent: int) -> Context:
    """Return the context of a span of this run that another process may be making."""
    sampled = TraceFlags(TraceFlags.SAMPLED)
    parents = SpanContext(trace_id(run_id), parent, is_remote=True, trace_flags=sampled)
    return set_span_in_context(NonRecordingSpan(parents), Context())


def traceparent(span: Span) -> str:
    """Return a span's place as the W3C header spells it."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def _fail_if(span: Span, failed: bool, why: Any) -> None:  # noqa: FBT001 - it reads as a sentence
    if failed:
        span.set_status(Status(StatusCode.ERROR, str(why or "failed")))


def _nanoseconds(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp() * 1e9)
