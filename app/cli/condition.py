"""`flex condition TEXT`: what a condition says in its other forms, or a caret under each fault."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from models.catalogue import catalogue
from planner.vocabulary import vocabulary_of
from policies.conditions import Condition, ConditionError, bare_payload, draw_caret, evaluate, parse
from policies.strict_json import StrictJSONError, loads

EXIT_INVALID = 1


class JsonText(click.ParamType[tuple[Any]]):
    """A JSON value on the command line, alone in a tuple, since null is one too."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any]:
        try:
            return (loads(value),)
        except StrictJSONError as error:
            return self.fail(error.message, param, ctx)


@click.command()
@click.argument("text")
@click.option("--facet", help="Bare names are members of this facet, as in goals and guards.")
@click.option("--payload", type=JsonText(), help="Also evaluate the condition on this JSON.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output, nothing else.")
def condition(text: str, facet: str | None, payload: tuple[Any] | None, *, as_json: bool) -> None:
    """Check a condition and print its other forms; of a bad one, every fault with a caret under it."""
    vocabulary = vocabulary_of(catalogue())
    if facet is not None and facet not in vocabulary.schemas:
        raise click.BadParameter(f"no facet is called {facet}.", param_hint="--facet")
    schema = None if facet is None else vocabulary.schemas[facet]
    try:
        found = parse(text, vocabulary.catalog, bare_schema=schema)
    except ConditionError as error:
        click.echo(json.dumps({"errors": error.as_json()}, indent=2) if as_json else fault_text(error))
        sys.exit(EXIT_INVALID)
    answer = found.as_json()
    if payload is not None:
        value = payload[0] if facet is None else bare_payload(payload[0])
        answer["verdict"] = evaluate(found, value).as_json()
    click.echo(json.dumps(answer, ensure_ascii=False, indent=2) if as_json else condition_text(found, answer))


def fault_text(error: ConditionError) -> str:
    """Return each fault with its line, its carets and its suggestion."""
    told = []
    for found in error.diagnostics:
        start = found.range.start
        told.append(f"line {start.line}, column {start.column}: {found.code}: {found.message}")
        told.append("\n".join(f"  {line}" for line in draw_caret(error.text, found).split("\n")))
        if found.suggestion is not None:
            told.append(f"  did you mean {found.suggestion}?")
    return "\n".join(told)


def condition_text(found: Condition, answer: dict[str, Any]) -> str:
    told = [f"canonical   {found.canonical_dsl}", f"JSON-Logic  {json.dumps(answer['jsonLogic'], ensure_ascii=False)}"]
    told += [f"reads       {path}" for path in found.variables]
    told += [f"warning     {warning.message}" for warning in found.warnings]
    verdict = answer.get("verdict")
    if verdict is not None:
        reason = f" ({verdict['reason']})" if "reason" in verdict else ""
        told.append(f"verdict     {json.dumps(verdict['value']).strip(chr(34))}{reason}")
        told += [
            f"observed    {path} = {json.dumps(value, ensure_ascii=False)}"
            for path, value in verdict["observed"].items()
        ]
    return "\n".join(told)
