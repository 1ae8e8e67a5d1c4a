"""The command line against a running stack: what it prints and how it ends."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from app.programs import wait_until
from tests.support.command_line import Flex
from tests.support.stack import ROOT, SETTINGS, Stack

LINKEDIN = str(ROOT / "docs" / "examples" / "linkedin.json")


@pytest.fixture
def flex(stack: Stack, command_line: Flex) -> Flex:
    """Run `flex` as a person in the stack's data folder would, from a folder of his own."""

    def run(*arguments: str, stdin: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
        return command_line(
            *arguments, stdin=stdin, **{**SETTINGS, "FLEX_DATA_DIR": str(stack.folder / "data"), **environ}
        )

    return run


def test_run_shows_plan_steps_and_both_variants_with_their_field_names(flex: Flex) -> None:
    outcome = flex("run", LINKEDIN)

    assert outcome.returncode == 0, outcome.stderr
    for expected in ("plan_generated", "linkedinVariants~a", "copyVariants 1 of 2", "copyVariants 2 of 2"):
        assert expected in outcome.stdout
    for field in ("headline", "body", "callToAction"):
        assert outcome.stdout.count(f"\n  {field}") == 2
    assert "\x1b" not in outcome.stdout


def test_run_as_json_prints_frames_and_nothing_else(flex: Flex) -> None:
    envelope = Path(LINKEDIN).read_text(encoding="utf-8")

    outcome = flex("run", "-", "--json", stdin=envelope)

    frames = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert outcome.returncode == 0, outcome.stderr
    assert [int(frame["id"]) for frame in frames] == list(range(1, len(frames) + 1))
    assert frames[-1]["type"] == "complete"


def test_a_run_is_listed_watched_and_no_longer_cancelled(flex: Flex) -> None:
    # Given a finished run
    outcome = flex("run", LINKEDIN, "--json")
    assert outcome.returncode == 0, outcome.stderr
    frames = [json.loads(line) for line in outcome.stdout.splitlines()]
    run_id = frames[0]["runId"]

    # Then it is in the list
    listed = flex("runs", "--status", "completed", "--limit", "50")
    assert any(line.startswith(f"{run_id}\tcompleted\t") for line in listed.stdout.splitlines())

    # And it can be watched again, whole or from any frame on
    again = flex("watch", run_id, "--json")
    assert [json.loads(line) for line in again.stdout.splitlines()] == frames
    assert again.returncode == 0
    rest = flex("watch", run_id, "--json", "--after", str(len(frames) - 1))
    assert [json.loads(line) for line in rest.stdout.splitlines()] == frames[-1:]

    # And it cannot be cancelled
    cancelled = flex("cancel", run_id)
    assert cancelled.returncode == 1
    assert cancelled.stderr.startswith("flex: ")
    assert "Traceback" not in cancelled.stderr


def test_plan_shows_the_nodes_and_starts_nothing(flex: Flex) -> None:
    before = flex("runs", "--json").stdout

    outcome = flex("plan", str(ROOT / "docs" / "examples" / "blog.json"))

    assert outcome.returncode == 0, outcome.stderr
    assert "ContentGeneratorAgent.blogPost" in outcome.stdout
    assert flex("runs", "--json").stdout == before


def test_a_refused_envelope_is_told_problem_by_problem(flex: Flex) -> None:
    outcome = flex("run", "-", stdin='{"objective": 5, "speed": "high"}')

    assert outcome.returncode == 1
    for pointer in ("/objective", "/speed", "/outputContract"):
        assert f"  {pointer}: " in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("run", "/no/such/file"), 2, "No such file"),
        (("fly",), 2, "No such command"),
        (("cancel",), 2, "name one run, or give --all"),
        (("watch", "no_such_run"), 1, "flex: "),
        (("runs", "--url", "http://127.0.0.1:1"), 1, "no Flex server answers at http://127.0.0.1:1"),
    ],
)
def test_a_mistake_is_one_clear_line(flex: Flex, arguments: tuple[str, ...], code: int, text: str) -> None:
    outcome = flex(*arguments)

    assert outcome.returncode == code
    assert text in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_what_is_no_json_is_refused_before_anything_is_asked(flex: Flex) -> None:
    outcome = flex("plan", "-", stdin='{"a": 1, "a": 2}')

    assert outcome.returncode == 2
    assert "/a" in outcome.stderr


def test_a_wrong_setting_is_named_and_is_a_usage_error(flex: Flex) -> None:
    outcome = flex("runs", FLEX_SERVER_PROT="1")

    assert outcome.returncode == 2
    assert outcome.stderr == "flex: FLEX_SERVER_PROT: there is no such setting; did you mean FLEX_SERVER_PORT?\n"


def test_env_prints_the_addresses_in_use_in_a_form_that_other_programs_read(flex: Flex, stack: Stack) -> None:
    outcome = flex("env")

    lines = dict(line.split("=", 1) for line in outcome.stdout.splitlines())
    assert lines["DATABASE_URL"].startswith("postgresql://postgres@/flex?host=")
    assert lines["REDIS_URL"] == stack.redis_url


def test_doctor_finds_a_healthy_stack_healthy_and_names_what_is_broken(flex: Flex) -> None:
    healthy = flex("doctor")
    assert healthy.returncode == 0, healthy.stdout
    assert "FAIL" not in healthy.stdout

    broken = flex("doctor", DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", REDIS_URL="redis://127.0.0.1:1/0")
    assert broken.returncode == 1
    assert "FAIL  PostgreSQL does not answer" in broken.stdout
    assert "FAIL  Redis does not answer" in broken.stdout


def test_the_database_is_upgraded_once_and_the_statements_can_be_read(flex: Flex) -> None:
    assert flex("db", "upgrade").stdout.startswith("already at ")
    assert "CREATE TABLE flex_runs" in flex("db", "upgrade", "--sql").stdout


def test_a_second_up_on_the_same_data_folder_says_whose_it_is(flex: Flex, stack: Stack) -> None:
    outcome = flex("up")

    assert outcome.returncode == 1
    assert f"in use by process {stack.process.pid}, since " in outcome.stderr


def test_a_process_that_dies_is_started_again_and_runs_go_on(flex: Flex, stack: Stack) -> None:
    for name in ("worker", "web"):
        before = stack.kill(name)
        assert stack.pid(name) != before

    stack.wait_healthy()
    assert wait_until(lambda: flex("run", LINKEDIN).returncode == 0, 30)
