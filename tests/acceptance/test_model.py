"""A model that answers well, badly, late or not at all, as one HTTP server that speaks the OpenAI protocol plays it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support import fake_openai as fake
from tests.support.envelopes import freeform_envelope
from tests.support.fake_openai import FakeOpenAI
from tests.support.invariants import assert_sound
from tests.support.stack import Stack, example
from tests.support.visitor import FLEX, Frame, Visitor, pointers, row_counts, told

CAPABILITIES = f"{FLEX}/capabilities"
ARTICLE = freeform_envelope(outputContract={"mode": "facets", "facets": ["longFormDraft"]})
BRIEF = {
    "writerBrief": {"angle": "Wood can be mended", "keyPoints": ["Every plank can be replaced"]},
    "strategicRationale": "Readers believe what they can check.",
    "strategicDirections": [{"label": "Repair", "angle": "A boat that is repaired never gets old"}],
}
POSITIONING = "yard.positioner"


def asked_for(frames: list[Frame]) -> dict[str, Any]:
    """Return the request of the last `hitl_request`, which a POST stream ends with."""
    assert [frame["type"] for frame in frames[-2:]] == ["hitl_request", "log"]
    assert frames[-1]["message"] == "stream_paused"
    assert "id" not in frames[-1]
    return dict(frames[-2]["payload"]["request"])


def answer(request: dict[str, Any], **response: Any) -> dict[str, Any]:
    return {"requestId": request["id"], "runId": request["runId"], "responses": [response]}


@pytest.fixture
def unanswered(asker: Visitor, provider: FakeOpenAI) -> Iterator[dict[str, Any]]:
    """A request about a briefing that the model never got right; its run is over at the end of the test."""
    provider.play(fake.SCHEMA_VIOLATION)
    _, frames = asker.stream(ARTICLE)
    provider.play()
    yield asked_for(frames)
    asker.http.post(f"{FLEX}/runs/{frames[0]['runId']}/cancel")


def test_a_good_answer_becomes_the_result_and_is_paid_for(asker: Visitor, provider: FakeOpenAI) -> None:
    # When the sample runs
    _, frames = asker.stream(example("linkedin"))

    # Then each of the five AI nodes asked once, and the run adds up what that cost
    assert_sound(frames)
    asker.assert_valid(frames)
    assert len(provider.requests) == 5
    usage = frames[-1]["payload"]["usage"]
    assert (usage["promptTokens"], usage["completionTokens"]) == (5 * 120, 5 * 80)
    assert usage["cost"] > 0
    # And the result is what the model wrote
    assert "A sentence from the model." in frames[-1]["payload"]["output"]["copyVariants"][0]["body"]
    provenances = [f["payload"]["provenance"] for f in told(frames, "node_complete") if f["payload"]["capabilityId"]]
    assert all(p["provider"] != "offline" for p in provenances)


def test_the_stored_system_prompt_is_what_the_model_gets(asker: Visitor, provider: FakeOpenAI) -> None:
    # When an article is asked for
    asker.stream(ARTICLE)

    # Then each call's system text is the prompt of its capability, as the registry shows it
    for capability_id, request in zip(
        ("StrategyManagerAgent.briefing", "ContentGeneratorAgent.blogPost", "QualityAssuranceAgent.contentReview"),
        provider.requests,
        strict=True,
    ):
        assert request.system == asker.get(f"{CAPABILITIES}/{capability_id}").json()["systemPrompt"]
        assert request.body["response_format"]["type"] == "json_schema"
        assert request.headers["authorization"] == "Bearer sk-acceptance"


def test_a_prompt_of_ones_own_is_stored_and_used(asker: Visitor, provider: FakeOpenAI) -> None:
    # Given a capability with a prompt of its own that names its facets
    prompt = "You place ships. Read objectiveBrief, give positioning_recommendation, and never joke."
    registration = {
        "capabilityId": POSITIONING,
        "version": "1.0.0",
        "displayName": "Positioner",
        "summary": "Finds the place of a yard",
        "kind": "execution",
        "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
        "outputContract": {"mode": "facets", "facets": ["positioning_recommendation"]},
        "systemPrompt": prompt,
    }
    assert asker.post(f"{CAPABILITIES}/register", registration).status_code == 200
    try:
        # When a run uses it
        policies = {"planner": {"selection": {"require": [POSITIONING]}}}
        contract = {"mode": "facets", "facets": ["positioning_recommendation"]}
        _, frames = asker.stream(freeform_envelope(outputContract=contract, policies=policies))

        # Then the model was told exactly that
        assert_sound(frames)
        assert prompt in [request.system for request in provider.requests]
        assert asker.get(f"{CAPABILITIES}/{POSITIONING}").json()["systemPrompt"] == prompt
    finally:
        asker.http.delete(f"{CAPABILITIES}/{POSITIONING}")


@pytest.mark.parametrize(
    ("step", "keyword"),
    [(fake.INVALID_JSON, "json"), (fake.SCHEMA_VIOLATION, "required")],
    ids=["invalid JSON", "schema violation"],
)
def test_a_wrong_answer_is_repaired_with_its_faults_in_the_prompt(
    asker: Visitor, provider: FakeOpenAI, step: fake.Step, keyword: str
) -> None:
    # Given a model whose first answer is wrong
    provider.play(step, fake.OK)

    # When an article is asked for
    _, frames = asker.stream(ARTICLE)

    # Then the fault is told, the second attempt has it in its prompt, and the run completes
    assert_sound(frames)
    asker.assert_valid(frames)
    of_node = [frame for frame in frames if frame.get("nodeId") == "briefing"]
    assert [frame["type"] for frame in of_node] == [
        *("node_start", "validation_error", "node_retry", "node_start", "node_complete")
    ]
    error, retry = of_node[1]["payload"], of_node[2]["payload"]
    assert error["scope"] == "capability_output"
    assert {found["keyword"] for found in error["errors"]} == {keyword}
    assert (retry["attempt"], retry["maxAttempts"], retry["reason"]) == (2, 2, "invalid_output")
    assert all(found["message"] in provider.requests[1].user for found in error["errors"])
    assert error["errors"][0]["message"] not in provider.requests[0].user
    # And both calls are paid for
    assert frames[-1]["payload"]["usage"]["promptTokens"] == 4 * 120


def test_a_model_that_never_gets_it_right_leads_to_a_person(asker: Visitor, unanswered: dict[str, Any]) -> None:
    # Given a run whose node had no valid answer in two attempts
    frames = asker.frames(unanswered["runId"])
    asker.assert_valid(frames)

    # Then the question shows what was wrong and the last output
    context = unanswered["payload"]["additionalContext"]
    assert {found["pointer"] for found in context["errors"]} == {f"/{facet}" for facet in BRIEF}
    assert context["lastOutput"] == {"somethingElse": 1}
    assert context["attempts"] == 2
    assert unanswered["payload"]["kind"] == "approval"
    assert unanswered["contractSummary"]["contract"]["output"]["required"] == list(BRIEF)
    # And the run waits, and says for whom
    run = asker.run(unanswered["runId"])["run"]
    assert run["status"] == "awaiting_hitl"
    assert unanswered["id"] in run["waitingFor"]
    # And the question is in the list of open ones, in the form that existing clients read
    pending = asker.get("/api/hitl/pending").json()
    entry = next(one for one in pending["runs"] if one["runId"] == unanswered["runId"])
    assert entry["pendingRequestId"] == unanswered["id"]
    assert entry["pendingRequest"] == unanswered
    assert entry["status"] == "awaiting_hitl"


@pytest.mark.parametrize("door", [f"{FLEX}/hitl/resolve", "/api/hitl/resume"])
def test_an_operators_output_completes_the_run(asker: Visitor, unanswered: dict[str, Any], door: str) -> None:
    # When an operator supplies the output
    operator = {"id": "op-1", "displayName": "Ada"}
    body = {**answer(unanswered, approved=True, output=BRIEF), "operator": operator, "note": "by hand"}
    reply = asker.post(door, body)

    # Then the node has it, and the run completes with what follows from it
    assert reply.status_code == 200, reply.text
    assert reply.json()["ok"] is True
    assert reply.json()["decision"]["requestId"] == unanswered["id"]
    asker.wait(unanswered["runId"], "completed")
    frames = asker.frames(unanswered["runId"])
    assert_sound(frames)
    asker.assert_valid(frames)
    resolved = told(frames, "hitl_resolved")[0]["payload"]["request"]
    assert resolved["status"] == "resolved"
    done = told(frames, "node_complete", "briefing")[0]["payload"]
    assert done["output"] == BRIEF
    assert done["provenance"]["provider"] == "person"
    # And nobody is asked any more
    assert unanswered["id"] not in [one["pendingRequestId"] for one in asker.get("/api/hitl/pending").json()["runs"]]


def test_an_invalid_output_is_refused_at_its_places_and_changes_nothing(
    flex_up_with_model: Stack, asker: Visitor, unanswered: dict[str, Any]
) -> None:
    before = row_counts(flex_up_with_model.database_url)
    wrong = {**BRIEF, "writerBrief": {"angle": "", "keyPoints": []}, "strategicRationale": 7}

    for _ in range(2):
        # When an operator's output breaks the node's contract
        reply = asker.post(f"{FLEX}/hitl/resolve", answer(unanswered, approved=True, output=wrong))

        # Then every place is named, and the question stays open
        assert reply.status_code == 422
        at = "/responses/0/output"
        assert pointers(reply) == {
            *(f"{at}/writerBrief/angle", f"{at}/writerBrief/keyPoints", f"{at}/strategicRationale")
        }
    assert row_counts(flex_up_with_model.database_url) == before
    assert asker.status(unanswered["runId"]) == "awaiting_hitl"


def test_an_approval_of_nothing_is_refused(asker: Visitor, unanswered: dict[str, Any]) -> None:
    reply = asker.post(f"{FLEX}/hitl/resolve", answer(unanswered, approved=True))

    assert reply.status_code == 422
    assert pointers(reply) == {"/responses/0/output"}


def test_a_rejection_fails_the_run_and_names_each_error(asker: Visitor, unanswered: dict[str, Any]) -> None:
    # When the operator rejects
    reply = asker.post(f"{FLEX}/hitl/resolve", answer(unanswered, approved=False, freeformText="Not like this"))

    # Then the node and the run have failed, with each error of the last output
    assert reply.status_code == 200, reply.text
    asker.wait(unanswered["runId"], "failed")
    frames = asker.frames(unanswered["runId"])
    assert_sound(frames, status="failed")
    asker.assert_valid(frames)
    failed = told(frames, "node_error", "briefing")[0]["payload"]
    assert failed["code"] == "rejected"
    assert "Not like this" in failed["message"]
    complete = frames[-1]["payload"]
    for errors in (failed["error"]["errors"], complete["error"]["errors"]):
        assert {found["pointer"] for found in errors} == {f"/{facet}" for facet in BRIEF}
    assert complete["error"]["remedy"]


def test_of_two_answers_at_once_one_counts_and_the_other_learns_which(
    asker: Visitor, unanswered: dict[str, Any]
) -> None:
    # When six operators answer at the same moment
    def decide(name: str) -> Any:
        body = {**answer(unanswered, approved=True, output=BRIEF), "operator": {"displayName": name}}
        return asker.post(f"{FLEX}/hitl/resolve", body)

    names = [f"operator {number}" for number in range(6)]
    with ThreadPoolExecutor(len(names)) as pool:
        replies = list(pool.map(decide, names))

    # Then one is the winner, and each of the others is told so
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 5
    winner = next(name for name, reply in zip(names, replies, strict=True) if reply.status_code == 200)
    for reply in replies:
        if reply.status_code == 409:
            assert reply.headers["Content-Type"] == "application/problem+json"
            assert reply.json()["data"]["resolvedBy"] == winner
    # And the run has one decision
    asker.wait(unanswered["runId"], "completed")
    assert len(told(asker.frames(unanswered["runId"]), "hitl_resolved")) == 1


@pytest.mark.parametrize(
    "step",
    [fake.rate_limited(1), fake.SERVER_ERROR, fake.DROP, fake.DROP_MIDWAY],
    ids=["429 with Retry-After", "500", "connection dropped", "connection dropped in the middle"],
)
def test_a_failure_that_passes_is_tried_again(asker: Visitor, provider: FakeOpenAI, step: fake.Step) -> None:
    provider.play(step, fake.OK)

    _, frames = asker.stream(ARTICLE)

    assert_sound(frames)
    assert len(provider.requests) == 4
    assert not told(frames, "validation_error")


@pytest.mark.parametrize(
    ("step", "word"),
    [(fake.BAD_KEY, "key"), (fake.NO_QUOTA, "money"), (fake.REFUSED, "refused")],
    ids=["wrong key", "empty account", "refusal"],
)
def test_a_failure_that_stays_leads_to_a_person_who_is_told_why(
    asker: Visitor, provider: FakeOpenAI, step: fake.Step, word: str
) -> None:
    # Given a model that cannot be used
    provider.play(step)

    # When a run needs it
    _, frames = asker.stream(ARTICLE)

    # Then the question says what was wrong, and not that it was the output
    request = asked_for(frames)
    assert word in json.dumps(request["payload"]["additionalContext"]).lower()
    assert "after 1 attempt:" in request["payload"]["question"]
    assert word in request["payload"]["question"].lower()
    # And a cancelled run's question is closed
    asker.http.post(f"{FLEX}/runs/{frames[0]['runId']}/cancel")
    asker.wait(frames[0]["runId"], "cancelled")
    late = asker.post(f"{FLEX}/hitl/resolve", answer(request, approved=True, output=BRIEF))
    assert late.status_code == 409


def test_a_model_that_hangs_is_cut_at_the_deadline_and_asked_again(asker: Visitor, provider: FakeOpenAI) -> None:
    # Given a capability that has one second, and a model that hangs at the first call
    registration = {
        "capabilityId": "yard.quick",
        "version": "1.0.0",
        "displayName": "Quick positioner",
        "summary": "Finds the place of a yard at once",
        "kind": "execution",
        "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
        "outputContract": {"mode": "facets", "facets": ["positioning_recommendation"]},
        "metadata": {"timeoutSeconds": 1},
    }
    assert asker.post(f"{CAPABILITIES}/register", registration).status_code == 200
    provider.play(fake.HANG, fake.OK)
    try:
        # When a run uses it
        policies = {"planner": {"selection": {"require": ["yard.quick"]}}}
        contract = {"mode": "facets", "facets": ["positioning_recommendation"]}
        _, frames = asker.stream(freeform_envelope(outputContract=contract, policies=policies))
    finally:
        asker.http.delete(f"{CAPABILITIES}/yard.quick")

    # Then the attempt ended for that reason, and the second one gave the result
    assert_sound(frames)
    retries = told(frames, "node_retry")
    assert [(f["payload"]["attempt"], f["payload"]["reason"]) for f in retries] == [(2, "timeout")]
