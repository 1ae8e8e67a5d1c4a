"""How a run looks on a terminal and in plain text: its plan with each node's state, its steps, its result."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.client import Frame

STYLES = {
    "pending": "dim",
    "running": "yellow",
    "retrying": "yellow",
    "completed": "green",
    "skipped": "dim",
    "superseded": "dim",
    "error": "red",
    "awaiting_hitl": "magenta",
    "awaiting_human": "magenta",
}
MARKS = {
    "pending": "·",
    "running": "▶",
    "retrying": "↻",
    "completed": "✓",
    "skipped": "-",
    "superseded": "-",
    "awaiting_hitl": "?",
    "awaiting_human": "?",
    "error": "✗",
}
STATE_AFTER = {"node_complete": "completed", "node_error": "error", "node_retry": "retrying", "node_skipped": "skipped"}
MOST_TOLD = 3
NARROWEST = 20
"""A column narrower than this is not wrapped into: it would break every second word."""


@dataclass(slots=True)
class NodeRow:
    """One node of the shown plan."""

    node_id: str
    label: str
    kind: str
    capability: str
    after: tuple[str, ...]
    state: str = "pending"
    seconds: float | None = None


class RunView:
    """What is known of a run from the frames seen so far."""

    def __init__(self) -> None:
        self.run_id: str | None = None
        self.version = 0
        self.rows: dict[str, NodeRow] = {}
        self.end: Mapping[str, Any] | None = None
        self.last = ""
        self.asked: dict[str, Mapping[str, Any]] = {}
        """The questions that wait for a person, by id."""

    def take(self, frame: Frame) -> str:
        """Take a frame in and return it in one line of plain text."""
        payload = frame.get("payload") or {}
        self.run_id = frame.get("runId") or self.run_id
        kind, node_id = frame["type"], frame.get("nodeId")
        if kind in {"plan_generated", "plan_updated"}:
            self._take_plan(payload.get("plan") or payload)
        elif kind == "node_start":
            self._mark(node_id, "awaiting_human" if payload.get("executorType") == "human" else "running")
        elif kind in STATE_AFTER:
            self._mark(node_id, STATE_AFTER[kind], payload.get("durationMs"))
        elif kind == "hitl_request":
            self._mark(node_id, "awaiting_hitl")
            self.asked[payload["request"]["id"]] = payload["request"]
        elif kind == "hitl_resolved":
            self.asked.pop(payload["request"]["id"], None)
        elif kind == "complete":
            self.end = payload
        self.last = describe(frame)
        return self.last

    def renderable(self) -> RenderableType:
        """Return the plan as a table with the last step under it."""
        table = plan_table(self.rows.values(), title=f"Run {self.run_id or '…'} · plan {self.version or '…'}")
        return Group(table, Text(self.last, style="dim", overflow="ellipsis", no_wrap=True))

    def _take_plan(self, plan: Mapping[str, Any]) -> None:
        self.version = int(plan.get("version") or self.version)
        known, self.rows = self.rows, {row.node_id: row for row in rows_of(plan)}
        for node_id in known.keys() & self.rows.keys():
            row, before = self.rows[node_id], known[node_id]
            row.state, row.seconds = before.state, before.seconds

    def _mark(self, node_id: str | None, state: str, milliseconds: float | None = None) -> None:
        row = self.rows.get(node_id or "")
        if row is not None:
            row.state = state
            if milliseconds is not None:
                row.seconds = milliseconds / 1000


def rows_of(plan: Mapping[str, Any]) -> Iterator[NodeRow]:
    """Yield the rows of a plan in its order, each with the nodes that it follows."""
    edges = plan.get("edges") or []
    for node in plan["nodes"]:
        node_id = node["id"]
        yield NodeRow(
            node_id=node_id,
            label=node.get("label") or node_id,
            kind=node.get("kind") or "",
            capability=node.get("capabilityId") or ("a person" if node.get("kind") == "fallback" else "built in"),
            after=tuple(edge["from"] for edge in edges if edge["to"] == node_id),
        )


def plan_table(rows: Iterable[NodeRow], title: str) -> Table:
    """Return the plan as a table that fits a narrow terminal: what follows what is told by indenting."""
    table = Table(title=title, title_justify="left")
    for heading in ("", "node", "kind", "capability", "time"):
        table.add_column(heading, justify="right" if heading == "time" else "left", no_wrap=True)
    depths: dict[str, int] = {}
    for row in rows:
        depths[row.node_id] = 1 + max((depths.get(parent, 0) for parent in row.after), default=-1)
        style = STYLES.get(row.state, "")
        table.add_row(
            Text(MARKS.get(row.state, "!"), style=style),
            Text("  " * depths[row.node_id] + row.node_id, style=style),
            row.kind,
            row.capability.rpartition(".")[2],
            "" if row.seconds is None else f"{row.seconds:.2f} s",
        )
    return table


def plan_lines(rows: Iterable[NodeRow]) -> Iterator[str]:
    """Yield a plan as plain text."""
    for row in rows:
        follows = f" after {', '.join(row.after)}" if row.after else ""
        yield f"  {row.node_id} [{row.kind}] {row.capability}{follows}"


def describe(frame: Frame) -> str:
    """Return what a frame says in one line."""
    payload = frame.get("payload") or {}
    parts = [f"{frame.get('id', '-'):>4}", frame["type"], frame.get("nodeId") or "", _detail(frame["type"], payload)]
    return " ".join(part for part in (*parts, frame.get("message") or "") if part)


def _detail(kind: str, payload: Mapping[str, Any]) -> str:
    tell = _DETAILS.get(kind)
    return "" if tell is None else tell(payload)


def _of_plan(payload: Mapping[str, Any]) -> str:
    plan, why = payload.get("plan") or payload, (payload.get("trigger") or {}).get("reason")
    because = f" because of {why}" if why else ""
    return f"version {plan.get('version')}{because}, {len(plan.get('nodes') or [])} nodes"


def _of_branches(payload: Mapping[str, Any]) -> str:
    labels = [str(branch.get("label")) for branch in payload.get("branches") or []]
    return f"into {', '.join(labels)} because of {payload.get('reason')}"


def _of_rejection(payload: Mapping[str, Any]) -> str:
    return "; ".join(str(finding.get("message")) for finding in (payload.get("diagnostics") or [])[:MOST_TOLD])


def _of_failure(payload: Mapping[str, Any]) -> str:
    error = payload.get("error") or {}
    return str(payload.get("reason") or error.get("message") or payload.get("message") or "")


def _of_findings(payload: Mapping[str, Any]) -> str:
    found = (payload.get("errors") or [])[:MOST_TOLD]
    return "; ".join(f"{p.get('pointer') or p.get('instancePath') or '/'}: {p.get('message')}" for p in found)


def _of_end(payload: Mapping[str, Any]) -> str:
    return " ".join(str(part) for part in (payload.get("status"), payload.get("reason")) if part)


_DETAILS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "plan_generated": _of_plan,
    "plan_updated": _of_plan,
    "plan_branch": _of_branches,
    "plan_rejected": _of_rejection,
    "plan_fallback": lambda payload: str(payload.get("reason") or ""),
    "node_skipped": lambda payload: str(payload.get("reason") or ""),
    "node_complete": lambda payload: f"in {payload.get('durationMs', 0)} ms",
    "node_error": _of_failure,
    "node_retry": _of_failure,
    "validation_error": _of_findings,
    "complete": _of_end,
}


def output_lines(output: Any, columns: int | None = None) -> Iterator[str]:
    """Yield a run's result as text: lists of objects item by item with their field names, the rest as JSON.

    With `columns` long texts are wrapped beside their field's name; without it a paragraph is one line.
    """
    members = output if isinstance(output, dict) else {"output": output}
    for name, value in members.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            for number, item in enumerate(value, 1):
                yield f"{name} {number} of {len(value)}"
                yield from _field_lines(item, columns)
        elif isinstance(value, dict):
            yield name
            yield from _field_lines(value, columns)
        else:
            yield f"{name}: {_text(value)}"


def _field_lines(item: Mapping[str, Any], columns: int | None) -> Iterator[str]:
    width = max((len(key) for key in item), default=0)
    for key, value in item.items():
        first, *rest = _wrapped(_text(value), None if columns is None else columns - width - 4) or [""]
        yield f"  {key:<{width}}  {first}"
        yield from (f"  {'':<{width}}  {line}".rstrip() for line in rest)


def _wrapped(text: str, columns: int | None) -> list[str]:
    if columns is None or columns < NARROWEST:
        return text.splitlines()
    return [line for paragraph in text.splitlines() for line in textwrap.wrap(paragraph, columns) or [""]]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def error_lines(end: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a run did not complete."""
    error = end.get("error")
    if isinstance(error, Mapping):
        yield f"{error.get('code', 'error')}: {error.get('message', '')}"
        if remedy := error.get("remedy") or error.get("suggestion"):
            yield f"  {remedy}"
    elif error:
        yield str(error)
    elif end.get("reason"):
        yield f"reason: {end['reason']}"


def simple_table(headings: Sequence[str], rows: Iterable[Sequence[str]], console: Console) -> None:
    """Print a table: drawn on a terminal, tab-separated in plain text."""
    if not console.is_terminal:
        for row in rows:
            click.echo("\t".join(row), file=console.file)
        return
    table = Table(*headings)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
