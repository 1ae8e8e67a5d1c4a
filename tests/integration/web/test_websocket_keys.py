"""Keys on the WebSocket: a database that holds keys has closed its server, so this file has one of its own."""

# ruff: noqa: F811 - a test names a fixture by its parameter

from __future__ import annotations

import time

from models.repositories.keys import ApiKey
from models.unit_of_work import open_unit
from tests.integration.web.conftest import end, say
from tests.integration.web.test_websocket import (
    FLEX,
    connected,  # noqa: F401 - a fixture, made anew for this file
    handshake_status,
    listening,
    server,  # noqa: F401 - a fixture, made anew for this file
    start_run,
)
from tests.support.web import WebServer, open_stream, read_marks


def make_key(*scopes: str, tenant: str = "default") -> tuple[ApiKey, str]:
    with open_unit(tenant) as unit:
        return unit.keys.create(label="listener", scopes=scopes)


def test_a_key_comes_in_the_header_or_in_the_first_message(server: WebServer) -> None:
    run_id = start_run()
    _, token = make_key("run")
    for headers, message in (({"Authorization": f"Bearer {token}"}, {}), ({}, {"token": token})):
        with listening(server, **headers) as listener:
            listener.say(**message, subscribe={"runIds": [run_id]})
            assert listener.hear()["type"] == "subscribed"
            assert listener.hear()["id"] == "1"
    # The key may also come first, and the wish later
    with listening(server) as listener:
        listener.say(token=token)
        listener.subscribe([run_id])


def test_without_a_right_key_nothing_is_told(server: WebServer) -> None:
    run_id = start_run()
    _, agent = make_key("agent")
    _, stranger = make_key("run", tenant="stranger")
    wish = {"subscribe": {"runIds": [run_id]}}
    for token, code in ((None, "unauthorized"), ("wrong", "unauthorized"), (agent, "forbidden")):
        with listening(server) as listener:
            listener.say(**wish, **({"token": token} if token else {}))
            assert listener.hear()["code"] == code
            assert listener.hear_close() == 1008
    # Another tenant's run is not there, neither by its name nor under the star
    with listening(server, Authorization=f"Bearer {stranger}") as listener:
        listener.say(**wish)
        assert listener.hear()["code"] == "run_not_found"
    with listening(server, Authorization=f"Bearer {stranger}") as listener:
        listener.subscribe("*")
        say(run_id, 1)
        own = start_run("stranger")
        end(own)
        listener.hear_end_of(own)
    assert listener.ids(run_id) == []
    for token, status in (("wrong", 401), (agent, 403)):
        assert handshake_status(server, Authorization=f"Bearer {token}") == status


def test_a_key_that_is_revoked_ends_what_it_opened(server: WebServer) -> None:
    run_id = start_run()
    key, token = make_key("run")
    headers = {"Authorization": f"Bearer {token}"}
    with (
        listening(server, **headers) as listener,
        open_stream(f"{server.url}{FLEX}/runs/{run_id}/events", headers=headers, timeout=20) as stream,
    ):
        listener.subscribe([run_id])
        marks = read_marks(stream)
        next(mark for mark in marks if mark.get("id") == "1")
        # When the key is revoked
        with open_unit() as unit:
            unit.keys.revoke(key.prefix)
        # Then both end within fifteen seconds and say why
        begun = time.monotonic()
        listener.hear(lambda told: told["type"] == "revoked")
        assert listener.hear_close() == 1008
        assert [mark["event"] for mark in marks if "event" in mark] == ["revoked"]
        assert time.monotonic() - begun < 15
