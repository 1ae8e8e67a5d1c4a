"""Runs as things that can be planned, listed, read, waited for and cancelled."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.client import frames_of
from app.programs import wait_until
from tests.support import fake_openai as fake
from tests.support.envelopes import freeform_envelope, linkedin_envelope
from tests.support.fake_openai import FakeOpenAI
from tests.support.invariants import assert_sound
from tests.support.stack import Stack, example
from tests.support.visitor import FLEX, Visitor, row_counts, told

ARTICLE = freeform_envelope(outputContract={"mode": "facets", "facets": ["longFormDraft"]})
SUMMARY = {"runId", "status", "planVersion", "objective", "createdAt", "updatedAt"}


def test_a_plan_is_shown_with_its_price_and_reasons_and_nothing_is_stored(flex_up: Stack, visitor: Visitor) -> None:
    before = row_counts(flex_up.database_url)

    # When a plan is asked for
    reply = visitor.post(f"{FLEX}/plan", example("linkedin"))

    # Then it is whole
    assert reply.status_code == 200
    body = reply.json()
    assert set(body) >= {"status", "plan", "cost", "diagnostics", "explanation", "mermaid"}
    plan = body["plan"]
    nodes = {node["id"]: node for node in plan["nodes"]}
    assert sum(part["cost"] for part in body["cost"]["parts"]) == pytest.approx(body["cost"]["total"])
    assert {part["nodeId"] for part in body["cost"]["parts"]} <= set(nodes)
    assert set(body["diagnostics"]) >= {"failures", "warnings", "infos", "satisfactionScore"}
    assert body["mermaid"].startswith(("graph", "flowchart"))
    # And every node carries what it needs to be understood
    for node in nodes.values():
        assert set(node) >= {
            *("id", "identity", "kind", "label", "capabilityId", "capabilityVersion", "facets", "contracts"),
            *("provenance", "contract", "alternatives", "derived", "rationale", "instructions", "score", "transform"),
            *("preConditionGuards", "postConditionGuards", "timeoutSeconds"),
        }
    assert nodes["output"]["transform"]
    # And what runs is that plan
    assert row_counts(flex_up.database_url) == before
    _, frames = visitor.stream(example("linkedin"))
    stored = visitor.get(f"{FLEX}/runs/{frames[0]['runId']}/plans/1").json()
    assert [node["id"] for node in stored["nodes"]] == list(nodes)
    assert [node["identity"] for node in stored["nodes"]] == [node["identity"] for node in plan["nodes"]]


def test_a_run_can_be_waited_for(visitor: Visitor) -> None:
    # When the caller is ready to wait
    done = visitor.post(f"{FLEX}/runs", example("blog"), {"Prefer": "wait=20"})

    # Then it gets the finished run
    assert done.status_code == 200
    assert done.headers["Preference-Applied"] == "wait=20"
    assert done.json()["status"] == "completed"
    assert done.json()["output"]["longFormDraft"]
    # And without that, or when the time is over first, the run as it stands
    at_once = visitor.post(f"{FLEX}/runs", example("blog"))
    assert at_once.status_code == 202
    assert set(at_once.json()) >= SUMMARY
    assert at_once.headers["Location"].endswith(at_once.json()["runId"])
    visitor.wait(at_once.json()["runId"], "completed")


def test_the_list_is_filtered_and_paged_without_gaps_or_doubles(visitor: Visitor) -> None:
    # Given seven runs of one client
    client = f"client-{time.monotonic_ns()}"
    ids = []
    for number in range(7):
        envelope = {**example("blog"), "objective": f"Boats, part {number}", "metadata": {"clientId": client}}
        ids.append(visitor.start(envelope))
    for run_id in ids:
        visitor.wait(run_id, "completed")

    def listed(query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = visitor.get(f"{FLEX}/runs?{query}{cursor}").json()
            found += page["data"]
            if page["nextCursor"] is None:
                return found
            cursor = f"&cursor={page['nextCursor']}"

    # Then pages of three hold each of them once, newest first
    assert [run["runId"] for run in listed(f"client={client}&limit=3")] == ids[::-1]
    # And filters do what they say
    assert [run["runId"] for run in listed(f"client={client}&q=part 3")] == [ids[3]]
    assert len(listed(f"client={client}&status=completed")) == 7
    assert listed(f"client={client}&status=failed") == []
    since = visitor.run(ids[4])["run"]["createdAt"]
    assert {run["runId"] for run in listed(f"client={client}&since={since}")} >= set(ids[5:])
    assert ids[3] not in {run["runId"] for run in listed(f"client={client}&since={since}")}
    # And wrong ones are named
    for query in ("limit=201", "limit=0", "status=done", "since=yesterday", "cursor=nonsense"):
        reply = visitor.get(f"{FLEX}/runs?{query}")
        assert reply.status_code in {400, 422}, (query, reply.text)
        assert reply.json()["errors"], query


def test_the_debug_snapshot_tells_everything_but_secrets(visitor: Visitor) -> None:
    # Given a run whose envelope holds secrets
    envelope = example("blog")
    envelope["metadata"] = {"clientId": "c", "apiKey": "k-1234", "nested": {"db_password": "p-1234", "note": "open"}}
    envelope["inputs"]["credentials"] = {"user": "u-1234"}
    _, frames = visitor.stream(envelope)
    run_id = frames[0]["runId"]

    # When it is read
    reply = visitor.get(f"{FLEX}/runs/{run_id}")
    body = reply.json()

    # Then it is all there
    assert reply.headers["Cache-Control"] == "no-store"
    assert set(body) >= {*("run", "output", "planVersions", "latestSnapshot", "nodes", "decisions", "policyMap")}
    assert set(body["run"]) >= {*SUMMARY, "envelope", "correlationId", "metadata", "schemaHash", "threadId"}
    assert set(body["output"]) >= {
        "planVersion",
        "status",
        "schemaHash",
        "recordedAt",
        "output",
        "facets",
        "provenance",
    }
    assert [version["version"] for version in body["planVersions"]] == [1]
    for node in body["nodes"]:
        assert set(node) >= {"nodeId", "capabilityId", "label", "status", "output", "startedAt", "completedAt"}
        assert node["status"] == "completed"
    # And the secrets are not
    assert not [secret for secret in ("k-1234", "p-1234", "u-1234") if secret in reply.text]
    assert body["run"]["metadata"]["nested"]["note"] == "open"
    # Nor in the stored plan
    assert "u-1234" not in visitor.get(f"{FLEX}/runs/{run_id}/plans/1").text


def test_a_stream_of_an_ended_run_replays_and_then_has_nothing_to_say(visitor: Visitor) -> None:
    # Given a run that has ended
    _, frames = visitor.stream(example("linkedin"))
    address = f"{FLEX}/runs/{frames[0]['runId']}/events"

    # When it is read from the start, from the middle, and by type
    def replay(query: str = "", **headers: str) -> list[dict[str, Any]]:
        with visitor.opened("GET", address + query, headers=headers) as response:
            assert response.status_code == 200
            return list(frames_of(response))

    # Then each reader gets exactly what it lacks
    assert replay() == frames
    assert replay(**{"Last-Event-ID": "0"}) == frames
    assert replay("?after=5") == frames[5:]
    assert replay("?after=1", **{"Last-Event-ID": "7"}) == frames[7:]
    assert replay("?types=node_complete,complete") == [f for f in frames if f["type"] in {"node_complete", "complete"}]
    # And a reader that has seen the last frame is told to stop
    for headers in ({"Last-Event-ID": frames[-1]["id"]}, {}):
        query = "" if headers else f"?after={frames[-1]['id']}"
        assert visitor.get(address + query, headers=headers).status_code == 204


def test_a_client_that_drops_after_any_frame_and_returns_misses_nothing(visitor: Visitor) -> None:
    # Given a client that closes its connection after each frame and comes back with its last id
    with visitor.opened("POST", f"{FLEX}/run.stream", json=example("linkedin")) as response:
        seen = [next(iter(frames_of(response)))]
        run_id = response.headers["X-Run-Id"]
    while seen[-1]["type"] != "complete":
        headers = {"Last-Event-ID": seen[-1]["id"]}
        with visitor.opened("GET", f"{FLEX}/runs/{run_id}/events", headers=headers) as response:
            seen.append(next(iter(frames_of(response))))

    # Then it has seen every frame once
    assert_sound(seen)
    assert seen == visitor.frames(run_id)


def test_a_run_is_cancelled_in_the_middle_of_a_node(asker: Visitor, provider: FakeOpenAI) -> None:
    # Given a run whose model does not answer
    provider.play(fake.HANG)
    posted = time.monotonic()
    run_id = asker.start(ARTICLE)
    provider.wait_for_requests(1)

    # When it is cancelled, twice
    began = time.monotonic()
    operator = {"operator": {"displayName": "Ada"}, "note": "Not needed any more"}
    first = asker.post(f"{FLEX}/runs/{run_id}/cancel", operator)
    second = asker.post(f"{FLEX}/runs/{run_id}/cancel", operator)

    # Then both are accepted, and the run ends without waiting for the model
    assert (first.status_code, second.status_code) == (202, 202)
    assert set(first.json()) >= SUMMARY
    body = asker.wait(run_id, "cancelled", seconds=10)
    assert time.monotonic() - began < 8
    frames = asker.frames(run_id)
    assert_sound(frames, status="cancelled")
    asker.assert_valid(frames)
    # And the end says what was stopped, and by whom
    complete = frames[-1]["payload"]
    (stopped,) = [node for node in complete["stopped"] if node["wasRunning"]]
    assert stopped["nodeId"] == "briefing"
    assert 0 < stopped["ranMs"] < (time.monotonic() - posted) * 1000
    assert complete["usage"] == {"promptTokens": 0, "completionTokens": 0, "cost": 0.0}
    assert (complete["operator"], complete["note"]) == ({"displayName": "Ada"}, "Not needed any more")
    assert {node["status"] for node in body["nodes"]} <= {"cancelled"}
    # And nothing more happens to it
    assert asker.cancel(run_id).status_code in {202, 409}
    assert asker.frames(run_id) == frames


def test_cancelling_while_a_person_is_asked_closes_the_question(asker: Visitor, provider: FakeOpenAI) -> None:
    # Given a run that waits for a person
    provider.play(fake.SCHEMA_VIOLATION)
    _, frames = asker.stream(ARTICLE)
    run_id = frames[0]["runId"]
    assert asker.status(run_id) == "awaiting_hitl"

    # When it is cancelled
    assert asker.cancel(run_id).status_code == 202

    # Then it ends, and nobody is asked any more
    asker.wait(run_id, "cancelled", seconds=10)
    assert wait_until(lambda: not [r for r in asker.get("/api/hitl/pending").json()["runs"] if r["runId"] == run_id], 5)
    assert_sound(asker.frames(run_id), status="cancelled")


def test_no_run_completes_with_an_output_that_its_contract_refuses(asker: Visitor, provider: FakeOpenAI) -> None:
    # Given a contract with a rule that no facet knows, and a model that keeps to the facets only
    contract = linkedin_envelope()["outputContract"]
    items = contract["schema"]["properties"]["copyVariants"]["items"]
    items["properties"]["callToAction"] = {"type": "string", "pattern": "^Apply"}

    # When it runs
    _, frames = asker.stream(linkedin_envelope(outputContract=contract))

    # Then the faults are told at their places, and a person is asked instead of completing
    asker.assert_valid(frames)
    assert frames[-1]["message"] == "stream_paused"
    errors = [error for frame in told(frames, "validation_error") for error in frame["payload"]["errors"]]
    assert any("callToAction" in error["pointer"] for error in errors)
    assert not told(frames, "complete")
    asker.cancel(frames[0]["runId"])
