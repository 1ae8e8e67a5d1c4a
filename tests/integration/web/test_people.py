"""The door for people: what waits is listed, the first answer counts, and everybody else learns who was first."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.web.conftest import open_request

ADDRESSES = ["/api/hitl/resume", "/api/v1/flex/hitl/resolve"]
SCHEMA = {"type": "object", "required": ["headline"], "properties": {"headline": {"type": "string", "minLength": 5}}}


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    return web_app.test_client()


@pytest.fixture
def request_id(new_run: str) -> str:
    """The id of an open request for an output, of a run that waits for it."""
    return open_request(new_run, SCHEMA)


def test_what_waits_is_listed_with_its_run(client: FlaskClient, new_run: str, request_id: str) -> None:
    body = client.get("/api/hitl/pending").get_json()
    assert body["ok"]
    assert body["runs"] == body["data"]
    (waiting,) = body["runs"]
    assert (waiting["runId"], waiting["pendingRequestId"], waiting["status"]) == (new_run, request_id, "awaiting_hitl")
    assert waiting["pendingRequest"]["payload"]["question"] == "Is this right?"


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_first_answer_counts_and_the_second_learns_who_was_first(
    client: FlaskClient, new_run: str, request_id: str, address: str
) -> None:
    answer = {
        "runId": new_run,
        "requestId": request_id,
        "responses": [{"approved": True, "output": {"headline": "Hello there"}}],
    }
    # When Ada answers
    first = client.post(address, json={**answer, "operator": {"id": "ada", "displayName": "Ada"}, "note": "fine"})
    assert first.status_code == 200
    assert first.get_json()["decision"] == {"kind": "approval", "requestId": request_id}
    # Then Bob is too late, at either address, and is told who was first
    for other in ADDRESSES:
        second = client.post(other, json={**answer, "operator": {"id": "bob"}})
        assert second.status_code == 409
        body = second.get_json()
        assert (body["code"], body["data"]["resolvedBy"]) == ("already_resolved", "Ada")
    # And the log says it once
    page = client.get(f"/api/v1/flex/runs/{new_run}/events", headers={"Accept": "application/json"}).get_json()
    assert [frame["type"] for frame in page["data"]].count("hitl_resolved") == 1
    assert client.get("/api/hitl/pending").get_json()["runs"] == []


def test_an_output_that_breaks_the_contract_is_refused_at_its_pointer(client: FlaskClient, request_id: str) -> None:
    wrong = {"requestId": request_id, "responses": [{"approved": True, "output": {"headline": "Hi"}}]}
    reply = client.post(ADDRESSES[0], json=wrong)
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.get_json()["errors"]] == ["/responses/0/output/headline"]
    # And the request still waits
    assert len(client.get("/api/hitl/pending").get_json()["runs"]) == 1


@pytest.mark.parametrize("wrong", [{"runId": "flex_other"}, {"threadId": "another thread"}])
def test_an_answer_for_another_run_finds_nothing(client: FlaskClient, request_id: str, wrong: dict[str, Any]) -> None:
    answer = {"requestId": request_id, "responses": [{"approved": False}], **wrong}
    assert client.post(ADDRESSES[0], json=answer).status_code == 404
    assert len(client.get("/api/hitl/pending").get_json()["runs"]) == 1


def test_of_twenty_answers_at_once_one_wins(web_app: Flask, request_id: str) -> None:
    # Given twenty people who answer at the same moment
    gate = threading.Barrier(20)
    statuses: Counter[int] = Counter()

    def answer(number: int) -> None:
        body = {"requestId": request_id, "responses": [{"approved": True, "output": {"headline": f"Number {number}"}}]}
        gate.wait()
        statuses[web_app.test_client().post(ADDRESSES[1], json=body).status_code] += 1

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then one is taken and nineteen are told so
    assert statuses == {200: 1, 409: 19}
