"""Lines tell no secret, and no words of an error that may be a client's."""

from __future__ import annotations

import logging

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from models.errors import RunNotFoundError
from tests.support.lines import captured

WORDS = "sing, canary"


def break_down() -> None:
    """Raise an error that has another one for its cause, both in a client's words."""
    try:
        int(WORDS)
    except ValueError as error:
        raise ValueError(WORDS) from error


def test_a_line_is_one_json_object_with_its_facts() -> None:
    with captured() as lines, structlog.contextvars.bound_contextvars(run_id="flex_1"):
        structlog.get_logger("flex").info("flex_run_start", attempt=1)
    (line,) = lines.all()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "flex_run_start", "level": "info", "logger": "flex", "run_id": "flex_1", "attempt": 1}


def test_the_standard_librarys_lines_look_the_same() -> None:
    with captured() as lines:
        logging.getLogger("werkzeug").warning("served %s", "it")
    (line,) = lines.all()
    assert (line["event"], line["level"], line["logger"]) == ("served it", "warning", "werkzeug")


@pytest.mark.parametrize("level", ["info", "warning"])
def test_an_exception_is_told_by_type_and_place_without_its_words(level: str) -> None:
    with captured(FLEX_LOG_LEVEL=level) as lines:
        try:
            break_down()
        except ValueError:
            structlog.get_logger("flex").exception("broken")
    (line,) = lines.all()
    assert "builtins.ValueError" in line["exception"]
    assert "caused by" in line["exception"]
    assert "test_logs.py" in line["exception"]
    assert WORDS not in lines.text
    assert "exc_info" not in line


def test_at_level_debug_the_words_are_told() -> None:
    with captured(FLEX_LOG_LEVEL="debug") as lines:
        try:
            break_down()
        except ValueError:
            logging.getLogger("elsewhere").exception("broken")
    (line,) = lines.all()
    assert f"builtins.ValueError: {WORDS}\ncaused by" in line["exception"]


def test_errors_of_connections_and_codes_of_ours_are_told() -> None:
    with captured() as lines:
        structlog.get_logger("flex").error("away", exc_info=ConnectionRefusedError("nobody at port 9"))
        structlog.get_logger("flex").error("gone", exc_info=RunNotFoundError(WORDS))
        structlog.get_logger("flex").error("sql", exc_info=OperationalError("INSERT", {"x": WORDS}, Exception(WORDS)))
    away, gone, sql = lines.all()
    assert away["exception"].endswith("builtins.ConnectionRefusedError: nobody at port 9")
    assert gone["exception"].endswith("models.errors.RunNotFoundError (run_not_found)")
    assert sql["exception"].endswith("sqlalchemy.exc.OperationalError")
    assert WORDS not in lines.text


def test_a_task_that_broke_is_named_without_what_it_said() -> None:
    told = {"name": "tasks.walk_lane", "id": "t-1", "description": "raised unexpected", "exc": WORDS, "args": WORDS}
    with captured() as lines:
        logging.getLogger("celery.app.trace").error("Task %(name)s[%(id)s] %(description)s: %(exc)s", told)
    assert lines.names() == ["Task tasks.walk_lane[t-1] raised unexpected"]
    assert WORDS not in lines.text


def test_secrets_of_the_settings_are_masked_wherever_they_turn_up() -> None:
    secrets = {
        "FLEX_API_KEY": 'quo"ted-key-1',
        "OPENAI_API_KEY": "sk-long-secret",
        "FLEX_FLOWER_PASSWORD": "flowerpower",
        "DATABASE_URL": "postgresql://me:pass%2Fword-1@127.0.0.1/flex",
        "REDIS_URL": "redis://:redis-secret@127.0.0.1/0",
    }
    with captured(**secrets) as lines:
        log = structlog.get_logger("flex")
        log.info("told", url=secrets["DATABASE_URL"], password="pass/word-1", key=[secrets["FLEX_API_KEY"]])
        log.info("told", text=f"Bearer {secrets['OPENAI_API_KEY']} flowerpower {secrets['REDIS_URL']}")
    for secret in ("quo", "sk-long-secret", "flowerpower", "pass%2Fword-1", "pass/word-1", "redis-secret"):
        assert secret not in lines.text
    assert lines.all()[0]["key"] == ["[secret]"]
    assert lines.all()[0]["url"] == "postgresql://me:[secret]@127.0.0.1/flex"


def test_below_its_level_nothing_is_written() -> None:
    with captured(FLEX_LOG_LEVEL="warning") as lines:
        structlog.get_logger("flex").info("flex_run_start")
        logging.getLogger("elsewhere").info("quiet")
    assert lines.text == ""
