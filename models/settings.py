"""Every setting of Flex, read once from the environment and refused by name when it is wrong.

This is the only module that looks at the environment. `VARIABLES` is the whole list: one row per variable with the
field that it fills, the values that it allows in words, and its reader. An empty value counts as absent, so that
compose files may pass variables through.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from environs import Env, EnvError, validate

from policies.errors import FlexError

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
DATABASE_SCHEME = "postgresql+psycopg2"


class SettingsError(FlexError):
    """The environment holds settings that Flex cannot start with; each is named with the values that it allows."""

    code = "invalid_settings"

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process. Durations are in the unit that the field's name says."""

    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    data_dir: Path
    server_host: str
    server_port: int
    api_key: str | None = field(repr=False)
    cors_allow_origins: tuple[str, ...]
    openai_api_key: str | None = field(repr=False)
    openai_base_url: str | None
    openai_default_model: str
    planner_model: str
    planner_mode: Literal["static", "deterministic", "hybrid"]
    policies_enabled: bool
    agents_popup: bool
    dev_sandbox: bool
    builtin_capabilities: str | tuple[str, ...]
    facets_dir: Path | None
    agent_hosts: tuple[str, ...]
    capability_cache_ttl_ms: int
    crcs_max_rows: int
    post_condition_max_retries: int
    goal_condition_replan_limit: int
    human_assignment_timeout_seconds: float
    hitl_max_requests: int
    lease_seconds: float
    sweep_seconds: float
    flower_port: int
    flower_password: str | None = field(repr=False)
    lane_nodes: int
    worker_threads: int
    worker_processes: int
    max_envelope_bytes: int
    max_streams: int
    max_streams_per_key: int
    max_waiting_runs: int
    requests_per_minute: int
    log_level: str
    log_format: Literal["json", "text"]
    otlp_endpoint: str | None
    fault: str | None
    test_mode: bool

    def wants_builtin(self, capability_id: str) -> bool:
        """Tell whether `FLEX_BUILTIN_CAPABILITIES` lets this built-in capability register itself."""
        if isinstance(self.builtin_capabilities, tuple):
            return capability_id in self.builtin_capabilities
        return self.builtin_capabilities == "all"


class _MappedEnv(Env):
    """The library's reader over a given mapping, so that a test or a supervisor can hand one in."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._given = environ

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._given.get(env_key, default)


Reader = Callable[[Env, str], Any]


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: its name, the field that it fills, what it allows, and how it is read."""

    name: str
    field: str
    allowed: str
    read: Reader


def _text(default: str | None = None, pattern: str | None = None) -> Reader:
    check = None if pattern is None else validate.Regexp(pattern)
    return lambda env, name: env.str(name, default, validate=check)


def _whole(default: int, low: int, high: int) -> Reader:
    return lambda env, name: env.int(name, default, validate=validate.Range(low, high))


def _decimal(default: float, low: float, high: float) -> Reader:
    return lambda env, name: env.float(name, default, validate=validate.Range(low, high))


def _switch(*, default: bool) -> Reader:
    on, off = {"on", "true", "1"}, {"off", "false", "0"}
    return lambda env, name: env.str(name, "on" if default else "off", validate=validate.OneOf(on | off)) in on


def _choice(default: str | None, *values: str) -> Reader:
    return lambda env, name: env.str(name, default, validate=validate.OneOf(values))


def _names(pattern: str) -> Reader:
    """Read a comma-separated list whose every entry fits the pattern."""

    def read(env: Env, name: str) -> tuple[str, ...]:
        entries = tuple(entry.strip() for entry in env.str(name, "").split(",") if entry.strip())
        if not all(re.fullmatch(pattern, entry) for entry in entries):
            raise ValueError(name)
        return entries

    return read


def _builtins(env: Env, name: str) -> str | tuple[str, ...]:
    text = env.str(name, "all")
    return text if text in {"all", "none"} else tuple(_names(r"[A-Za-z][\w.\-]*")(env, name))


def _folder(env: Env, name: str) -> Path | None:
    text = env.str(name, None)
    if text is None:
        return None
    folder = Path(text).expanduser().absolute()
    if not folder.is_dir():
        raise ValueError(name)
    return folder


def _data_dir(env: Env, name: str) -> Path:
    folder = Path(env.str(name, ".flex")).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise ValueError(name)
    return folder


def _database(env: Env, name: str) -> str | None:
    text = env.str(name, None)
    return None if text is None else normalise_database_url(text)


def _redis(env: Env, name: str) -> str | None:
    text = env.str(name, None)
    if text is not None:
        broker_url(text)
    return text


_WEB_ADDRESS = r"https?://[^\s/]+(/\S*)?"
_ORIGIN = r"\*|https?://[^\s/*]+"
_HOST = r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.\-]+)(:\d{1,5})?"
_ON_OFF = "on or off"
_LEVELS = ("debug", "info", "warning", "error", "critical")

VARIABLES: tuple[Variable, ...] = (
    Variable("DATABASE_URL", "database_url", "an address postgresql://user:password@host/database", _database),
    Variable(
        "REDIS_URL", "redis_url", "an address redis://host:port/0, rediss://… or unix://:password@/path?db=0", _redis
    ),
    Variable("FLEX_DATA_DIR", "data_dir", "a folder, or a path where one can be made", _data_dir),
    Variable("FLEX_SERVER_HOST", "server_host", "a host name or address", _text("127.0.0.1", r"^[\w.:\-]+$")),
    Variable("FLEX_SERVER_PORT", "server_port", "a whole number from 1 to 65535", _whole(3003, 1, 65535)),
    Variable("FLEX_API_KEY", "api_key", "a secret of at least 8 characters without spaces", _text(None, r"^\S{8,}$")),
    Variable(
        "CORS_ALLOW_ORIGINS",
        "cors_allow_origins",
        "a comma-separated list of origins such as https://app.example.com, or *",
        _names(_ORIGIN),
    ),
    Variable("OPENAI_API_KEY", "openai_api_key", "a key without spaces", _text(None, r"^\S+$")),
    Variable(
        "OPENAI_BASE_URL", "openai_base_url", "an http:// or https:// address", _text(None, rf"^(?:{_WEB_ADDRESS})$")
    ),
    Variable("FLEX_OPENAI_DEFAULT_MODEL", "openai_default_model", "a model's name", _text("gpt-5", r"^\S+$")),
    Variable("FLEX_PLANNER_MODEL", "planner_model", "a model's name", _text(None, r"^\S+$")),
    Variable(
        "FLEX_PLANNER_MODE",
        "planner_mode",
        "static, deterministic or hybrid",
        _choice(None, "static", "deterministic", "hybrid"),
    ),
    Variable("FLEX_POLICIES", "policies_enabled", _ON_OFF, _switch(default=True)),
    Variable("USE_FLEX_AGENTS_POPUP", "agents_popup", _ON_OFF, _switch(default=True)),
    Variable("USE_FLEX_DEV_SANDBOX", "dev_sandbox", _ON_OFF, _switch(default=False)),
    Variable(
        "FLEX_BUILTIN_CAPABILITIES",
        "builtin_capabilities",
        "all, none, or a comma-separated list of capability ids",
        _builtins,
    ),
    Variable("FLEX_FACETS_DIR", "facets_dir", "an existing folder of facet files", _folder),
    Variable("FLEX_AGENT_HOSTS", "agent_hosts", "a comma-separated list of host or host:port", _names(_HOST)),
    Variable(
        "FLEX_CAPABILITY_CACHE_TTL_MS",
        "capability_cache_ttl_ms",
        "a whole number of milliseconds from 0 to 3600000",
        _whole(5000, 0, 3_600_000),
    ),
    Variable("FLEX_PLANNER_CRCS_MAX_ROWS", "crcs_max_rows", "a whole number from 1 to 10000", _whole(80, 1, 10_000)),
    Variable(
        "FLEX_CAPABILITY_POST_CONDITION_MAX_RETRIES",
        "post_condition_max_retries",
        "a whole number from 0 to 100",
        _whole(1, 0, 100),
    ),
    Variable(
        "FLEX_GOAL_CONDITION_REPLAN_LIMIT",
        "goal_condition_replan_limit",
        "a whole number from 0 to 100",
        _whole(2, 0, 100),
    ),
    Variable(
        "FLEX_HUMAN_ASSIGNMENT_TIMEOUT_SECONDS",
        "human_assignment_timeout_seconds",
        "a number of seconds from 1 to 31536000",
        _decimal(900, 1, 31_536_000),
    ),
    Variable("HITL_MAX_REQUESTS", "hitl_max_requests", "a whole number from 1 to 1000", _whole(3, 1, 1000)),
    Variable("FLEX_LEASE_SECONDS", "lease_seconds", "a number of seconds from 0.5 to 3600", _decimal(15, 0.5, 3600)),
    Variable("FLEX_SWEEP_SECONDS", "sweep_seconds", "a number of seconds from 0.2 to 3600", _decimal(5, 0.2, 3600)),
    Variable("FLEX_FLOWER_PORT", "flower_port", "a whole number from 1 to 65535", _whole(5555, 1, 65535)),
    Variable(
        "FLEX_FLOWER_PASSWORD",
        "flower_password",
        "a secret without spaces, colons or commas",
        _text(None, r"^[^\s:,]+$"),
    ),
    Variable("FLEX_LANE_NODES", "lane_nodes", "a whole number from 1 to 10000", _whole(16, 1, 10_000)),
    Variable("FLEX_WORKER_THREADS", "worker_threads", "a whole number from 1 to 1000", _whole(64, 1, 1000)),
    Variable("FLEX_WORKER_PROCESSES", "worker_processes", "a whole number from 1 to 64", _whole(1, 1, 64)),
    Variable(
        "FLEX_MAX_ENVELOPE_BYTES",
        "max_envelope_bytes",
        "a whole number of bytes from 1024 to 104857600",
        _whole(1_048_576, 1024, 104_857_600),
    ),
    Variable("FLEX_MAX_STREAMS", "max_streams", "a whole number from 1 to 9000", _whole(9000, 1, 9000)),
    Variable("FLEX_MAX_STREAMS_PER_KEY", "max_streams_per_key", "a whole number from 1 to 9000", _whole(5000, 1, 9000)),
    Variable(
        "FLEX_MAX_WAITING_RUNS", "max_waiting_runs", "a whole number from 1 to 1000000", _whole(10_000, 1, 1_000_000)
    ),
    Variable(
        "FLEX_REQUESTS_PER_MINUTE",
        "requests_per_minute",
        "a whole number from 1 to 100000000",
        _whole(60_000, 1, 100_000_000),
    ),
    Variable("FLEX_LOG_LEVEL", "log_level", ", ".join(_LEVELS), _choice("info", *_LEVELS)),
    Variable("FLEX_LOG_FORMAT", "log_format", "json or text", _choice(None, "json", "text")),
    Variable(
        "FLEX_OTLP_ENDPOINT",
        "otlp_endpoint",
        "an http:// or https:// address of a collector",
        _text(None, r"^https?://[^\s/]+/?$"),
    ),
    Variable("FLEX_FAULT", "fault", "the name of a fault point, only together with FLEX_TEST=1", _text(None)),
    Variable("FLEX_TEST", "test_mode", "0 or 1", _switch(default=False)),
)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings that the environment gives, with defaults for the rest.

    Raises `SettingsError` with one line for every variable that is unknown or malformed.
    """
    source = os.environ if environ is None else environ  # noqa: TID251 - this module is the one that may
    given = {name: value.strip() for name, value in source.items() if value.strip()}
    env = _MappedEnv(given)
    problems = _unknown_variables(given)
    values: dict[str, Any] = {}
    for variable in VARIABLES:
        try:
            values[variable.field] = variable.read(env, variable.name)
        except (EnvError, ValueError):
            problems.append(f"{variable.name}: the value given is not allowed; give {variable.allowed}.")
    if not problems:
        _fill_dependent_defaults(values)
        problems = _contradictions(values)
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


@cache
def get_settings() -> Settings:
    """Return this process's settings, read once. Raises `SettingsError`."""
    return load_settings()


def _unknown_variables(given: Mapping[str, str]) -> list[str]:
    known = [variable.name for variable in VARIABLES]
    problems = []
    for name in sorted(given):
        if name.startswith("FLEX_") and name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
            problems.append(f"{name}: there is no such setting; {hint}")
    return problems


def _fill_dependent_defaults(values: dict[str, Any]) -> None:
    values["planner_model"] = values["planner_model"] or values["openai_default_model"]
    values["planner_mode"] = values["planner_mode"] or ("hybrid" if values["openai_api_key"] else "deterministic")
    values["log_format"] = values["log_format"] or ("text" if sys.stderr.isatty() else "json")


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    problems = []
    if values["fault"] and not values["test_mode"]:
        problems.append("FLEX_FAULT: fault points exist only with FLEX_TEST=1; unset it or set FLEX_TEST=1.")
    if values["server_host"] not in LOOPBACK_HOSTS and not values["api_key"]:
        problems.append(
            "FLEX_API_KEY: required when FLEX_SERVER_HOST is not a loopback address "
            f"({', '.join(LOOPBACK_HOSTS)}); give a secret of at least 8 characters."
        )
    return problems


def normalise_database_url(url: str) -> str:
    """Return the address in the form that SQLAlchemy opens with psycopg2. Raises `ValueError` for other databases.

    SQLAlchemy 2.1 takes a bare `postgresql://` for psycopg 3, which is not installed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in {"postgres", "postgresql", DATABASE_SCHEME} or not rest:
        raise ValueError(url)
    return f"{DATABASE_SCHEME}://{rest}"


def broker_url(redis_url: str) -> str:
    """Return Celery's spelling of a redis-py address; only sockets differ. Raises `ValueError` for other schemes."""
    parts = urlsplit(redis_url)
    if parts.scheme in {"redis", "rediss"} and parts.hostname:
        return redis_url
    if parts.scheme == "unix" and parts.path:
        database = parse_qs(parts.query).get("db", ["0"])[0]
        return f"redis+socket://{parts.netloc}{parts.path}?virtual_host={database}"
    raise ValueError(redis_url)


def child_environ(overrides: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment with some variables changed, for a process that it starts."""
    return {**os.environ, **overrides}  # noqa: TID251 - this module is the one that may
