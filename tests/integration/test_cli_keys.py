"""`flex keys` and `flex audit`: a key is shown once, opens what it is for, and what it did can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from app.cli import cli
from app.client import ClientError, FlexClient
from models.migrate import current, head
from tests.support.envelopes import linkedin_envelope
from tests.support.web import WebServer
from tests.support.web import connected as connected

Flex = Callable[..., Result]


def flex_with(variables: dict[str, str]) -> Flex:
    def run(*arguments: str, **environ: str) -> Result:
        result = CliRunner().invoke(cli, arguments, env={**variables, **environ})
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


@pytest.fixture
def flex(database_url: str) -> Flex:
    return flex_with({"DATABASE_URL": database_url})


@pytest.fixture
def server(connected: dict[str, str]) -> Iterator[WebServer]:
    running = WebServer(connected)
    yield running
    running.stop()


def test_a_key_is_printed_once_alone_on_standard_output(flex: Flex) -> None:
    made = flex("keys", "create", "--label", "laptop", "--scopes", "run,operate")
    text = made.stdout.strip()
    kind, prefix, secret = text.split("_")
    assert (made.exit_code, kind, len(bytes.fromhex(secret)) * 8) == (0, "flex", 192)
    assert "run, operate" in made.stderr
    # When keys are listed, it is there with all but its secret
    listed = flex("keys", "list")
    assert secret not in listed.output
    assert listed.stdout.split("\t")[:5] == [prefix, "active", "laptop", "run,operate", "default"]


def test_a_key_as_json_says_until_when_and_for_whom(flex: Flex) -> None:
    made = json.loads(
        flex(
            "keys", "create", "--label", "ci", "--scopes", "run", "--tenant", "acme", "--expires", "2", "--json"
        ).stdout
    )
    (listed,) = json.loads(flex("keys", "list", "--json").stdout)["data"]
    assert {**listed, "key": made["key"]} == made
    assert (made["tenant"], made["state"], made["key"].split("_")[1]) == ("acme", "active", made["prefix"])
    assert made["expiresAt"] > made["createdAt"]


def test_a_revoked_key_stays_in_the_list(flex: Flex) -> None:
    prefix = flex("keys", "create", "--label", "x", "--scopes", "admin").stdout.split("_")[1]
    assert flex("keys", "revoke", prefix).stdout == f"{prefix} revoked\n"
    assert flex("keys", "revoke", prefix).exit_code == 0
    assert f"{prefix}\trevoked" in flex("keys", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("create", "--scopes", "run"), "--label"),
        (("create", "--label", "x"), "--scopes"),
        (("create", "--label", "x", "--scopes", "run,fly"), "run, operate, agent, admin"),
        (("create", "--label", "x", "--scopes", ","), "run, operate, agent, admin"),
        (("create", "--label", "x", "--scopes", "run", "--expires", "0"), "--expires"),
        (("create", "--label", " ", "--scopes", "run"), "label"),
        (("create", "--label", "x", "--scopes", "run", "--tenant", "*"), "tenant"),
    ],
)
def test_a_wrong_use_names_the_remedy(flex: Flex, arguments: tuple[str, ...], remedy: str) -> None:
    result = flex("keys", *arguments)
    assert result.exit_code == 2
    assert remedy in result.stderr
    assert flex("keys", "list").stdout == ""


def test_a_database_without_tables_gets_them(empty_database_url: str) -> None:
    flex = flex_with({"DATABASE_URL": empty_database_url})
    assert flex("keys", "create", "--label", "first", "--scopes", "run").exit_code == 0
    assert current(empty_database_url) == head()


def test_keys_close_a_running_server_and_their_deeds_are_in_the_audit(
    server: WebServer, connected: dict[str, str]
) -> None:
    flex = flex_with(connected)
    # Given an open server on this machine, and the first key
    with FlexClient(server.url) as nobody:
        nobody.runs()
        token = flex("keys", "create", "--label", "all", "--scopes", "run,operate,admin").stdout.strip()
        # Then without it nobody gets in any more, and with it one does
        with pytest.raises(ClientError, match="Bearer"):
            nobody.runs()
    with FlexClient(server.url, token) as somebody:
        run_id = somebody.start_run(linkedin_envelope())["runId"]
        somebody.cancel(run_id)
    # And the audit tells of it, of the key's making too
    told = flex("audit", "--url", server.url, FLEX_API_KEY=token)
    assert told.exit_code == 0, told.output
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    prefix = token.split("_")[1]
    assert [row[1:5] for row in rows[:2]] == [
        ["cancelRun", "202", run_id, prefix],
        ["createRun", "202", run_id, prefix],
    ]
    assert [row[1] for row in rows[2:]] == ["createKey"]
    assert rows[2][5] == "command line"
    # And pages follow each other
    first = flex("audit", "--url", server.url, "--limit", "1", "--json", FLEX_API_KEY=token)
    cursor = json.loads(first.stdout)["nextCursor"]
    second = flex("audit", "--url", server.url, "--cursor", cursor, "--operation", "createRun", FLEX_API_KEY=token)
    assert [line.split("\t")[1] for line in second.stdout.splitlines()] == ["createRun"]
