"""Questions to everything that Flex leans on: does it answer, and is it as it must be."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import openai
import redis
from openai import OpenAI
from sqlalchemy.exc import ProgrammingError

from models.builtins import builtin_capabilities
from models.database import database_errors, engine
from models.errors import DatabaseUnavailableError
from models.events.bus import SilentBus
from models.events.doorbell import live_bus
from models.migrate import head
from models.settings import Settings
from models.unit_of_work import open_unit
from planner.contracts.capabilities import Capability

QUEUES = ("nodes", "control")
CANARY_SECONDS = 120.0
"""A worker that has not finished a canary for this long is taken as gone."""
OPENAI_SECONDS = 15.0

Finding = dict[str, Any]


def check_database() -> Finding:
    """Return {ok, error?}."""
    try:
        _ask("SELECT 1")
    except DatabaseUnavailableError as error:
        return {"ok": False, "error": error.message}
    return {"ok": True}


def check_migrations() -> Finding:
    """Return {ok, current, head}: whether the tables are those that this version knows."""
    try:
        found = _ask("SELECT version_num FROM alembic_version")
    except (DatabaseUnavailableError, ProgrammingError):
        found = None
    return {"ok": found is not None and found == _head(), "current": found, "head": _head()}


def check_builtins() -> Finding:
    """Return {ok, missing}: the built-in capabilities that the settings want and the registry lacks."""
    wanted = [one.capability_id for one in _builtins()]
    try:
        with open_unit(tenant=None) as unit:
            active = {one.capability_id for one in unit.capabilities.snapshot().active()}
    except DatabaseUnavailableError:
        return {"ok": False, "missing": wanted}
    missing = [capability_id for capability_id in wanted if capability_id not in active]
    return {"ok": not missing, "missing": missing}


def check_redis() -> Finding:
    """Return {ok, error?}; runs go on without Redis, only slower."""
    bus = live_bus()
    if isinstance(bus, SilentBus):
        return {"ok": False, "error": "REDIS_URL is not set"}
    try:
        bus.tail()
    except redis.RedisError as error:
        return {"ok": False, "error": type(error).__name__}
    return {"ok": True}


def check_workers() -> Finding:
    """Return {ok, queues: {name: seconds since the last canary, None if there was none}}."""
    try:
        with open_unit(tenant=None) as unit:
            found = {queue: unit.canaries.last_finished(queue) for queue in QUEUES}
    except (DatabaseUnavailableError, ProgrammingError):
        found = dict.fromkeys(QUEUES)
    ages = {queue: None if seen is None else round(seen[1], 1) for queue, seen in found.items()}
    return {"ok": all(age is not None and age < CANARY_SECONDS for age in ages.values()), "queues": ages}


def check_openai(settings: Settings) -> Finding:
    """Return {ok, configured, model, durationMs, reply|error}; with a key this spends one small model call."""
    found: Finding = {"ok": False, "configured": bool(settings.openai_api_key), "model": settings.openai_default_model}
    if not settings.openai_api_key:
        return {**found, "durationMs": 0, "error": "OPENAI_API_KEY is not set: the offline provider writes"}
    client = OpenAI(
        api_key=settings.openai_api_key, base_url=settings.openai_base_url, timeout=OPENAI_SECONDS, max_retries=0
    )
    begun = time.monotonic()
    try:
        answer = client.chat.completions.create(
            model=settings.openai_default_model, messages=[{"role": "user", "content": "Answer with the word ok."}]
        )
        found |= {"ok": True, "reply": answer.choices[0].message.content if answer.choices else None}
    except openai.OpenAIError as error:
        found["error"] = type(error).__name__
    finally:
        client.close()
    return {**found, "durationMs": round((time.monotonic() - begun) * 1000)}


def _ask(statement: str) -> Any:
    """Return the one value that a statement without a tenant gives. Raises DatabaseUnavailableError."""
    with database_errors(), engine().connect() as connection:
        return connection.exec_driver_sql(statement).scalar()


@cache
def _builtins() -> tuple[Capability, ...]:
    return builtin_capabilities()


@cache
def _head() -> str | None:
    return head()
