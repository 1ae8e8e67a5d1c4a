"""How commands end: the exit code tells a script what became of a run, on servers that others gave it too."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import redis

from app.programs import wait_until
from tests.support import fake_openai as fake
from tests.support.command_line import Flex
from tests.support.envelopes import freeform_envelope
from tests.support.fake_openai import FakeOpenAI
from tests.support.servers import OwnServers
from tests.support.stack import ROOT, Stack
from tests.support.visitor import Visitor

ARTICLE = freeform_envelope(outputContract={"mode": "facets", "facets": ["longFormDraft"]})


@pytest.fixture
def flex(command_line: Flex, tmp_path: Path) -> Flex:
    """Run `flex` in a folder of its own, as somebody who knows nothing but what is in the environment."""

    def run(*arguments: str, stdin: Any = None, **environ: str) -> subprocess.CompletedProcess[str]:
        read = None if stdin is None else json.dumps(stdin)
        return command_line(*arguments, stdin=read, **{"FLEX_DATA_DIR": str(tmp_path / "data"), **environ})

    return run


def frames_in(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_that_fails_ends_with_one_and_says_what_to_do(flex: Flex, flex_up: Stack) -> None:
    # Given an envelope that nobody can fulfil
    schema = {"type": "object", "required": ["filmReel"], "properties": {"filmReel": {"type": "string"}}}
    envelope = freeform_envelope(outputContract={"mode": "json_schema", "schema": schema})

    # When it is run
    outcome = flex("run", "-", "--url", flex_up.url, stdin=envelope)

    # Then the exit code says so, and the text says why, without colours
    assert outcome.returncode == 1
    assert "no_plan" in outcome.stdout
    assert "filmReel" in outcome.stdout
    assert "\x1b" not in outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stdout + outcome.stderr
    # And a plan of it ends the same way
    assert flex("plan", "-", "--url", flex_up.url, stdin=envelope).returncode == 1


def test_a_run_that_waits_for_a_person_ends_with_three_and_can_be_cancelled(
    flex: Flex, asker: Visitor, provider: FakeOpenAI
) -> None:
    # Given a model that never gets it right
    provider.play(fake.SCHEMA_VIOLATION)

    # When a run needs it
    outcome = flex("run", "-", "--json", "--url", asker.url, stdin=ARTICLE)

    # Then the exit code says that it waits, and the frames say what for
    assert outcome.returncode == 3, outcome.stderr
    frames = frames_in(outcome.stdout)
    assert [frame["type"] for frame in frames[-2:]] == ["hitl_request", "log"]
    run_id = frames[0]["runId"]
    # And in words
    told = flex("run", "-", "--url", asker.url, stdin=ARTICLE)
    assert told.returncode == 3
    assert "waits for a person" in told.stderr
    # And both can be cancelled at once, after which watching one ends with one
    cancelled = flex("cancel", "--all", "--note", "enough", "--url", asker.url)
    assert cancelled.returncode == 0, cancelled.stderr
    assert run_id in cancelled.stdout
    asker.wait(run_id, "cancelled")
    watched = flex("watch", run_id, "--json", "--url", asker.url)
    assert watched.returncode == 1
    assert frames_in(watched.stdout)[-1]["payload"]["note"] == "enough"


def test_a_person_answers_from_the_command_line(flex: Flex, asker: Visitor, provider: FakeOpenAI) -> None:
    # Given a run that waits for an output, and says how to give it
    provider.play(fake.SCHEMA_VIOLATION)
    outcome = flex("run", "-", "--url", asker.url, stdin=ARTICLE)
    assert outcome.returncode == 3
    assert "has no valid output after" in outcome.stderr
    (request_id,) = {word for word in outcome.stderr.split() if word.startswith("hitl_")}
    assert f"flex approve {request_id} [--output FILE]" in outcome.stderr
    # When it is looked for, answered wrongly, and answered
    listed = flex("inbox", "--url", asker.url)
    assert request_id in listed.stdout
    refused = flex("approve", request_id, "--output", "-", "--url", asker.url, stdin={"longFormDraft": 5})
    assert (refused.returncode, "/responses/0/output" in refused.stderr) == (1, True), refused.stderr
    assert flex("reject", request_id, "--reason", "not now", "--url", asker.url).returncode == 0
    # Then nobody waits any more, and a second answer is refused
    assert request_id not in flex("inbox", "--url", asker.url).stdout
    late = flex("answer", request_id, "too late", "--url", asker.url)
    assert (late.returncode, late.stdout) == (1, "")
    assert flex("answer", request_id, "--url", asker.url).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("fly",), 2),
        (("run",), 2),
        (("run", "nowhere.json"), 2),
        (("runs", "--limit", "0"), 2),
        (("cancel",), 2),
        (("watch", "some-run", "--url", "http://127.0.0.1:9"), 1),
        (("--help",), 0),
    ],
)
def test_what_cannot_be_done_ends_with_a_line_and_a_code(flex: Flex, arguments: tuple[str, ...], code: int) -> None:
    outcome = flex(*arguments)

    assert outcome.returncode == code, outcome.stdout + outcome.stderr
    assert outcome.stdout + outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_what_env_prints_opens_the_servers(flex: Flex, flex_up: Stack) -> None:
    outcome = flex("env", FLEX_DATA_DIR=str(flex_up.folder / "data"))

    assert outcome.returncode == 0, outcome.stderr
    variables = dict(line.split("=", 1) for line in outcome.stdout.splitlines())
    with closing(psycopg2.connect(variables["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM flex_capabilities")
        assert cursor.fetchall()[0][0] > 0
    with closing(redis.Redis.from_url(variables["REDIS_URL"])) as client:
        assert client.ping()


@pytest.mark.timeout(180)
def test_a_run_without_a_server_starts_one_on_the_servers_given_and_leaves_nothing_behind(
    flex: Flex, own_servers: OwnServers, tmp_path: Path
) -> None:
    # Given a database and a Redis of somebody else, without tables, and no Flex
    given = {"DATABASE_URL": own_servers.database_url, "REDIS_URL": own_servers.redis_url}
    settings = {**given, "FLEX_SERVER_PORT": "23903", "FLEX_FLOWER_PORT": "25955"}

    # When an envelope is run
    outcome = flex("run", str(ROOT / "docs" / "examples" / "linkedin.json"), "--json", **settings)

    # Then it runs on them, and the frames are all that is printed
    assert outcome.returncode == 0, outcome.stderr
    frames = frames_in(outcome.stdout)
    assert frames[-1]["payload"]["status"] == "completed"
    address = own_servers.database_url.replace("+psycopg2", "")
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT status FROM flex_runs")
        assert cursor.fetchall() == [("completed",)]
    # And when it is over, no process of it is left, and the servers are still there
    folder = str(tmp_path / "data")

    def left() -> list[str]:
        commands = (path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())
        return [command.decode(errors="replace") for command in commands if folder.encode() in command]

    assert wait_until(lambda: not left(), 10), left()
    # And doctor finds nothing wrong with them
    doctor = flex("doctor", **settings)
    assert doctor.returncode == 0, doctor.stdout
    assert "PostgreSQL answers" in doctor.stdout
