"""Malformed envelopes and registrations over HTTP: every problem at its pointer, twice, and nothing stored.

Seen to fail with `ObjectReader.require` (policies/shape.py) telling of nothing: what is missing is found by nobody, and
ends in 500 or in a plan.
"""

from __future__ import annotations

import json

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from models.database import engine
from tests.support.malformed import ENVELOPES, REGISTRATIONS, Malformed

FLEX = "/api/v1/flex"
TABLES = ("flex_runs", "flex_events", "flex_plan_nodes", "flex_plan_snapshots", "flex_capabilities", "hitl_requests")


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    return web_app.test_client()


def rows() -> dict[str, int]:
    with engine().connect() as connection:
        return {table: connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES}


def refused_twice(client: FlaskClient, path: str, case: Malformed) -> str | None:
    """Return what was wrong with the answers, None when they were right."""
    for _ in range(2):
        reply = client.post(FLEX + path, data=json.dumps(case.body), content_type="application/json")
        if reply.status_code != case.status or reply.content_type != "application/problem+json":
            return f"{path} {case.name}: {reply.status_code} {reply.get_data(as_text=True)[:300]}"
        body = reply.get_json()
        found = {error["pointer"] for error in body["errors"]}
        if body["code"] != case.code or not case.pointers <= found:
            return f"{path} {case.name}: {body['code']} at {sorted(found)}, not {case.code} at {sorted(case.pointers)}"
    return None


@pytest.mark.parametrize("path", ["/run.stream", "/runs", "/plan"])
def test_every_malformed_envelope_is_refused_and_none_is_stored(client: FlaskClient, path: str) -> None:
    wrong = [refused_twice(client, path, case) for case in ENVELOPES]
    assert [one for one in wrong if one] == []
    assert not any(rows().values())


def test_every_malformed_registration_is_refused_and_none_is_stored(client: FlaskClient) -> None:
    wrong = [refused_twice(client, "/capabilities/register", case) for case in REGISTRATIONS]
    assert [one for one in wrong if one] == []
    assert not any(rows().values())


def test_there_are_enough_of_them() -> None:
    assert len(ENVELOPES) + len(REGISTRATIONS) >= 30
