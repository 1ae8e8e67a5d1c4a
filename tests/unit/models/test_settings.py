"""The environment is read strictly: what is unknown or malformed is named with the remedy, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.settings import VARIABLES, SettingsError, broker_url, load_settings, normalise_database_url


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    settings = load_settings({})

    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.data_dir == Path(".flex").absolute()
    assert (settings.server_host, settings.server_port) == ("127.0.0.1", 3003)
    assert settings.planner_mode == "deterministic"
    assert settings.policies_enabled
    assert (settings.lease_seconds, settings.sweep_seconds, settings.lane_nodes) == (15, 5, 16)
    assert (settings.worker_threads, settings.worker_processes) == (64, 1)
    assert settings.max_envelope_bytes == 1_048_576


def test_a_key_for_the_model_makes_the_planner_hybrid_unless_told_otherwise() -> None:
    assert load_settings({"OPENAI_API_KEY": "k"}).planner_mode == "hybrid"
    assert load_settings({"OPENAI_API_KEY": "k", "FLEX_PLANNER_MODE": "static"}).planner_mode == "static"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://host/flex"),
        ("DATABASE_URL", "postgresql+psycopg://host/flex"),
        ("REDIS_URL", "http://host"),
        ("REDIS_URL", "redis://"),
        ("FLEX_SERVER_PORT", "3.5"),
        ("FLEX_SERVER_PORT", "65536"),
        ("FLEX_POLICIES", "maybe"),
        ("FLEX_LEASE_SECONDS", "nan"),
        ("FLEX_LEASE_SECONDS", "0"),
        ("FLEX_AGENT_HOSTS", "http://a.example"),
        ("FLEX_BUILTIN_CAPABILITIES", "a b"),
        ("FLEX_FACETS_DIR", "/nowhere/at/all"),
        ("FLEX_PLANNER_MODE", "magic"),
        ("FLEX_LOG_LEVEL", "loud"),
        ("FLEX_LOG_FORMAT", "xml"),
        ("CORS_ALLOW_ORIGINS", "app.example.com"),
        ("OPENAI_BASE_URL", "ftp://x"),
        ("FLEX_FLOWER_PASSWORD", "a:b"),
        ("FLEX_TEST", "2"),
    ],
)
def test_a_malformed_value_is_refused_by_name_with_what_is_allowed(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({name: value})

    allowed = next(variable.allowed for variable in VARIABLES if variable.name == name)
    assert caught.value.problems == (f"{name}: the value given is not allowed; give {allowed}.",)
    assert value not in caught.value.message or value in allowed  # a secret in a wrong place is not printed


def test_an_unknown_flex_variable_is_refused_and_the_nearest_name_is_offered() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"FLEX_SERVR_PORT": "1", "UNRELATED": "x"})

    assert caught.value.problems == ("FLEX_SERVR_PORT: there is no such setting; did you mean FLEX_SERVER_PORT?",)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"FLEX_WHAT_IS_THIS": "1", "FLEX_SERVER_PORT": "x", "FLEX_LANE_NODES": "0"})

    assert len(caught.value.problems) == 3


def test_binding_beyond_loopback_needs_a_key() -> None:
    with pytest.raises(SettingsError, match="FLEX_API_KEY"):
        load_settings({"FLEX_SERVER_HOST": "0.0.0.0"})

    assert load_settings({"FLEX_SERVER_HOST": "0.0.0.0", "FLEX_API_KEY": "long-enough"}).server_host == "0.0.0.0"


def test_fault_points_exist_only_in_test_mode() -> None:
    with pytest.raises(SettingsError, match="FLEX_FAULT"):
        load_settings({"FLEX_FAULT": "after_claim:kill9:1"})

    assert load_settings({"FLEX_FAULT": "after_claim:kill9:1", "FLEX_TEST": "1"}).fault == "after_claim:kill9:1"


def test_lists_are_split_and_an_empty_value_counts_as_absent() -> None:
    settings = load_settings(
        {
            "FLEX_AGENT_HOSTS": "a.example, b.example:8080,[::1]:9",
            "CORS_ALLOW_ORIGINS": "https://a.example,http://localhost:5173",
            "FLEX_BUILTIN_CAPABILITIES": "Writer.v1,Reviewer",
            "FLEX_API_KEY": "",
            "DATABASE_URL": " ",
        }
    )

    assert settings.agent_hosts == ("a.example", "b.example:8080", "[::1]:9")
    assert settings.cors_allow_origins == ("https://a.example", "http://localhost:5173")
    assert settings.wants_builtin("Writer.v1")
    assert not settings.wants_builtin("Strategist")
    assert settings.api_key is None
    assert settings.database_url is None


def test_secrets_do_not_stand_in_the_settings_printed_form() -> None:
    settings = load_settings(
        {
            "FLEX_API_KEY": "hidden-key",
            "OPENAI_API_KEY": "hidden-openai",
            "DATABASE_URL": "postgres://u:hidden-password@h/d",
            "REDIS_URL": "redis://:hidden-redis@h/0",
            "FLEX_FLOWER_PASSWORD": "hidden-flower",
        }
    )

    assert "hidden" not in repr(settings)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_every_spelling_of_a_postgres_address_opens_with_psycopg2(scheme: str) -> None:
    assert normalise_database_url(f"{scheme}://u:p%40@h:5432/d?host=/run") == (
        "postgresql+psycopg2://u:p%40@h:5432/d?host=/run"
    )


@given(st.from_regex(r"[a-z]{1,12}", fullmatch=True))
def test_normalising_a_database_address_twice_changes_nothing(name: str) -> None:
    once = normalise_database_url(f"postgres://h/{name}")

    assert normalise_database_url(once) == once


def test_celery_is_given_its_own_spelling_of_a_socket() -> None:
    assert broker_url("unix://:pw@/run/flex/valkey.sock?db=3") == (
        "redis+socket://:pw@/run/flex/valkey.sock?virtual_host=3"
    )
    assert broker_url("redis://:pw@host:6379/1") == "redis://:pw@host:6379/1"
    with pytest.raises(ValueError):
        broker_url("amqp://host")
