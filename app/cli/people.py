"""Commands for people: what waits for an answer, and giving one."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import Console

from app.cli.display import simple_table
from app.cli.files import JsonFile, json_option
from app.cli.target import note as say
from app.cli.target import running_server, url_option

note_option = click.option("--note", help="A remark that is kept with the answer.")


@click.command()
@url_option
@json_option
def inbox(url: str | None, *, as_json: bool) -> None:
    """List the questions that wait for a person, the newest first."""
    with running_server(url) as client:
        waiting = client.pending_requests()
    if as_json:
        click.echo(json.dumps(waiting, ensure_ascii=False, indent=2))
        return
    if not waiting:
        say("Nothing waits for a person.")
    requests = [entry["pendingRequest"] for entry in waiting]
    rows = ((r["id"], r["pendingNodeId"] or "", _choices(r), r["payload"]["question"]) for r in requests)
    simple_table(("request", "node", "answers", "question"), rows, Console(highlight=False))


@click.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--output", type=JsonFile("rb"), metavar="FILE|-", help="The node's output as JSON, keyed by property.")
@note_option
@url_option
def approve(request_id: str, output: Any, note: str | None, url: str | None) -> None:
    """Approve a request, with the output that it asks for; a fallback without one takes its candidate."""
    _answer(url, request_id, {"approved": True, **({} if output is None else {"output": output})}, note)


@click.command()
@click.argument("request_id", metavar="REQUEST")
@click.option("--reason", help="Why; the run tells it.")
@note_option
@url_option
def reject(request_id: str, reason: str | None, note: str | None, url: str | None) -> None:
    """Reject a request; what it is about ends as failed."""
    _answer(url, request_id, {"approved": False, **({"freeformText": reason} if reason else {})}, note)


@click.command()
@click.argument("request_id", metavar="REQUEST")
@click.argument("words", metavar="[TEXT]", required=False)
@click.option("--option", metavar="ID", help="One of the options that the request offers.")
@note_option
@url_option
def answer(request_id: str, words: str | None, option: str | None, note: str | None, url: str | None) -> None:
    """Answer a request in words, or with one of the options that it offers."""
    if (words is None) == (option is None):
        raise click.UsageError("give a text, or --option with one of the options of the request.")
    _answer(url, request_id, {"freeformText": words} if words is not None else {"selectedOptionId": option}, note)


def _answer(url: str | None, request_id: str, response: dict[str, Any], note: str | None) -> None:
    with running_server(url) as client:
        told = client.answer(request_id, response, note)
    click.echo(f"{request_id} {told['decision']['kind']}; run {told['runId']} goes on")


def _choices(request: dict[str, Any]) -> str:
    """Return what may be answered, in a few words."""
    payload = request["payload"]
    options = [option["id"] for option in payload.get("options", ())]
    return ", ".join(options) or ("a text" if payload["kind"] == "clarify" else "approve, reject")
