"""Every route against a real database: what it answers, what it refuses, and that refusals store nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app import create_app
from models.builtins import builtin_capabilities, register_builtins
from models.database import engine
from models.events.frames import Draft
from models.unit_of_work import open_unit
from tests.integration.web.conftest import end, say
from tests.support.web import forget_process

FLEX = "/api/v1/flex"


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    return web_app.test_client()


@pytest.fixture
def registry(connected: dict[str, str]) -> list[str]:
    register_builtins()
    return [capability.capability_id for capability in builtin_capabilities()]


REGISTRATION = {
    "capabilityId": "acme.headlines",
    "version": "1.0.0",
    "displayName": "Headlines",
    "summary": "Writes headlines",
    "kind": "execution",
    "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
    "outputContract": {"mode": "facets", "facets": ["copyVariants"]},
    "heartbeat": {"intervalSeconds": 30},
}


def stored_runs(client: FlaskClient) -> list[dict[str, Any]]:
    return list(client.get(f"{FLEX}/runs").get_json()["data"])


def test_a_submitted_envelope_is_a_run_that_can_be_read(client: FlaskClient, envelope: dict[str, Any]) -> None:
    # When an envelope is submitted
    reply = client.post(f"{FLEX}/runs", json=envelope, headers={"X-Correlation-Id": "order-7"})
    # Then the run is accepted, stored and addressed
    assert reply.status_code == 202
    run = reply.get_json()
    assert run.keys() == {
        "runId", "status", "waitingFor", "planVersion", "objective", "createdAt", "updatedAt"
    }  # fmt: skip
    assert reply.headers["X-Run-Id"] == run["runId"]
    assert reply.headers["X-Correlation-Id"] == "order-7"
    # And its address shows everything about it
    shown = client.get(reply.headers["Location"])
    assert shown.headers["Cache-Control"] == "no-store"
    snapshot = shown.get_json()
    assert {"ok", "run", "output", "planVersions", "latestSnapshot", "nodes", "planDrafts"} <= snapshot.keys()
    assert snapshot["run"]["envelope"] == envelope
    assert snapshot["run"]["correlationId"] == "order-7"
    # And its log has begun
    page = client.get(f"{FLEX}/runs/{run['runId']}/events", headers={"Accept": "application/json"}).get_json()
    assert [frame["type"] for frame in page["data"]] == ["start"]
    assert page["nextAfter"] == 1


def test_the_correlation_id_of_the_metadata_counts_when_there_is_no_header(
    client: FlaskClient, envelope: dict[str, Any]
) -> None:
    reply = client.post(f"{FLEX}/runs", json={**envelope, "metadata": {"correlationId": "brief-9"}})
    assert reply.headers["X-Correlation-Id"] == "brief-9"
    run_id = reply.headers["X-Run-Id"]
    page = client.get(f"{FLEX}/runs/{run_id}/events", headers={"Accept": "application/json"}).get_json()
    assert page["data"][0]["correlationId"] == "brief-9"


def test_a_refused_envelope_carries_its_correlation_id_too(client: FlaskClient) -> None:
    reply = client.post(f"{FLEX}/runs", json={"metadata": {"correlationId": "brief-9"}})
    assert reply.status_code == 422
    assert reply.headers["X-Correlation-Id"] == reply.get_json()["correlationId"] == "brief-9"


def test_a_stream_begins_with_the_address_and_the_first_frame(client: FlaskClient, envelope: dict[str, Any]) -> None:
    # When a run is streamed
    reply = client.post(f"{FLEX}/run.stream", json=envelope, headers={"Origin": "https://console.example"})
    assert reply.status_code == 200
    assert reply.headers["Content-Type"].startswith("text/event-stream")
    assert reply.headers["Location"].endswith(reply.headers["X-Run-Id"])
    # Then its first event is the stored start
    texts = iter(reply.response)
    assert next(texts) == b"retry: 2000\n\n"
    assert next(texts).startswith(b"event: start\nid: 1\ndata: {")
    reply.close()


def test_secrets_in_an_envelope_are_not_shown(client: FlaskClient, envelope: dict[str, Any]) -> None:
    secret = {**envelope, "inputs": {**envelope["inputs"], "crmToken": "t0p-s3cret"}}
    location = client.post(f"{FLEX}/runs", json=secret).headers["Location"]
    shown = client.get(location)
    assert b"t0p-s3cret" not in shown.data
    assert shown.get_json()["run"]["envelope"]["inputs"]["crmToken"] == "[redacted]"


@pytest.mark.parametrize("path", ["/run.stream", "/runs", "/plan"])
def test_a_malformed_envelope_is_refused_twice_and_never_stored(client: FlaskClient, path: str) -> None:
    # Given an envelope with several faults
    wrong = {
        "objective": "",
        "inputs": [],
        "surprise": 1,
        "outputContract": {"mode": "json_schema", "schema": {"type": 5}},
    }
    for _ in range(2):
        # When it is sent
        reply = client.post(FLEX + path, json=wrong)
        # Then every fault is named at its place
        assert reply.status_code == 422
        body = reply.get_json()
        assert body["code"] == "validation_failed"
        places = {error["pointer"] for error in body["errors"]}
        assert {"/objective", "/inputs", "/surprise"} <= places
        assert any(place.startswith("/outputContract/schema") for place in places)
    # And nothing is stored
    assert stored_runs(client) == []


def test_waiting_for_a_run_that_nobody_works_on_ends_in_time(client: FlaskClient, envelope: dict[str, Any]) -> None:
    reply = client.post(f"{FLEX}/runs", json=envelope, headers={"Prefer": "respond-async, wait=1"})
    assert reply.status_code == 202
    assert reply.headers["Preference-Applied"] == "wait=1"


def test_runs_are_listed_newest_first_and_page_by_page(client: FlaskClient, envelope: dict[str, Any]) -> None:
    # Given three runs
    ids = [client.post(f"{FLEX}/runs", json=envelope).get_json()["runId"] for _ in range(3)]
    # When they are read two at a time
    first = client.get(f"{FLEX}/runs?limit=2&status=pending").get_json()
    second = client.get(f"{FLEX}/runs?limit=2&cursor={first['nextCursor']}").get_json()
    # Then all come, newest first
    assert [run["runId"] for run in first["data"] + second["data"]] == ids[::-1]
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "status=asleep", "since=yesterday", "cursor=@@", "q=%00"]
)
def test_wrong_query_arguments_are_named(client: FlaskClient, query: str) -> None:
    reply = client.get(f"{FLEX}/runs?{query}")
    assert reply.status_code == 422
    assert reply.get_json()["errors"][0]["pointer"] == "/" + query.partition("=")[0]


def test_events_are_paged_filtered_and_resumed(client: FlaskClient, new_run: str) -> None:
    # Given a run of six frames that has ended
    say(new_run, 4)
    end(new_run)
    address = f"{FLEX}/runs/{new_run}/events"

    def page(query: str) -> tuple[list[str], int]:
        body = client.get(f"{address}?{query}", headers={"Accept": "application/json"}).get_json()
        return [frame["id"] for frame in body["data"]], body["nextAfter"]

    # Then any part of it can be read as JSON
    assert page("limit=2") == (["1", "2"], 2)
    assert page("after=4") == (["5", "6"], 6)
    assert page("after=6") == ([], 6)
    assert page("types=start,complete") == (["1", "6"], 6)
    # And as a stream that ends by itself
    told = client.get(f"{address}?types=complete", headers={"Last-Event-ID": "3"}).get_data(as_text=True)
    assert [line for line in told.split("\n") if line.startswith("id")] == ["id: 6"]
    # And a client that has seen everything is told to stop
    assert client.get(address, headers={"Last-Event-ID": "6"}).status_code == 204
    assert client.get(f"{address}?after=5&types=start").status_code == 204


def test_a_type_that_no_frame_has_is_refused(client: FlaskClient, new_run: str) -> None:
    reply = client.get(f"{FLEX}/runs/{new_run}/events?types=start,finish")
    assert reply.status_code == 422
    assert "finish" in reply.get_json()["errors"][0]["message"]


def test_an_event_id_that_is_none_is_refused(client: FlaskClient, new_run: str) -> None:
    reply = client.get(f"{FLEX}/runs/{new_run}/events", headers={"Last-Event-ID": "six"})
    assert reply.status_code == 422
    assert reply.get_json()["errors"][0]["pointer"] == "/Last-Event-ID"


def test_a_place_that_the_run_never_reached_starts_again_from_the_beginning(client: FlaskClient, new_run: str) -> None:
    reply = client.get(f"{FLEX}/runs/{new_run}/events?after=99")
    texts = iter(reply.response)
    assert b"event: reset" in next(texts)
    assert b"id: 1\n" in next(texts)
    reply.close()


def test_cancelling_is_accepted_once_and_again(client: FlaskClient, new_run: str) -> None:
    address = f"{FLEX}/runs/{new_run}/cancel"
    first = client.post(address, json={"note": "wrong brief", "operator": {"id": "ada"}})
    assert (first.status_code, first.get_json()["status"]) == (202, "cancelling")
    assert client.post(address).status_code == 202


def test_a_finished_run_cannot_be_cancelled(client: FlaskClient, new_run: str) -> None:
    end(new_run)
    reply = client.post(f"{FLEX}/runs/{new_run}/cancel")
    assert (reply.status_code, reply.get_json()["code"]) == (409, "invalid_run_state")
    assert reply.get_json()["runId"] == new_run


def test_planning_anew_is_accepted_once_and_again(client: FlaskClient, new_run: str) -> None:
    address = f"{FLEX}/runs/{new_run}/replan"
    # Given a run that has no plan yet, and is being planned anyway
    assert client.post(address).get_json()["status"] == "pending"
    # When it moves
    with open_unit(None) as unit:
        unit.runs.lock(new_run)
        unit.runs.change(new_run, status="running")
    # Then it is planned anew, once
    first = client.post(address, json={"note": "a new writer is there", "operator": {"id": "ada"}})
    assert (first.status_code, first.get_json()["status"]) == (202, "planning")
    assert client.post(address).status_code == 202
    with open_unit(None) as unit:
        run = unit.runs.get(new_run)
    assert run.epoch == 2
    assert run.replan == {
        "reason": "operator",
        "details": {"operator": {"id": "ada"}, "note": "a new writer is there"},
    }


def test_a_finished_run_cannot_be_planned_anew(client: FlaskClient, new_run: str) -> None:
    end(new_run)
    reply = client.post(f"{FLEX}/runs/{new_run}/replan")
    assert (reply.status_code, reply.get_json()["code"]) == (409, "invalid_run_state")


def test_an_operators_body_is_checked(client: FlaskClient, new_run: str) -> None:
    reply = client.post(f"{FLEX}/runs/{new_run}/cancel", json={"note": 5, "why": "x"})
    assert reply.status_code == 422
    assert {error["pointer"] for error in reply.get_json()["errors"]} == {"/note", "/why"}


def test_a_plan_is_shown_and_nothing_is_stored(
    client: FlaskClient, registry: list[str], envelope: dict[str, Any]
) -> None:
    # When the plan of an envelope is asked for
    body = client.post(f"{FLEX}/plan", json=envelope).get_json()
    # Then it is a plan with its price and its reasons
    assert body["status"] in {"accepted", "accepted_with_findings"}
    assert body["plan"]["nodes"]
    assert {part["nodeId"] for part in body["cost"]["parts"]} <= {node["id"] for node in body["plan"]["nodes"]}
    assert body["mermaid"].startswith("flowchart")
    assert {"failures", "warnings", "infos", "satisfactionScore"} <= body["diagnostics"].keys()
    assert stored_runs(client) == []


def test_a_plan_that_cannot_be_made_says_why(client: FlaskClient, envelope: dict[str, Any]) -> None:
    # Given an empty registry
    reply = client.post(f"{FLEX}/plan", json=envelope)
    # Then the reply is a rejection with diagnostics, not an error
    assert reply.status_code == 200
    body = reply.get_json()
    assert (body["status"], body["plan"]) == ("rejected", None)
    assert body["diagnostics"]["failures"]


def test_a_capability_comes_beats_and_goes(client: FlaskClient) -> None:
    # When it registers, and again
    for _ in range(2):
        reply = client.post(f"{FLEX}/capabilities/register", json=REGISTRATION)
        assert reply.status_code == 200, reply.data
        body = reply.get_json()
        assert body["ok"]
        assert body["registry"] == {"active": ["acme.headlines"], "count": 1}
    # Then it can be read, listed and kept alive
    address = f"{FLEX}/capabilities/acme.headlines"
    record = client.get(address).get_json()
    assert record["status"] == "active"
    assert "copyVariants" in record["systemPrompt"]
    assert client.get(f"{FLEX}/capabilities?status=active&kind=execution").get_json()["data"] == [record]
    assert client.patch(address).status_code == 200
    assert client.patch(address, json={"status": "active"}).get_json()["lastSeenAt"] >= record["lastSeenAt"]
    # And it can go, and a heartbeat brings it back
    assert client.delete(address).get_json()["status"] == "inactive"
    assert client.get(f"{FLEX}/capabilities?status=active").get_json()["data"] == []


def test_a_builtin_capability_can_neither_be_shadowed_nor_removed(client: FlaskClient, registry: list[str]) -> None:
    shadow = client.post(f"{FLEX}/capabilities/register", json={**REGISTRATION, "capabilityId": registry[0]})
    assert (shadow.status_code, shadow.get_json()["code"]) == (409, "builtin_capability")
    assert client.delete(f"{FLEX}/capabilities/{registry[0]}").status_code == 409


def test_a_malformed_registration_is_refused_twice_and_never_stored(client: FlaskClient) -> None:
    contract = {"mode": "facets", "facets": ["noSuchFacet"]}
    wrong = {"capabilityId": "x", "kind": "magic", "outputContract": contract, "z": 1}
    for _ in range(2):
        reply = client.post(f"{FLEX}/capabilities/register", json=wrong)
        assert reply.status_code == 422
        places = {error["pointer"] for error in reply.get_json()["errors"]}
        assert {"/version", "/displayName", "/summary", "/kind", "/z", "/outputContract/facets/0"} <= places
    assert client.get(f"{FLEX}/capabilities").get_json()["data"] == []


def test_facets_are_listed_by_direction_and_tag(client: FlaskClient) -> None:
    everything = client.get(f"{FLEX}/facets").get_json()["data"]
    outputs = client.get(f"{FLEX}/facets?direction=output").get_json()["data"]
    assert 0 < len(outputs) < len(everything)
    assert {"name", "title", "description", "semantics", "schema", "metadata"} <= everything[0].keys()


def test_nobody_is_asked_when_nothing_waits(client: FlaskClient) -> None:
    assert client.get("/api/hitl/pending").get_json() == {"ok": True, "runs": [], "data": [], "nextCursor": None}


@pytest.mark.parametrize("path", ["/api/hitl/resume", f"{FLEX}/hitl/resolve"])
def test_an_answer_is_checked_before_it_is_looked_up(client: FlaskClient, path: str) -> None:
    # Given an answer with several faults
    wrong = {"responses": [{"requestId": "other", "responseType": "shrug"}, {}], "operator": {"name": "x"}}
    reply = client.post(path, json=wrong)
    assert reply.status_code == 422
    places = {error["pointer"] for error in reply.get_json()["errors"]}
    assert places == {"/requestId", "/responses/0/responseType", "/responses/1", "/operator/name"}
    # And one without faults to a request that is not there
    right = {"requestId": "hitl_none", "responses": [{"approved": True}]}
    assert client.post(path, json=right).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/runs/none"),
        ("GET", "/runs/none/events"),
        ("GET", "/runs/none/plans/1"),
        ("POST", "/runs/none/cancel"),
        ("GET", "/capabilities/none"),
        ("PATCH", "/capabilities/none"),
        ("DELETE", "/capabilities/none"),
        ("GET", "/runs/%00"),
        ("GET", "/nowhere"),
    ],
)
def test_what_is_not_there_is_404(client: FlaskClient, method: str, path: str) -> None:
    reply = client.open(FLEX + path, method=method)
    assert reply.status_code == 404
    assert reply.content_type == "application/problem+json"


def test_a_plan_version_that_is_not_there_is_404(client: FlaskClient, new_run: str) -> None:
    assert client.get(f"{FLEX}/runs/{new_run}/plans/7").get_json()["code"] == "plan_not_found"


def test_every_route_refuses_other_methods_with_a_problem(web_app: Flask, client: FlaskClient) -> None:
    # Given every address of the app
    allowed: dict[str, set[str]] = {}
    for rule in web_app.url_map.iter_rules():
        address = rule.rule.replace("<int:version>", "1").replace("<run_id>", "r").replace("<capability_id>", "c")
        allowed.setdefault(address, set()).update(rule.methods or ())
    # Then a method that it does not know is 405, and a preflight is 204
    for address, methods in allowed.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - methods:
            reply = client.open(address, method=method)
            if reply.status_code != 404:  # `/capabilities/register` is also an id that may be read
                assert (reply.status_code, reply.content_type) == (405, "application/problem+json"), (method, address)
        assert client.options(address).status_code == 204


def test_readiness_says_what_is_missing(client: FlaskClient) -> None:
    # Given tables without built-in capabilities
    before = client.get("/readyz")
    assert before.status_code == 503
    assert before.get_json()["checks"]["migrations"]["ok"]
    assert before.get_json()["checks"]["builtinCapabilities"]["missing"]
    # When they are registered
    register_builtins()
    # Then the service is ready, and says that no worker has shown itself
    after = client.get("/readyz")
    assert after.status_code == 200
    assert after.get_json()["checks"]["redis"]["ok"]
    assert not after.get_json()["checks"]["workers"]["ok"]
    assert client.get("/api/v1/health").get_json()["status"] == "degraded"


def test_a_database_without_tables_is_not_ready_and_no_fault(
    empty_database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a database that nobody has migrated
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    forget_process()
    client = create_app().test_client()
    # Then the service is not ready and says why
    reply = client.get("/readyz")
    assert reply.status_code == 503
    assert reply.get_json()["checks"]["database"] == {"ok": True}
    assert reply.get_json()["checks"]["migrations"]["current"] is None
    assert client.get("/api/v1/health").get_json()["status"] == "degraded"
    forget_process()


def test_health_tells_of_each_part(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"ok": True}
    assert (
        client.get("/health").headers["Location"] == client.get("/api/health").headers["Location"] == "/api/v1/health"
    )
    database = client.get("/api/v1/health/db").get_json()
    assert (database["ok"], database["driver"]) == (True, "pg")
    model = client.get("/api/v1/health/openai").get_json()
    assert (model["ok"], model["configured"]) == (False, False)


def test_workers_that_finish_canaries_make_the_service_healthy(client: FlaskClient, registry: list[str]) -> None:
    with open_unit(tenant=None) as unit:
        for queue in ("nodes", "control"):
            unit.canaries.finish(unit.canaries.send(queue), "worker-1")
    assert client.get("/api/v1/health").get_json()["status"] == "healthy"


@pytest.mark.parametrize("queue", ["nodes", "control"])
def test_workers_that_fell_silent_make_the_service_degraded_and_leave_it_ready(
    client: FlaskClient, registry: list[str], queue: str
) -> None:
    # Given canaries that came back, one of them two minutes ago
    with open_unit(tenant=None) as unit:
        for name in ("nodes", "control"):
            unit.canaries.finish(unit.canaries.send(name), "worker-1")
    with engine().begin() as connection:
        connection.execute(
            text("UPDATE flex_canaries SET finished_at = clock_timestamp() - interval '121 s' WHERE queue = :queue"),
            {"queue": queue},
        )
    # Then the service says whose workers are silent, and goes on taking runs in
    health = client.get("/api/v1/health").get_json()
    assert (health["status"], health["services"]["workers"]["ok"]) == ("degraded", False)
    assert health["services"]["workers"]["queues"][queue] > 120
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert not ready.get_json()["checks"]["workers"]["ok"]


def test_the_debug_reply_tells_of_decisions(client: FlaskClient, new_run: str) -> None:
    with open_unit(tenant=None) as unit:
        unit.events.append(new_run, Draft("policy_update", {"policyId": "p"}))
    snapshot = client.get(f"{FLEX}/runs/{new_run}").get_json()
    assert [frame["type"] for frame in snapshot["decisions"]] == ["policy_update"]


def test_the_description_covers_every_route(web_app: Flask, client: FlaskClient) -> None:
    # Given the OpenAPI document
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    # Then every route and method stands in it with an operation id, replies, and problems of the right type
    names = {}
    for rule in web_app.url_map.iter_rules():
        path = rule.rule.replace("<int:version>", "{version}").replace("<", "{").replace(">", "}")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = document["paths"][path][method.lower()]
            names[path, method] = operation["operationId"]
            assert "application/problem+json" in operation["responses"]["500"]["content"]
            assert any(status[0] in "123" for status in operation["responses"])
    assert len(names) == len(set(names.values()))
    # And every schema that it names is there
    whole = json.dumps(document)
    named = {part.split('"', 1)[0] for part in whole.split("#/components/schemas/")[1:]}
    assert named <= document["components"]["schemas"].keys()
    assert {"TaskEnvelope", "CapabilityRegistration", "PlanGraph", "Frame", "Problem"} <= named
    # And the page for people loads nothing from elsewhere
    page = client.get("/docs")
    assert b"<script" not in page.data
    assert b"//" not in page.data.replace(b"https://json-schema.org", b"").split(b"<h2>Schemas")[0]
