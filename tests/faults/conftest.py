"""One crew for the tests of this folder that are run by the same worker of pytest, and the promises after each test.

Whatever a test breaks, after it every run has ended or waits with a reason, the tables agree with the log, nothing is
left in Redis, no log line tells of an error that was not brought about, and no process or transaction is left behind.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator

import psutil
import pytest

from app.programs import wait_until
from models.settings import get_settings
from tests.integration.core.conftest import database as database
from tests.integration.core.conftest import loop as loop
from tests.integration.core.conftest import quiet as quiet
from tests.support.crew import Crew, Member, crew_in
from tests.support.invariants import broken_by_rows, broken_in_redis
from tests.support.servers import make_data_dir

SECRETS = {"FLEX_FLOWER_PASSWORD": "canary-password-81c3"}
CANARIES = (*SECRETS.values(), "Northwind Robotics")
"""What must not stand in any line of any log: a secret of the settings, and words of the envelope."""
LASTING = {"web", "control", "beat"}
"""The members that stay from test to test."""
CONNECTIONS_ARE_GONE = {"kombu", "celery.worker.consumer.consumer", "celery.beat", "gunicorn.error"}
"""Loggers of libraries that tell at `error` of a server that is away."""
BROKER_IS_GONE = "Couldn't ack "
"""How Celery begins to tell that Redis died between a message and its acknowledgement."""


@pytest.fixture(scope="session")
def crew() -> Iterator[Crew]:
    folder = make_data_dir()
    with crew_in(folder, FLEX_AGENT_HOSTS="127.0.0.1", **SECRETS) as one:
        yield one
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def expected_errors() -> set[str]:
    """Beginnings of the log lines at `error` that a test brings about; it adds to them."""
    return set()


@pytest.fixture(autouse=True)
def promises_are_kept(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold what a test leaves behind against I1-I9."""
    used = set(request.fixturenames)
    if "crew" in used:
        crew, errors = request.getfixturevalue("crew"), request.getfixturevalue("expected_errors")
        read = {member.log: member.log.stat().st_size for member in crew.members}
        yield
        try:
            assert_crew_is_sound(crew, read, errors)
        finally:
            end_what_was_left(crew)
    elif "loop" in used:
        request.getfixturevalue("loop")
        yield
        assert broken_by_rows(get_settings().database_url or "") == []
    else:
        yield


def assert_crew_is_sound(crew: Crew, read: dict[object, int], expected_errors: set[str]) -> None:
    """Wait until the crew is at rest, and hold it against every promise; `read` is how long each log was before."""
    wrong: list[str] = []

    def at_rest() -> bool:
        wrong[:] = [*broken_by_rows(crew.servers.database_url), *broken_in_redis(crew.servers.redis_url)]
        return not wrong

    wait_until(at_rest, 15)
    for member in crew.members:
        wrong.extend(told_wrongly(member, read.get(member.log, 0), expected_errors))
    wrong.extend(f"I9 {member.name} {member.process.pid} was left" for member in crew.members if is_left(member))
    ours = {member.process.pid for member in crew.members}
    children = [child.pid for child in psutil.Process(crew.nursery.pid).children()]
    wrong.extend(f"I9 nobody knows process {pid}" for pid in children if pid not in ours)
    assert not wrong, "\n".join(wrong)


def end_what_was_left(crew: Crew) -> None:
    """End what a test that failed has left, so that no worker of it takes a message of the next one."""
    for member in crew.members:
        if is_left(member):
            member.send(signal.SIGKILL)
            member.process.wait()


def is_left(member: Member) -> bool:
    return member.alive and member.name not in LASTING


def told_wrongly(member: Member, offset: int, expected_errors: set[str]) -> Iterator[str]:
    """Yield the lines of a log behind `offset` that tell of an error nobody expects, or what no log may tell."""
    for line in member.said()[offset:].splitlines():
        if any(canary in line for canary in CANARIES):
            yield f"I8 {member.name} told a secret: {line}"
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if not isinstance(told, dict) or told.get("level") not in {"error", "critical"}:
            continue
        is_expected = str(told.get("event")).startswith((*expected_errors, BROKER_IS_GONE))
        if told.get("logger") not in CONNECTIONS_ARE_GONE and not is_expected:
            yield f"I8 {member.name}: {line}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "crew" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.faults)
