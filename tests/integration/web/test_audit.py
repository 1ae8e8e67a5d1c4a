"""Every mutation leaves one row that nobody can change: who, what, on what, how it ended, from where."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import mutation
from app.rules import RULES
from models.database import engine
from models.errors import DatabaseUnavailableError
from models.repositories.audit import AuditRepository, Deed
from models.repositories.keys import SCOPES
from models.unit_of_work import open_unit
from tests.integration.web.conftest import open_request
from tests.support.envelopes import writer_registration

FLEX = "/api/v1/flex"


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    return web_app.test_client()


def rows() -> list[dict[str, Any]]:
    """Return the audit, oldest first."""
    with open_unit() as unit:
        return list(reversed(unit.audit.list(limit=200).data))


def told(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["operation"], row["target"], row["status"]


def test_each_mutation_leaves_one_row_with_who_and_from_where(
    client: FlaskClient, envelope: dict[str, Any], new_run: str
) -> None:
    # Given a key, and an address that claims to be another
    with open_unit() as unit:
        key, token = unit.keys.create(label="ops", scopes=SCOPES)
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Correlation-Id": "order-66",
        "X-Forwarded-For": "203.0.113.9",
    }
    request_id = open_request(new_run)
    capability_id = writer_registration()["capabilityId"]
    operator = {"id": "ada", "displayName": "Ada"}
    answer = {"requestId": request_id, "responses": [{"approved": True, "output": {}}], "operator": operator}
    # When everything that can be changed is changed once
    made = client.post(f"{FLEX}/runs", json=envelope, headers=headers).get_json()["runId"]
    with client.post(f"{FLEX}/run.stream", json=envelope, headers=headers) as stream:
        streamed = stream.headers["X-Run-Id"]
    client.post(f"{FLEX}/hitl/resolve", json=answer, headers=headers)
    client.post(f"{FLEX}/runs/{made}/replan", json={"operator": operator}, headers=headers)
    client.post(f"{FLEX}/runs/{made}/cancel", json={"operator": operator}, headers=headers)
    client.post(f"{FLEX}/capabilities/register", json=writer_registration(), headers=headers)
    client.patch(f"{FLEX}/capabilities/{capability_id}", headers=headers)
    client.delete(f"{FLEX}/capabilities/{capability_id}", headers=headers)
    client.post("/api/hitl/resume", json=answer, headers=headers)
    # Then each left one row, refused ones too
    assert [told(row) for row in rows()] == [
        ("createRun", made, 202),
        ("streamRun", streamed, 202),
        ("resolveHitl", request_id, 200),
        ("replanRun", made, 202),
        ("cancelRun", made, 202),
        ("registerCapability", capability_id, 200),
        ("beatCapability", capability_id, 200),
        ("deregisterCapability", capability_id, 200),
        ("resumeHitl", None, 409),
    ]
    assert {row["operation"] for row in rows()} == {
        "".join(
            word if number == 0 else word.capitalize()
            for number, word in enumerate(endpoint.partition(".")[2].split("_"))
        )
        for endpoint, rule in RULES.items()
        if rule.mutation
    }
    for row in rows():
        assert (row["keyId"], row["keyPrefix"]) == (key.key_id, key.prefix)
        assert (row["peer"], row["correlationId"]) == ("127.0.0.1", "order-66")
    by_people = {"resolveHitl", "replanRun", "cancelRun"}
    assert [row["operator"] for row in rows() if row["operation"] in by_people] == [operator] * 3
    assert token not in str(rows())


def test_what_is_refused_leaves_a_row_and_what_only_reads_leaves_none(
    client: FlaskClient, envelope: dict[str, Any], new_run: str
) -> None:
    client.post(f"{FLEX}/runs", json={**envelope, "objective": ""})
    client.post(f"{FLEX}/runs", data="{", content_type="application/json")
    client.post(f"{FLEX}/runs/flex_nowhere/cancel")
    client.delete(f"{FLEX}/capabilities/flex.CopyWriter")
    client.post(f"{FLEX}/plan", json=envelope)
    client.get(f"{FLEX}/runs/{new_run}")
    client.post("/nowhere")
    refused = [told(row) for row in rows()]
    assert refused[:3] == [("createRun", None, 422), ("createRun", None, 400), ("cancelRun", "flex_nowhere", 404)]
    assert [operation for operation, *_ in refused[3:]] == ["deregisterCapability"]


def test_callers_without_a_right_key_leave_a_row_too(client: FlaskClient, new_run: str) -> None:
    with open_unit() as unit:
        reader, token = unit.keys.create(label="reader", scopes=("run",))
        gone, gone_token = unit.keys.create(label="gone", scopes=SCOPES)
        unit.keys.revoke(gone.prefix)
    for shown in (None, token, gone_token):
        client.post(f"{FLEX}/runs/{new_run}/cancel", headers={"Authorization": f"Bearer {shown}"} if shown else {})
    assert [(row["status"], row["keyPrefix"]) for row in rows()] == [
        (401, None),
        (403, reader.prefix),
        (401, gone.prefix),
    ]


def test_a_replay_changes_nothing_and_leaves_no_row(client: FlaskClient, envelope: dict[str, Any]) -> None:
    for _ in range(3):
        client.post(f"{FLEX}/runs", json=envelope, headers={"Idempotency-Key": "k"})
    assert len(rows()) == 1


def test_a_row_becomes_true_with_what_it_tells_of(
    client: FlaskClient, envelope: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an audit that cannot be written
    def fail(_self: AuditRepository, _deed: Deed) -> None:
        raise DatabaseUnavailableError

    monkeypatch.setattr(AuditRepository, "append", fail)
    assert client.post(f"{FLEX}/runs", json=envelope).status_code == 503
    monkeypatch.undo()
    # Then nothing was done either
    assert client.get(f"{FLEX}/runs").get_json()["data"] == []
    assert rows() == []


@pytest.mark.parametrize(
    "statement", ["UPDATE flex_audit SET status = 200", "DELETE FROM flex_audit", "TRUNCATE flex_audit"]
)
def test_no_row_can_be_changed_or_removed(connected: dict[str, str], statement: str) -> None:
    with open_unit() as unit:
        unit.audit.append(Deed("createRun", 202))
    with pytest.raises(DBAPIError, match="only ever added to"), engine().begin() as connection:
        connection.execute(text(statement))
    assert len(rows()) == 1


def test_admins_read_their_own_tenants_rows_page_by_page(client: FlaskClient) -> None:
    for tenant, count in (("default", 5), ("stranger", 3)):
        with open_unit(tenant) as unit:
            for number in range(count):
                unit.audit.append(Deed("cancelRun", 202, target=f"flex_{tenant}_{number}"))
    # When pages are followed to the end
    seen, cursor = [], None
    while True:
        page = client.get(f"{FLEX}/audit", query_string={"limit": 2, **({"cursor": cursor} if cursor else {})})
        body = page.get_json()
        seen += [row["target"] for row in body["data"]]
        cursor = body["nextCursor"]
        if cursor is None:
            break
    # Then every own row was seen once, the newest first
    assert seen == [f"flex_default_{number}" for number in (4, 3, 2, 1, 0)]
    found = client.get(f"{FLEX}/audit?operation=cancelRun&target=flex_default_3").get_json()["data"]
    assert [row["target"] for row in found] == ["flex_default_3"]
    assert client.get(f"{FLEX}/audit?operation=createRun").get_json()["data"] == []


@pytest.mark.parametrize("cursor", ["x", "-1", "9" * 30, "٣"])
def test_a_cursor_that_is_none_is_refused(client: FlaskClient, cursor: str) -> None:
    reply = client.get(f"{FLEX}/audit", query_string={"cursor": cursor})
    assert (reply.status_code, reply.get_json()["errors"][0]["pointer"]) == (422, "/cursor")


def test_a_refusal_that_cannot_be_recorded_is_still_a_refusal(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise DatabaseUnavailableError

    monkeypatch.setattr(mutation, "open_unit", fail)
    assert client.post(f"{FLEX}/runs", json={}).status_code == 422


def test_revoking_the_only_key_opens_nothing(client: FlaskClient) -> None:
    assert client.get(f"{FLEX}/runs").status_code == 200
    with open_unit() as unit:
        key, token = unit.keys.create(label="only", scopes=("run",))
    shown = {"Authorization": f"Bearer {token}"}
    assert [client.get(f"{FLEX}/runs", headers=h).status_code for h in ({}, shown)] == [401, 200]
    with open_unit() as unit:
        unit.keys.revoke(key.key_id)
    assert [client.get(f"{FLEX}/runs", headers=h).status_code for h in ({}, shown)] == [401, 401]
