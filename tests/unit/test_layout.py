"""The house stands: every module imports, both applications build, the lock is whole and names no address."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
from celery import Celery
from flask import Flask

import app
import migrations
import models
import planner
import policies
import tasks
from app import create_app
from models.settings import VARIABLES, load_settings
from tasks.celery_app import celery

ROOT = Path(__file__).parents[2]
ROOMS = (app, tasks, models, planner, policies, migrations)
LOCKS = ("requirements.txt", "requirements-dev.txt")
NOT_IMPORTED = {
    "app.cli.__main__",  # starts the command line
    "app.gunicorn_conf",  # patches the process that imports it
    "app.wsgi",  # builds an app for the environment that it finds
    "migrations.env",  # runs inside alembic only
}


def modules() -> list[str]:
    """Return the names of all modules of the six rooms."""
    names = []
    for room in ROOMS:
        names.append(room.__name__)
        names.extend(found.name for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."))
    return [name for name in names if name not in NOT_IMPORTED and ".versions" not in name]


@pytest.mark.parametrize("name", modules())
def test_every_module_imports_and_says_what_it_is_for(name: str) -> None:
    module = importlib.import_module(name)

    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    assert module.__doc__ or not source.strip(), f"{name} has content and no sentence of purpose"


def test_the_flask_app_builds() -> None:
    built = create_app(load_settings({}))

    assert isinstance(built, Flask)
    assert {"/healthz", "/api/v1/flex/run.stream"} <= {rule.rule for rule in built.url_map.iter_rules()}


def test_the_celery_app_builds_and_knows_its_tasks() -> None:
    celery.loader.import_default_modules()

    assert isinstance(celery, Celery)
    assert {queue.name for queue in celery.conf.task_queues} == {"nodes", "bulk", "control"}
    assert [name for name in celery.tasks if not name.startswith("celery.")]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_everything_with_hashes_and_names_no_address(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert "://" not in text
    assert "index-url" not in text
    for block in re.split(r"\n(?=\S)", text.strip()):
        if not block.startswith("#"):
            assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", block), block
            assert "--hash=sha256:" in block, block


def test_the_locks_hold_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    declared = {
        "requirements.txt": project["dependencies"] + extras["embedded"],
        "requirements-dev.txt": project["dependencies"] + extras["embedded"] + extras["dev"],
    }
    for name, wanted in declared.items():
        locked = set(re.findall(r"(?m)^([a-z0-9._-]+)==", (ROOT / name).read_text(encoding="utf-8")))
        missing = {distribution(entry) for entry in wanted} - locked
        assert not missing, f"{name} lacks {sorted(missing)}: run `make lock`"


def test_both_locks_agree() -> None:
    first, second = (
        dict(re.findall(r"(?m)^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"))) for name in LOCKS
    )

    assert first.items() <= second.items()


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")

    assert not [variable.name for variable in VARIABLES if f"`{variable.name}`" not in page]


def distribution(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return re.sub(r"[-_.]+", "-", match.group()).lower()
