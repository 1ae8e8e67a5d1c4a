"""The reference page of telemetry, written from the tables of names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from models.telemetry.line_names import (
    ABSENT_LINES,
    BESIDE_LINES,
    CHANGE_LINES,
    FACTS,
    FRAME_LINES,
    WEB_LINES,
    WORK_LINES,
    Line,
)
from models.telemetry.names import ABSENT, METRICS

INTRODUCTION = """\
# Telemetry: every log line and every metric

Written by `make docs` from `models/telemetry/line_names.py` and `names.py`; tests hold both to the code. How to
put them on a screen: [dashboards](../howto/dashboards.md).

A fact is written once, as a frame or as a change of a row, in one transaction. After the commit its observers
are told: lines, metrics, traces. One that breaks is named by `flex_telemetry_process_error` and keeps nobody
else from being told.
"""

LOGS = """\
## Log lines

One JSON object per line on standard error (`FLEX_LOG_FORMAT`, `FLEX_LOG_LEVEL`); `event` is the name, beside it
stand `level`, `timestamp`, `logger` and the facts. No line holds objectives, inputs, outputs, questions,
messages or prompts: facts are picked by name, and a value that does not look like a name or a code is left out.
Configured secrets are masked wherever they turn up. An exception is told by its type and the places that it
came through; its message, which may quote contents, is told only for errors of connections, or when the level
is `debug`.
"""

METRICS_TEXT = """\
## Metrics

`GET /metrics`, in Prometheus' text form; it wants the key like every other address. Everything is counted in
the tables at the moment of the scrape, over all tenants, so any web process gives the same answer and a restart
loses nothing. Counters fall when old runs are deleted, which Prometheus takes for a restart. The dotted name
stands in the HELP line; the samples of a counter end in `_total`, those of a histogram in `_bucket`, `_sum` and
`_count`. A table that cannot be asked is 0 in `flex_scrape_source_up` and its metrics are missing; the others
are told. Nodes are not labels: their number has no bound.
"""

TRACES = """\
## Traces

Off unless `FLEX_OTLP_ENDPOINT` names an OpenTelemetry collector (HTTP, `http://host:4318`) and the extra `otel` is
installed. One trace per run; its id is the hexadecimal part of the run's id, so a run's trace is found without a
search. Every process computes the same ids from run, node and attempt; nothing is stored or passed for it.

| Span | From | To |
| --- | --- | --- |
| `flex.run` | the run is created | it has ended; the parent of all others |
| `flex.accept` | the run is stored, by the web process | at once |
| `flex.plan` | `plan_requested` | `plan_generated` or `plan_rejected` |
| `flex.node <node>` | `node_start` of an attempt | its result, error, retry or question |
| `flex.call <capability>` | an agent is called | it answered; below the attempt, with `gen_ai.*` attributes |

Calls of models and remote agents carry `traceparent`. An attempt whose worker died, or whose run was cancelled
meanwhile, has no span of its own, only those below it. Attributes are the facts of the log lines.
"""


def telemetry_markdown() -> str:
    """Return the page."""
    parts = [
        INTRODUCTION,
        LOGS,
        _table(("Fact", "Meaning"), [(_names(name), meaning) for name, meaning in FACTS.items()]),
        "### One per frame\n",
        _lines(FRAME_LINES),
        "### Beside the line of a frame\n",
        _lines(BESIDE_LINES),
        "### Changes and calls\n",
        _lines(CHANGE_LINES),
        "### Workers\n",
        _lines(WORK_LINES),
        "### Web\n",
        _lines(WEB_LINES),
        "### Names that are not written\n",
        _reasons(ABSENT_LINES),
        METRICS_TEXT,
        _table(
            ("Metric", "In Prometheus", "Kind", "Labels", "Meaning"),
            [(f"`{m.name}`", f"`{m.prometheus}`", m.kind, _names(", ".join(m.labels)), m.meaning) for m in METRICS],
        ),
        "### Metrics that are not there\n",
        _reasons(ABSENT),
        TRACES,
    ]
    return "\n".join(parts).rstrip("\n") + "\n"


def _lines(lines: Iterable[Line]) -> str:
    return _table(("Line", "Level", "Written when"), [(f"`{line.name}`", line.level, line.when) for line in lines])


def _reasons(absent: Mapping[str, str]) -> str:
    return _table(("Name", "Why"), [(_names(name), reason) for name, reason in absent.items()])


def _names(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", ")) if names else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
