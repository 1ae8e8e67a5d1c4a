"""Commands about runs: submit, watch, plan, list, plan anew, cancel."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from app.cli.display import RunView, error_lines, output_lines, plan_lines, simple_table
from app.cli.explain import explanation_lines, explanation_tree
from app.cli.files import JsonFile, json_option
from app.cli.target import any_server, running_server, url_option
from app.cli.target import note as say
from app.client import ClientError, FlexClient, Frame

EXIT_CODES = {"completed": 0, "failed": 1, "cancelled": 1, "waiting": 3}
OPEN_STATES = ("pending", "planning", "running", "awaiting_hitl", "awaiting_human", "paused")
PAGE = 200


@click.command()
@click.argument("envelope", metavar="FILE|-", type=JsonFile("rb"))
@url_option
@json_option
def run(envelope: Any, url: str | None, *, as_json: bool) -> None:
    """Run an envelope and show plan, progress and result; `--json` prints the frames, one per line."""
    with any_server(url) as client:
        code = _show(client.run_stream(envelope), as_json=as_json)
    sys.exit(code)


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Start behind this sequence number.")
@url_option
@json_option
def watch(run_id: str, after: int, url: str | None, *, as_json: bool) -> None:
    """Show a run from its first frame on, until it ends."""
    with running_server(url) as client:
        code = _show(client.events(run_id, after), as_json=as_json)
    sys.exit(code)


@click.command()
@click.argument("envelope", metavar="FILE|-", type=JsonFile("rb"))
@url_option
@json_option
def plan(envelope: Any, url: str | None, *, as_json: bool) -> None:
    """Show the plan for an envelope without running it."""
    with any_server(url) as client:
        reply = client.plan(envelope)
    console = Console(highlight=False)
    found = reply.get("plan")
    if as_json:
        click.echo(json.dumps(reply, ensure_ascii=False, indent=2))
    elif found:
        click.echo(f"Plan: {reply['status']}, {len(found['nodes'])} nodes")
        if console.is_terminal:
            console.print(explanation_tree(reply["explanation"]))
        else:
            click.echo("\n".join(explanation_lines(reply["explanation"])))
        click.echo(f"Cost: {reply['cost']['total']}")
    if not as_json:
        for entry in _diagnostics(reply.get("diagnostics") or {}):
            click.echo(entry)
    sys.exit(0 if found else 1)


@click.command()
@click.option("--status", help="Only runs in this status.")
@click.option("--limit", type=click.IntRange(1, PAGE), default=20, show_default=True)
@url_option
@json_option
def runs(status: str | None, limit: int, url: str | None, *, as_json: bool) -> None:
    """List runs, the newest first."""
    with running_server(url) as client:
        page = client.runs(status=status, limit=limit)
    if as_json:
        click.echo(json.dumps(page, ensure_ascii=False, indent=2))
        return
    rows = ((r["runId"], _state(r), r["updatedAt"], r["objective"]) for r in page["data"])
    simple_table(("run", "status", "updated", "objective"), rows, Console(highlight=False))


@click.command()
@click.argument("run_id", metavar="RUN", required=False)
@click.option("--all", "every", is_flag=True, help="Cancel every run that has not ended.")
@click.option("--note", help="Why; it is kept with the run, in its metadata.")
@url_option
def cancel(run_id: str | None, note: str | None, url: str | None, *, every: bool) -> None:
    """Cancel a run."""
    if bool(run_id) == every:
        raise click.UsageError("name one run, or give --all.")
    with running_server(url) as client:
        if run_id:
            click.echo(f"{run_id} {client.cancel(run_id, note)['status']}")
        open_runs = list(_open_runs(client)) if every else []
        for one in open_runs:
            click.echo(f"{one} {_cancelled_if_open(client, one, note)}")
        if every and not open_runs:
            say("No run is open.")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("--note", help="Why; the new version's frame tells it.")
@url_option
def replan(run_id: str, note: str | None, url: str | None) -> None:
    """Have a run planned anew with what is registered now; finished work is kept."""
    with running_server(url) as client:
        click.echo(f"{run_id} {client.replan(run_id, note)['status']}")


def follow(frames: Iterator[Frame], console: Console) -> RunView:
    """Show a run as its frames come in, then its result; return what was seen."""
    view = RunView()
    if console.is_terminal:
        with Live(view.renderable(), console=console, auto_refresh=False) as live:
            for frame in frames:
                view.take(frame)
                live.update(view.renderable(), refresh=True)
    else:
        for frame in frames:
            click.echo(view.take(frame))
            if frame["type"] in {"plan_generated", "plan_updated"}:
                click.echo("\n".join(plan_lines(view.rows.values())))
    end = view.end or {}
    columns = console.width if console.is_terminal else None
    lines = output_lines(end["output"], columns) if end.get("status") == "completed" else error_lines(end)
    click.echo("\n".join(["", *lines]))
    return view


def _show(frames: Iterator[Frame], *, as_json: bool) -> int:
    """Show a run in the form asked for; return the exit code that tells how it stands."""
    if not as_json:
        view = follow(frames, Console(highlight=False))
        if view.end is None:
            click.echo("\n".join(_waiting(view)), err=True)
        return EXIT_CODES[(view.end or {}).get("status", "waiting")]
    status = "waiting"
    for frame in frames:
        click.echo(json.dumps(frame, ensure_ascii=False))
        if frame["type"] == "complete":
            status = frame["payload"]["status"]
    return EXIT_CODES[status]


def _waiting(view: RunView) -> Iterator[str]:
    """Yield that the run waits, and the commands that answer what it has asked."""
    yield f"run {view.run_id} waits for a person; `flex watch {view.run_id}` goes on watching it."
    for request in view.asked.values():
        yield f"\n{request['payload']['question']}"
        for command, meaning in _answers(request["id"], request["payload"]):
            yield f"  {command}" + (f"  # {meaning}" if meaning else "")


def _answers(name: str, payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the commands that answer a request, each with what it means."""
    for option in payload.get("options", ()):
        supplied = option["id"] == "supply"
        command = f"approve {name} --output FILE" if supplied else f"answer {name} --option {option['id']}"
        yield f"flex {command}", option["label"]
    if not payload.get("options") and payload["kind"] == "clarify":
        yield f"flex answer {name} TEXT", ""
    elif not payload.get("options"):
        yield f"flex approve {name} [--output FILE]", ""
        yield f"flex reject {name}", ""


def _open_runs(client: FlexClient) -> Iterator[str]:
    """Yield every run that has not ended, page by page."""
    for status in OPEN_STATES:
        cursor: str | None = None
        while True:
            page = client.runs(status=status, limit=PAGE, cursor=cursor)
            yield from (entry["runId"] for entry in page["data"])
            cursor = page["nextCursor"]
            if cursor is None:
                break


def _cancelled_if_open(client: FlexClient, run_id: str, note: str | None) -> str:
    """Cancel a run of a list; return its status, also when it ended while the list was read."""
    try:
        return str(client.cancel(run_id, note)["status"])
    except ClientError as error:
        if error.status != HTTPStatus.CONFLICT:
            raise
        return str(client.run(run_id)["run"]["status"])


def _state(entry: dict[str, Any]) -> str:
    return f"{entry['status']} ({entry['reason']})" if entry.get("reason") else str(entry["status"])


def _diagnostics(diagnostics: dict[str, Any]) -> Iterator[str]:
    for kind in ("failures", "warnings", "infos"):
        for entry in diagnostics.get(kind) or []:
            where = entry.get("nodeStage") or entry.get("facet") or entry.get("capabilityId") or ""
            yield f"{kind.removesuffix('s')}: {entry['code']} {where}: {entry['message']}"
            if entry.get("suggestion"):
                yield f"  {entry['suggestion']}"
