"""Plans that change while they run, and questions to people, over HTTP with real workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planner.contracts.capabilities import builtin_registrations
from tests.support.envelopes import VARIANT, linkedin_envelope
from tests.support.invariants import assert_sound
from tests.support.remote_agent import RemoteAgent
from tests.support.stack import Stack
from tests.support.visitor import FLEX, Visitor, told

STRATEGIST, WRITER = "StrategyManagerAgent.briefing", "ContentGeneratorAgent.linkedinVariants"
REVIEWER = "QualityAssuranceAgent.contentReview"
POST = {"headline": "Come and build boats", "body": "A body that is long enough to count.", "callToAction": "Write us"}
DIRECTIONS = [{"label": label, "angle": f"The {label}"} for label in ("yard", "people", "sea")]
BRIEFED = {
    "writerBrief": {"angle": "The yard", "keyPoints": ["Boats that last"]},
    "strategicRationale": "Welders want to see what they build.",
    "strategicDirections": DIRECTIONS,
}
Register = Callable[..., None]


@pytest.fixture
def visitor(flex_up_bare: Stack) -> Iterator[Visitor]:
    with Visitor(flex_up_bare.url) as one:
        yield one


@pytest.fixture
def register(visitor: Visitor) -> Iterator[Register]:
    """Register a copy of a built-in capability under a name of the yard's; what was registered goes with the test."""
    bodies = {body["capabilityId"]: body for body in builtin_registrations()}
    names: list[str] = []

    def add(original: str, name: str | None = None, **members: Any) -> None:
        body = {**bodies[original], "capabilityId": name or f"yard.{original.rsplit('.', 1)[-1]}", **members}
        reply = visitor.post(f"{FLEX}/capabilities/register", body)
        assert reply.status_code == 200, reply.text
        names.append(body["capabilityId"])

    yield add
    for name in names:
        visitor.http.delete(f"{FLEX}/capabilities/{name}")


@pytest.fixture
def strategist() -> Iterator[RemoteAgent]:
    agent = RemoteAgent()
    agent.replies = [(200, {}, {"output": BRIEFED})]
    yield agent
    agent.stop()


def free_envelope(**members: Any) -> dict[str, Any]:
    """Return an envelope for as many posts as come out, up to six."""
    array = {"type": "array", "minItems": 1, "maxItems": 6, "items": VARIANT}
    schema = {"type": "object", "required": ["copyVariants"], "properties": {"copyVariants": array}}
    envelope = linkedin_envelope(outputContract={"mode": "json_schema", "schema": schema}, **members)
    del envelope["inputs"]["variantCount"]
    return envelope


def with_minimum(score: float) -> dict[str, Any]:
    return linkedin_envelope(policies={"planner": {"directives": {"minimumScore": round(score, 4)}}})


def asked(visitor: Visitor, envelope: dict[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Start a run that has to ask; return its id, its `plan_fallback` and the request, as a person finds it."""
    run_id = visitor.start(envelope)
    visitor.wait(run_id, "awaiting_hitl")
    (fallback,) = told(visitor.frames(run_id), "plan_fallback")
    pending = visitor.get("/api/hitl/pending").json()["runs"]
    (request,) = (entry["pendingRequest"] for entry in pending if entry["runId"] == run_id)
    return run_id, fallback["payload"], request


def answer(visitor: Visitor, run_id: str, request: dict[str, Any], **response: Any) -> list[dict[str, Any]]:
    """Answer a request over HTTP, wait for the end, and return the run's valid log."""
    body = {"runId": run_id, "requestId": request["id"], "responses": [response], "operator": {"id": "ada"}}
    reply = visitor.post("/api/hitl/resume", body)
    assert reply.status_code == 200, reply.text
    visitor.wait(run_id)
    frames = visitor.frames(run_id)
    visitor.assert_valid(frames)
    return frames


def test_a_strategist_with_three_directions_gets_three_writers(
    visitor: Visitor, register: Register, strategist: RemoteAgent
) -> None:
    register(STRATEGIST, endpoint={"url": strategist.url})
    register(WRITER)
    register(REVIEWER)
    # When a run is streamed whose strategist returns three directions
    _, frames = visitor.stream(free_envelope())
    # Then version 2 has a writer and a reviewer for each, and their posts are joined
    assert_sound(frames)
    visitor.assert_valid(frames)
    (branch,) = told(frames, "plan_branch")
    assert branch["payload"]["reason"] == "upstream_output"
    assert [len(b["nodeIds"]) for b in branch["payload"]["branches"]] == [2, 2, 2]
    assert [f["payload"]["version"] for f in told(frames, "plan_updated")] == [2]
    assert len(frames[-1]["payload"]["output"]["copyVariants"]) == 3
    # And the strategist was asked once
    assert len(strategist.calls) == 1
    assert visitor.get(f"{FLEX}/runs/{frames[0]['runId']}/plans/2").json()["metadata"]["replan"]["locked"] == [
        "briefing"
    ]


@pytest.mark.parametrize(("intensity", "taken"), [(0.9, "bold"), (0.1, "calm"), (0.5, "plain"), (0.5, None)])
def test_a_routing_node_takes_one_of_three_ways(
    visitor: Visitor, register: Register, intensity: float, taken: str | None
) -> None:
    register(STRATEGIST)
    for name in ("bold", "calm", "plain"):
        register(WRITER, f"yard.{name}")
    routes = [
        {"to": "yard.bold", "if": "facets.planKnobs.hookIntensity > 0.6"},
        {"to": "yard.calm", "if": "facets.planKnobs.hookIntensity < 0.3"},
    ]
    routing = {"routes": routes, **({"elseTo": "yard.plain"} if taken else {})}
    envelope = free_envelope(policies={"planner": {"directives": {"routing": routing}}})
    envelope["inputs"]["planKnobs"] = {"hookIntensity": intensity}
    _, frames = visitor.stream(envelope)
    assert_sound(frames)
    visitor.assert_valid(frames)
    # Then one way is taken and the others are skipped; where none fits, the plan is made anew and the run completes
    skipped = {f["nodeId"] for f in told(frames, "node_skipped")}
    assert skipped == ({"bold", "calm", "plain"} - {taken} if taken else set())
    reasons = [f["payload"]["trigger"]["reason"] for f in told(frames, "plan_updated")]
    assert reasons == ([] if taken else ["routing_no_match"])


def test_an_empty_registry_asks_for_the_result(visitor: Visitor) -> None:
    # Then a plan to look at is refused, and a run asks
    preview = visitor.post(f"{FLEX}/plan", linkedin_envelope()).json()
    assert (preview["status"], preview["plan"]) == ("rejected", None)
    run_id, fallback, request = asked(visitor, linkedin_envelope())
    assert (fallback["reason"], fallback["best"]) == ("empty_registry", None)
    # When a person supplies it
    frames = answer(visitor, run_id, request, output={"copyVariants": [POST, POST]})
    assert_sound(frames)
    assert frames[-1]["payload"]["output"]["copyVariants"] == [POST, POST]


def test_a_facet_that_nobody_covers_is_asked_for_and_the_run_can_be_stopped(
    visitor: Visitor, register: Register
) -> None:
    register(STRATEGIST)
    run_id, fallback, request = asked(visitor, linkedin_envelope())
    assert (fallback["reason"], fallback["facets"]) == ("no_candidate", ["copyVariants"])
    assert [option["id"] for option in request["payload"]["options"]] == ["supply", "stop"]
    frames = answer(visitor, run_id, request, selectedOptionId="stop")
    assert_sound(frames, status="failed")
    assert frames[-1]["payload"]["reason"] == "rejected"


def test_an_answer_that_does_not_fit_is_refused_and_the_next_one_counts(visitor: Visitor, register: Register) -> None:
    register(STRATEGIST)
    run_id, _, request = asked(visitor, linkedin_envelope())
    body = {"runId": run_id, "requestId": request["id"], "responses": [{"selectedOptionId": "choose"}]}
    refused = visitor.post("/api/hitl/resume", body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/responses/0/selectedOptionId")
    frames = answer(visitor, run_id, request, output={"copyVariants": [POST, POST]})
    assert frames[-1]["payload"]["status"] == "completed"


def test_just_below_the_minimum_score_a_person_is_asked_and_at_it_nobody_is(
    visitor: Visitor, register: Register
) -> None:
    # Given capabilities of which nothing has been measured
    register(STRATEGIST, "yard.unmeasured.strategist")
    register(WRITER, "yard.unmeasured.writer")
    shown = visitor.post(f"{FLEX}/plan", linkedin_envelope()).json()["plan"]["nodes"]
    lowest = min(node["score"]["total"] for node in shown if node["score"])
    # Then below the lowest score the candidate, its score and the minimum are named
    run_id, fallback, request = asked(visitor, with_minimum(lowest + 0.0001))
    assert fallback["reason"] == "below_minimum_score"
    assert (fallback["best"]["score"], fallback["minimumScore"]) == (lowest, round(lowest + 0.0001, 4))
    # When a person chooses it anyway
    frames = answer(visitor, run_id, request, selectedOptionId="choose")
    assert_sound(frames)
    (updated,) = told(frames, "plan_updated")
    assert updated["payload"]["trigger"]["reason"] == "candidate_chosen"
    assert frames[-1]["payload"]["status"] == "completed"
    # And at the minimum nobody is asked
    assert visitor.wait(visitor.start(with_minimum(lowest)))["run"]["status"] == "completed"


def test_a_capability_that_comes_later_takes_over_when_an_operator_asks_for_a_new_plan(
    visitor: Visitor, register: Register
) -> None:
    register(STRATEGIST)
    run_id, _, _ = asked(visitor, linkedin_envelope())
    register(WRITER)
    reply = visitor.post(f"{FLEX}/runs/{run_id}/replan", {"operator": {"id": "ada"}, "note": "a writer is there"})
    assert reply.status_code == 202
    visitor.wait(run_id)
    frames = visitor.frames(run_id)
    visitor.assert_valid(frames)
    assert_sound(frames)
    assert visitor.get("/api/hitl/pending").json()["runs"] == []
