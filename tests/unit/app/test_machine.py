"""What the machine starts and with which variables."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from app.machine import ROOT, process_environ, read_procfile
from models.settings import child_environ, load_settings


def test_the_procfile_names_the_five_processes_in_order() -> None:
    commands = read_procfile(ROOT / "Procfile")

    assert list(commands) == ["web", "worker", "control", "beat", "flower"]
    assert commands["worker"].startswith("celery -A tasks.celery_app:celery worker")
    assert "-Q nodes,bulk " in commands["worker"]
    assert "-Q control " in commands["control"]


def test_comments_and_empty_lines_of_a_procfile_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("# a comment: not a process\n\nweb:  serve --bind=:80 \n")

    assert read_procfile(file) == {"web": "serve --bind=:80"}


def test_the_processes_get_addresses_ports_and_the_programs_of_this_python() -> None:
    settings = replace(
        load_settings({}),
        database_url="postgresql+psycopg2://h/d",
        redis_url="redis://h/0",
        flower_password="secret",
        server_port=4000,
    )

    environ = process_environ(settings)

    assert environ["DATABASE_URL"] == "postgresql+psycopg2://h/d"
    assert environ["FLEX_SERVER_PORT"] == "4000"
    assert load_settings(environ).flower_password == "secret"
    found = subprocess.run(
        ["/bin/sh", "-c", "command -v celery gunicorn"], env=child_environ(environ), capture_output=True, check=False
    )
    assert found.returncode == 0


def test_every_command_of_the_procfile_is_sound_shell() -> None:
    for command in read_procfile(ROOT / "Procfile").values():
        subprocess.run(["/bin/sh", "-n", "-c", f"exec {command}"], check=True)
