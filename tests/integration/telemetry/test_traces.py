"""One trace per run: every process gives the same ids, and what each of them adds fits into the others' spans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from models.telemetry import outgoing_headers, traces
from tasks.agents.base import AgentRefusedError, AgentResult, Usage
from tests.support.envelopes import linkedin_envelope
from tests.support.factories import make_chain
from tests.support.lines import Lines
from tests.support.loop import Loop, gives, raises

otel = pytest.importorskip("models.telemetry.otel", reason="the extra otel is not installed", exc_type=ImportError)
export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")


class Spans:
    """What has been exported, by name."""

    def __init__(self) -> None:
        self.exporter = in_memory.InMemorySpanExporter()
        self.tracer = otel.Tracer(export.SimpleSpanProcessor(self.exporter))

    def all(self) -> list[Any]:
        return list(self.exporter.get_finished_spans())

    def named(self, start: str) -> list[Any]:
        return [span for span in self.all() if span.name.startswith(start)]

    def one(self, name: str) -> Any:
        (span,) = [span for span in self.all() if span.name == name]
        return span


@pytest.fixture
def spans(loop: Loop) -> Iterator[Spans]:
    """The spans of this process, in memory."""
    found = Spans()
    traces.use_tracer(found.tracer)
    yield found
    traces.use_tracer(None)


def test_a_run_is_one_trace_from_acceptance_to_its_end(loop: Loop, spans: Spans) -> None:
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    # Then every span has the trace that the run's id names
    assert {span.context.trace_id for span in spans.all()} == {int(run_id.removeprefix("flex_"), 16)}
    # And hangs below the run, calls below their attempts
    root = spans.one("flex.run")
    assert root.parent is None
    own = {span.context.span_id: span for span in spans.all()}
    assert len(own) == len(spans.all())
    for span in spans.all():
        if span is not root:
            above = own[span.parent.span_id]
            assert above.name.startswith("flex.node") if span.name.startswith("flex.call") else above is root
    assert {span.name.split()[0] for span in spans.all()} == {
        "flex.run",
        "flex.accept",
        "flex.plan",
        "flex.node",
        "flex.call",
    }
    # And lasts no longer than what it is part of, give or take the clocks of database and process
    for span in spans.named("flex.node"):
        assert root.start_time <= span.start_time <= span.end_time <= root.end_time + 1_000_000


def test_processes_that_know_nothing_of_each_other_agree(loop: Loop, spans: Spans) -> None:
    # Given a web process that accepts, and a worker that does the rest
    run_id = loop.submit(linkedin_envelope())
    worker = Spans()
    traces.use_tracer(worker.tracer)
    loop.drain()
    # Then both speak of one trace and one parent
    assert [span.name for span in spans.all()] == ["flex.accept"]
    accepted, root = spans.one("flex.accept"), worker.one("flex.run")
    assert accepted.context.trace_id == root.context.trace_id == otel.trace_id(run_id)
    assert accepted.parent.span_id == root.context.span_id


def test_attempts_and_failures_are_told(loop: Loop, spans: Spans) -> None:
    loop.agents.on(
        "a",
        gives(a_text="x"),
        lambda _b, _c: AgentResult({"a_text": "fine"}, Usage(10, 4), {"provider": "openai", "model": "gpt-5"}),
    )
    loop.install(make_chain("a"))
    loop.drain()
    first, second = spans.named("flex.node a")
    assert [span.attributes["flex.attempt"] for span in (first, second)] == [1, 2]
    assert (first.status.is_ok, second.status.is_ok) == (False, True)
    wrong, right = spans.named("flex.call acme.a")
    assert wrong.attributes["flex.outcome"] == "invalid_output"
    assert (wrong.status.is_ok, right.status.is_ok) == (False, True)
    assert wrong.parent.span_id == first.context.span_id
    assert right.attributes["gen_ai.response.model"] == "gpt-5"
    assert right.attributes["gen_ai.usage.input_tokens"] == 10


def test_a_failed_run_is_a_failed_span(loop: Loop, spans: Spans) -> None:
    loop.agents.always("a", raises(AgentRefusedError("secret words")))
    run_id = loop.install(make_chain("a"))
    loop.settle(run_id)
    loop.answer(run_id, responseType="rejection", freeformText="secret words")
    loop.drain()
    root = spans.one("flex.run")
    assert (root.status.is_ok, root.attributes["flex.reason"]) == (False, "rejected")
    assert "secret words" not in "".join(span.to_json() for span in spans.all())


def test_whoever_is_called_can_join_the_trace(loop: Loop, spans: Spans) -> None:
    seen: list[dict[str, str]] = []

    def looks(_bundle: Any, _cancel: Any) -> AgentResult:
        seen.append(outgoing_headers())
        return AgentResult({"a_text": "fine"})

    loop.agents.on("a", looks)
    run_id = loop.install(make_chain("a"))
    loop.drain()
    call = spans.one("flex.call acme.a")
    assert seen == [{"traceparent": f"00-{otel.trace_id(run_id):032x}-{call.context.span_id:016x}-01"}]
    assert outgoing_headers() == {}


def test_a_tracer_that_breaks_harms_no_run(loop: Loop, lines: Lines) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    traces.use_tracer(Broken())
    try:
        run_id = loop.install(make_chain("a"))
        loop.drain()
    finally:
        traces.use_tracer(None)
    assert loop.run(run_id).status == "completed"
    assert {line["observer"] for line in lines.named("flex_telemetry_process_error")} >= {"trace_frame", "_begin_call"}
    assert "flex_run_complete" in lines.names()


@pytest.mark.parametrize("run_id", ["flex_" + "0" * 32, "run", "flex_nothex", "flex_" + "g" * 32])
def test_every_run_has_a_trace_id(run_id: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{1,32}", f"{otel.trace_id(run_id):x}")
    assert otel.trace_id(run_id) == otel.trace_id(run_id) != 0


def test_without_a_collector_nothing_is_traced(loop: Loop) -> None:
    traces.use_tracer(None)
    loop.install(make_chain("a"))
    loop.drain()
    assert traces._Started.known
    assert traces._Started.tracer is None
    assert outgoing_headers() == {}


def test_a_collector_without_the_extra_is_a_warning(loop: Loop, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "INSTALLED", False)
    monkeypatch.setattr(traces, "get_settings", lambda: _Settings)
    traces.use_tracer(None)
    loop.install(make_chain("a"))
    loop.drain()
    traces.use_tracer(None)
    assert lines.names().count("traces_unavailable") == 1


class _Settings:
    otlp_endpoint = "http://127.0.0.1:4318"
