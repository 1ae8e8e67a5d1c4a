"""`flex keys` and `flex audit`: who may call this server, and who changed what."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console

from app.cli.database import reachable_database
from app.cli.display import simple_table
from app.cli.target import note, running_server, url_option
from models.database import database_errors, make_engine
from models.events.frames import timestamp_text
from models.migrate import current, upgrade
from models.repositories.audit import Deed
from models.repositories.keys import SCOPES, ApiKey
from models.scope import DEFAULT_TENANT
from models.unit_of_work import UnitOfWork

MAX_DAYS = 36_500
MAX_ROWS = 200

json_option = click.option("--json", "as_json", is_flag=True, help="JSON on standard output, nothing else.")


class Scopes(click.ParamType[tuple[str, ...]]):
    """A comma-separated list of scopes."""

    name = "scopes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        named = tuple(part.strip() for part in str(value).split(",") if part.strip())
        unknown = [name for name in named if name not in SCOPES]
        if unknown or not named:
            self.fail(f"{', '.join(unknown) or 'nothing'}: scopes are {', '.join(SCOPES)}.", param, ctx)
        return named


@click.group()
def keys() -> None:
    """Make, list and revoke API keys.

    Scopes: `run` submits and reads runs, `operate` reads and cancels them and answers their questions, `agent`
    registers capabilities, `admin` reads the audit. As long as there is no key and no FLEX_API_KEY, a server on this
    machine serves everyone; from the first key on, every caller needs one, also after it was revoked.
    """


@keys.command()
@click.option("--label", required=True, metavar="TEXT", help="What the key is for.")
@click.option("--scopes", required=True, type=Scopes(), metavar="LIST", help=f"Some of {','.join(SCOPES)}.")
@click.option("--tenant", default=DEFAULT_TENANT, show_default=True, help="Whose things the key is for.")
@click.option("--expires", type=click.FloatRange(0, MAX_DAYS, min_open=True), metavar="DAYS", help="Days; else never.")
@json_option
def create(label: str, scopes: tuple[str, ...], tenant: str, expires: float | None, *, as_json: bool) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    if not label.strip() or not tenant.strip() or tenant == "*" or "\x00" in label + tenant:
        raise click.UsageError("give a label and a tenant with at least one letter; `*` is no tenant.")
    with own_unit(tenant) as unit:
        made, text = unit.keys.create(label=label, scopes=scopes, days=expires)
        unit.audit.append(_deed("createKey", made, 201))
    if as_json:
        click.echo(json.dumps({**as_document(made), "key": text}, indent=2))
        return
    click.echo(text)
    until = f", until {timestamp_text(made.expires_at)}" if made.expires_at else ""
    note(f"key {made.prefix} for {made.label} ({', '.join(made.scopes)}; tenant {made.tenant_id}{until})")
    note("Keep it now, it is not shown again. Callers send `Authorization: Bearer <key>`; `flex` takes FLEX_API_KEY.")


@keys.command("list")
@json_option
def list_keys(*, as_json: bool) -> None:
    """List keys, the newest first; their secrets are kept nowhere."""
    with own_unit(None) as unit:
        documents = [as_document(key) for key in unit.keys.list()]
    if as_json:
        click.echo(json.dumps({"data": documents, "nextCursor": None}, indent=2))
        return
    if not documents:
        note("There is no key; `flex keys create` makes one.")
    names = ("prefix", "state", "label", "scopes", "tenant", "created", "expires", "used")
    rows = (
        (
            *(one["prefix"], one["state"], one["label"], ",".join(one["scopes"]), one["tenant"], one["createdAt"]),
            *(one["expiresAt"] or "never", one["lastUsedAt"] or "never"),
        )
        for one in documents
    )
    simple_table(names, rows, Console(highlight=False))


@keys.command()
@click.argument("key", metavar="PREFIX")
def revoke(key: str) -> None:
    """Revoke a key, named by its prefix or id; from now on it opens nothing."""
    with own_unit(None) as unit:
        revoked = unit.keys.revoke(key)
        UnitOfWork(unit.keys.connection, revoked.tenant_id).audit.append(_deed("revokeKey", revoked, 200))
    click.echo(f"{revoked.prefix} revoked")


@click.command()
@click.option("--operation", metavar="NAME", help="Only this operation, such as cancelRun.")
@click.option("--target", metavar="ID", help="Only what was done to this run, request, capability or key.")
@click.option("--limit", type=click.IntRange(1, MAX_ROWS), default=20, show_default=True)
@click.option("--cursor", help="Where the last page ended.")
@url_option
@json_option
def audit(*, url: str | None, as_json: bool, **filters: Any) -> None:
    """Show who changed what, the newest first; refused attempts too."""
    with running_server(url) as client:
        page = client.audit(**filters)
    if as_json:
        click.echo(json.dumps(page, ensure_ascii=False, indent=2))
        return
    rows = (
        (one["at"], one["operation"], str(one["status"]), one["target"] or "-", _who(one), one["peer"] or "-")
        for one in page["data"]
    )
    simple_table(("at", "operation", "status", "target", "who", "from"), rows, Console(highlight=False))
    if page["nextCursor"]:
        note(f"more with --cursor {page['nextCursor']}")


@contextmanager
def own_unit(tenant: str | None) -> Iterator[UnitOfWork]:
    """Open a transaction on the database in use here, with its tables made when it is new."""
    with reachable_database() as url, database_errors():
        if current(url) is None:
            upgrade(url)
        engine = make_engine(url, pool_size=1, application="flex-cli")
        try:
            with engine.begin() as connection:
                yield UnitOfWork(connection, tenant)
        finally:
            engine.dispose()


def as_document(key: ApiKey) -> dict[str, Any]:
    """Return what is known of a key; its secret is not."""
    return {
        "keyId": key.key_id,
        "prefix": key.prefix,
        "label": key.label,
        "scopes": list(key.scopes),
        "tenant": key.tenant_id,
        "state": key.state,
        "createdAt": timestamp_text(key.created_at),
        "expiresAt": _moment(key.expires_at),
        "revokedAt": _moment(key.revoked_at),
        "lastUsedAt": _moment(key.last_used_at),
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else timestamp_text(at)


def _deed(operation: str, key: ApiKey, status: int) -> Deed:
    return Deed(operation, status, target=key.key_id, operator={"id": getpass.getuser()}, peer="command line")


def _who(row: dict[str, Any]) -> str:
    operator = row["operator"] or {}
    named = operator.get("displayName") or operator.get("id") or operator.get("email")
    return " as ".join(part for part in (row["keyPrefix"], named) if part) or "-"
