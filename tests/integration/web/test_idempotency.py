"""One key, one effect: the reply of the first request comes back, and nothing is done twice.

Seen to fail without their countermeasures, in models/repositories/idempotency.py: twenty at once without the lock of
`claim` (several runs, nobody is told to wait), another tenant's key without the owner in that lock, another body
without the comparison of hashes, the day without `expires_at` in `claim`; in app/mutation.py: the same key elsewhere
without method and path in `_hash`, the replies without `keep`, a key that is none without the look at its length.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.rules import RULES
from models.database import engine
from models.errors import DatabaseUnavailableError
from models.unit_of_work import open_unit
from tests.integration.web.conftest import end, open_request
from tests.support.envelopes import writer_registration

FLEX = "/api/v1/flex"
KEY = {"Idempotency-Key": "order-66"}


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    return web_app.test_client()


def count(table: str) -> int:
    with engine().connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_the_same_request_again_gets_the_stored_reply(client: FlaskClient, envelope: dict[str, Any]) -> None:
    first = client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    again = client.post(f"{FLEX}/runs", json=dict(reversed(envelope.items())), headers=KEY)
    # Then both replies are one, also where the members stand in another order, and one run was made
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.get_json() == first.get_json()
    for name in ("Location", "X-Run-Id"):
        assert again.headers[name] == first.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert count("flex_runs") == 1


def test_the_key_with_another_body_or_elsewhere_is_a_mismatch(client: FlaskClient, envelope: dict[str, Any]) -> None:
    client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    other = client.post(f"{FLEX}/runs", json={**envelope, "objective": "Another one"}, headers=KEY)
    elsewhere = client.post(f"{FLEX}/run.stream", json=envelope, headers=KEY)
    for reply in (other, elsewhere):
        assert (reply.status_code, reply.get_json()["code"]) == (422, "idempotency_mismatch")
    assert count("flex_runs") == 1


def test_another_tenants_key_is_another_key(connected: dict[str, str]) -> None:
    with open_unit("one") as unit:
        assert unit.idempotency.claim("k", "h") is None
        # Even while the first is in flight
        with open_unit("two") as other:
            assert other.idempotency.claim("k", "another") is None


def test_while_the_first_is_in_flight_the_second_is_told_to_wait(client: FlaskClient, envelope: dict[str, Any]) -> None:
    # Given a transaction that holds the key
    with open_unit() as unit:
        assert unit.idempotency.claim("order-66", "whatever") is None
        reply = client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    # Then the second one is told so at once
    assert (reply.status_code, reply.get_json()["code"]) == (409, "idempotency_in_flight")
    assert reply.get_json()["retryable"]
    assert reply.headers["Retry-After"] == "1"
    # And the transaction that came to nothing has left nothing behind
    assert client.post(f"{FLEX}/runs", json=envelope, headers=KEY).status_code == 202


def test_twenty_at_once_make_one_run(web_app: Flask, envelope: dict[str, Any]) -> None:
    gate, replies = threading.Barrier(20), []

    def send() -> None:
        with web_app.test_client() as client:
            gate.wait()
            replies.append(client.post(f"{FLEX}/runs", json=envelope, headers=KEY))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then one made it, and each of the others got its reply or was told to wait
    told = Counter((r.status_code, r.headers.get("Idempotency-Replayed")) for r in replies)
    assert told[202, None] == 1
    assert set(told) <= {(202, None), (202, "true"), (409, None)}
    assert count("flex_runs") == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "x" * 300, "two words", "caf\xe9"])
@pytest.mark.parametrize("path", ["/runs", "/run.stream", "/capabilities/register", "/hitl/resolve"])
def test_a_key_that_is_none_is_refused(
    client: FlaskClient, envelope: dict[str, Any], key: str, path: str, body_of: Callable[[str], Any]
) -> None:
    reply = client.post(FLEX + path, json=body_of(path), headers={"Idempotency-Key": key})
    assert (reply.status_code, reply.get_json()["code"]) == (400, "invalid_idempotency_key")
    assert count("flex_runs") == 0


@pytest.fixture
def body_of(envelope: dict[str, Any]) -> Callable[[str], Any]:
    bodies = {
        "/capabilities/register": writer_registration(),
        "/hitl/resolve": {"requestId": "hitl_1", "responses": [{"approved": True}]},
    }
    return lambda path: bodies.get(path, envelope)


def test_a_key_of_255_characters_is_one(client: FlaskClient, envelope: dict[str, Any]) -> None:
    assert client.post(f"{FLEX}/runs", json=envelope, headers={"Idempotency-Key": "x" * 255}).status_code == 202


def test_after_a_refusal_the_key_is_free(client: FlaskClient, envelope: dict[str, Any]) -> None:
    refused = client.post(f"{FLEX}/runs", json={**envelope, "objective": ""}, headers=KEY)
    assert refused.status_code == 422
    accepted = client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    assert accepted.status_code == 202
    assert "Idempotency-Replayed" not in accepted.headers


def test_after_a_day_the_key_is_free_and_old_ones_are_forgotten(client: FlaskClient, envelope: dict[str, Any]) -> None:
    client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    client.post(f"{FLEX}/runs", json=envelope, headers={"Idempotency-Key": "another"})
    # When a day has passed
    with engine().begin() as connection:
        connection.execute(text("UPDATE flex_idempotency_keys SET expires_at = clock_timestamp() - interval '1 day'"))
    other = {**envelope, "objective": "Something else entirely"}
    reply = client.post(f"{FLEX}/runs", json=other, headers=KEY)
    # Then it is a new request, and the table does not grow for ever
    assert reply.status_code == 202
    assert "Idempotency-Replayed" not in reply.headers
    assert count("flex_runs") == 3
    assert count("flex_idempotency_keys") == 1


def test_a_stream_asked_for_again_tells_the_stored_run_from_its_first_frame(
    client: FlaskClient, envelope: dict[str, Any]
) -> None:
    # Given a stream that broke before its client read a frame
    with client.post(f"{FLEX}/run.stream", json=envelope, headers=KEY) as first:
        run_id = first.headers["X-Run-Id"]
    end(run_id)
    # When the client asks again
    again = client.post(f"{FLEX}/run.stream", json=envelope, headers=KEY)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert (again.headers["X-Run-Id"], again.headers["Location"]) == (run_id, f"{FLEX}/runs/{run_id}")
    # Then it sees the run from seq 1 to its end
    ids = [line for line in again.get_data(as_text=True).splitlines() if line.startswith("id: ")]
    assert ids == ["id: 1", "id: 2"]
    assert count("flex_runs") == 1


def test_waiting_for_the_result_again_waits_for_the_same_run(client: FlaskClient, envelope: dict[str, Any]) -> None:
    first = client.post(f"{FLEX}/runs", json=envelope, headers={**KEY, "Prefer": "wait=0"})
    assert first.status_code == 202
    end(first.get_json()["runId"])
    again = client.post(f"{FLEX}/runs", json=envelope, headers={**KEY, "Prefer": "wait=10"})
    assert (again.status_code, again.get_json()["status"]) == (200, "completed")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json()["runId"] == first.get_json()["runId"]


def test_everything_else_that_is_posted_is_done_once(client: FlaskClient, new_run: str) -> None:
    answer = {"requestId": open_request(new_run), "responses": [{"approved": True, "output": {}}]}
    posted: list[tuple[str, dict[str, Any], int]] = [
        ("/capabilities/register", writer_registration(), 200),
        ("/hitl/resolve", answer, 200),
        (f"/runs/{new_run}/replan", {"note": "x"}, 202),
        (f"/runs/{new_run}/cancel", {"note": "x"}, 202),
    ]
    for path, body, status in posted:
        headers = {"Idempotency-Key": path}
        first = client.post(FLEX + path, json=body, headers=headers)
        again = client.post(FLEX + path, json=body, headers=headers)
        assert (first.status_code, again.status_code) == (status, status), path
        assert first.get_json() == again.get_json()
        assert again.headers["Idempotency-Replayed"] == "true"


def test_the_reply_is_stored_with_what_it_tells_of_or_not_at_all(
    client: FlaskClient, envelope: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a fault after the run and before the commit
    with monkeypatch.context() as broken:
        broken.setattr("models.repositories.audit.AuditRepository.append", _break)
        reply = client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    assert reply.status_code == 503
    # Then neither the run nor the key is there, and the next try makes both
    assert count("flex_runs") == count("flex_idempotency_keys") == 0
    again = client.post(f"{FLEX}/runs", json=envelope, headers=KEY)
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (202, None)
    assert count("flex_runs") == count("flex_idempotency_keys") == 1


def _break(*_: Any) -> None:
    raise DatabaseUnavailableError


def test_every_post_takes_a_key_or_changes_nothing(web_app: Flask, client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    for rule in web_app.url_map.iter_rules():
        if "POST" in (rule.methods or ()) and RULES[rule.endpoint].mutation:
            path = rule.rule.replace("<", "{").replace(">", "}")
            named = {parameter["name"] for parameter in paths[path]["post"].get("parameters", ())}
            assert "Idempotency-Key" in named, path
