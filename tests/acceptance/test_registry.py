"""Capabilities come, say that they are alive, fall silent and go, and plans and runs follow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.programs import wait_until
from tests.support import fake_openai as fake
from tests.support.envelopes import freeform_envelope, linkedin_envelope
from tests.support.fake_openai import FakeOpenAI, Step
from tests.support.invariants import assert_sound
from tests.support.visitor import FLEX, Visitor, told

CAPABILITIES = f"{FLEX}/capabilities"
POSITIONING = freeform_envelope(outputContract={"mode": "facets", "facets": ["positioning_recommendation"]})


def positioner(capability_id: str, **members: Any) -> dict[str, Any]:
    """Return a registration of a capability that finds a position from nothing but the objective."""
    return {
        "capabilityId": capability_id,
        "version": "1.0.0",
        "displayName": f"Positioner {capability_id}",
        "summary": "Finds the place of a yard among others",
        "kind": "execution",
        "inputContract": {"mode": "facets", "facets": ["objectiveBrief"]},
        "outputContract": {"mode": "facets", "facets": ["positioning_recommendation"]},
        **members,
    }


class Registry:
    """The registry over HTTP; what a test registers is gone at its end."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self._mine: list[str] = []

    def register(self, registration: dict[str, Any]) -> dict[str, Any]:
        reply = self.visitor.post(f"{CAPABILITIES}/register", registration)
        assert reply.status_code == 200, reply.text
        self._mine.append(registration["capabilityId"])
        return dict(reply.json())

    def record(self, capability_id: str) -> dict[str, Any]:
        return dict(self.visitor.get(f"{CAPABILITIES}/{capability_id}").json())

    def clear(self) -> None:
        for capability_id in self._mine:
            self.visitor.http.delete(f"{CAPABILITIES}/{capability_id}")


@pytest.fixture
def registry(visitor: Visitor) -> Iterator[Registry]:
    one = Registry(visitor)
    yield one
    one.clear()


@pytest.fixture
def model_registry(asker: Visitor) -> Iterator[Registry]:
    one = Registry(asker)
    yield one
    one.clear()


def preferring(*capability_ids: str) -> dict[str, Any]:
    return {"planner": {"selection": {"require": list(capability_ids)}}}


def test_a_new_capability_is_used_by_the_next_plan(visitor: Visitor, registry: Registry) -> None:
    # Given that nobody makes a position of an objective alone
    wanted = {**POSITIONING, "policies": preferring("yard.new")}
    before = visitor.post(f"{FLEX}/plan", wanted).json()
    assert before["status"] == "rejected"
    assert before["plan"] is None
    assert before["diagnostics"]["failures"]

    # When somebody registers who does
    reply = registry.register(positioner("yard.new"))

    # Then the reply lists it, and the very next run uses it
    assert "yard.new" in reply["registry"]["active"]
    assert reply["registry"]["count"] == len(reply["registry"]["active"])
    _, frames = visitor.stream(wanted)
    assert_sound(frames)
    assert [f["payload"]["capabilityId"] for f in told(frames, "node_complete")] == ["yard.new"]


def test_registering_again_replaces_and_the_record_registers_unchanged(registry: Registry) -> None:
    # Given a registration with everything in it
    registration = positioner(
        "yard.full",
        optionalInputFacets=["toneOfVoice"],
        heartbeat={"intervalSeconds": 600, "timeoutSeconds": 700},
        cost={"tier": "low", "estimatedTokens": 300, "pricePer1kTokens": 0.01, "currency": "EUR"},
        inputTraits={"languages": ["en"], "formats": ["text"], "strengths": ["brief"], "limitations": ["none"]},
        instructionTemplates={"app": "Be brief."},
        preferredModels=["gpt-5"],
        metadata={"catalogTags": ["yard"], "owner": {"team": "boats"}},
        postConditions=[
            {
                "facet": "positioning_recommendation",
                "path": "/",
                "condition": {"dsl": "exists(facets.planKnobs.hookIntensity)"},
            }
        ],
    )
    registry.register(registration)
    record = registry.record("yard.full")
    assert record["status"] == "active"
    assert record["inputFacets"] == ["objectiveBrief"]
    assert record["outputFacets"] == ["positioning_recommendation"]
    for facet in ("objectiveBrief", "toneOfVoice", "positioning_recommendation"):
        assert facet in record["systemPrompt"]
    for member in ("cost", "heartbeat", "inputTraits", "instructionTemplates", "preferredModels"):
        assert record[member] == registration[member]

    # When the record itself is sent back
    again = registry.register(record)["record"]

    # Then nothing has changed but the moments
    moments = {"registeredAt", "lastSeenAt", "updatedAt"}
    assert {k: v for k, v in again.items() if k not in moments} == {k: v for k, v in record.items() if k not in moments}
    # And another version takes its place
    assert registry.register({**registration, "version": "2.0.0"})["record"]["version"] == "2.0.0"


def test_every_builtin_record_registers_again_unchanged_under_another_name(
    visitor: Visitor, registry: Registry
) -> None:
    builtin = [record for record in visitor.get(CAPABILITIES).json()["data"] if record["builtin"]]
    assert builtin
    for record in builtin:
        name = f"copy.{record['capabilityId']}"
        copied = registry.register({**record, "capabilityId": name})["record"]
        for member in ("kind", "agentType", "inputContract", "outputContract", "systemPrompt", "cost", "heartbeat"):
            assert copied.get(member) == record.get(member), (name, member)


def test_a_capability_that_falls_silent_is_passed_over_until_it_beats_again(
    visitor: Visitor, registry: Registry
) -> None:
    # Given a capability that must be heard of every second
    registry.register(positioner("yard.silent", heartbeat={"intervalSeconds": 1, "timeoutSeconds": 1}))
    wanted = {**POSITIONING, "policies": preferring("yard.silent")}

    # When it falls silent
    assert wait_until(lambda: registry.record("yard.silent")["status"] == "inactive", 15)

    # Then it is listed as inactive, and no plan uses it
    inactive = visitor.get(f"{CAPABILITIES}?status=inactive").json()["data"]
    assert "yard.silent" in [one["capabilityId"] for one in inactive]
    assert visitor.post(f"{FLEX}/plan", wanted).json()["status"] == "rejected"

    # When it beats again
    beat = visitor.http.patch(f"{CAPABILITIES}/yard.silent")

    # Then it is back
    assert beat.status_code == 200
    assert beat.json()["status"] == "active"
    assert visitor.post(f"{FLEX}/plan", wanted).json()["status"] == "accepted"


def test_a_capability_that_is_taken_out_stays_known_and_is_not_used(visitor: Visitor, registry: Registry) -> None:
    registry.register(positioner("yard.gone"))

    gone = visitor.http.delete(f"{CAPABILITIES}/yard.gone")

    assert gone.status_code == 200
    assert registry.record("yard.gone")["status"] == "inactive"
    wanted = {**POSITIONING, "policies": preferring("yard.gone")}
    assert visitor.post(f"{FLEX}/plan", wanted).json()["status"] == "rejected"
    assert visitor.get(f"{CAPABILITIES}/nobody").status_code == 404
    assert visitor.http.patch(f"{CAPABILITIES}/nobody").status_code == 404


def test_people_are_registered_and_not_chosen(visitor: Visitor, registry: Registry) -> None:
    # Given that only a person finds a position of an objective alone
    human = positioner("yard.person", agentType="human", assignmentDefaults={"role": "strategist"})
    registry.register(human)

    # When a plan is asked to use that person
    reply = visitor.post(f"{FLEX}/plan", {**POSITIONING, "policies": preferring("yard.person")})

    # Then it does not, and says so
    assert reply.status_code in {200, 422}
    if reply.status_code == 200:
        assert reply.json()["status"] == "rejected"
    assert "yard.person" in reply.text


def leaving(visitor: Visitor, capability_id: str) -> Step:
    """Return an answer of the model during which a capability leaves the registry."""

    def content(request: dict[str, Any]) -> str:
        visitor.http.delete(f"{CAPABILITIES}/{capability_id}")
        return fake.valid(request)

    return Step(content=content)


def test_a_capability_that_went_inactive_since_planning_is_replaced_by_its_fallback(
    asker: Visitor, provider: FakeOpenAI, model_registry: Registry
) -> None:
    # Given two who can write variants, one of which leaves while the brief is made
    writers = ("yard.first", "yard.second")
    for capability_id in writers:
        model_registry.register(
            positioner(
                capability_id,
                inputContract={"mode": "facets", "facets": ["writerBrief"]},
                outputContract={"mode": "facets", "facets": ["positioning_recommendation"]},
            )
        )
    provider.play(leaving(asker, "yard.first"), fake.OK)

    # When a run was planned with the first of them
    policies = {"planner": {"selection": {"require": ["yard.first"]}}}
    _, frames = asker.stream({**POSITIONING, "policies": policies})

    # Then the node says why it fell back, and the other one did the work
    assert_sound(frames)
    asker.assert_valid(frames)
    error, retry = told(frames, "node_error")[0]["payload"], told(frames, "node_retry")[0]["payload"]
    assert (error["code"], error["capabilityId"]) == ("capability_inactive", "yard.first")
    assert error["remedy"]
    assert retry["reason"] == "fallback"
    assert retry["capabilityId"] not in {"yard.first", None}


def test_without_a_fallback_a_person_is_asked(asker: Visitor, provider: FakeOpenAI, model_registry: Registry) -> None:
    # Given the only one who makes a facet of its own kind of input, who leaves while the brief is made
    model_registry.register(
        positioner("yard.only", inputContract={"mode": "facets", "facets": ["writerBrief"]}, kind="execution")
    )
    forbidden = [
        one["capabilityId"]
        for one in asker.get(CAPABILITIES).json()["data"]
        if "positioning_recommendation" in one["outputFacets"] and one["capabilityId"] != "yard.only"
    ]
    provider.play(leaving(asker, "yard.only"), fake.OK)

    # When a run was planned with it
    policies = {"planner": {"selection": {"require": ["yard.only"], "forbid": forbidden}}}
    _, frames = asker.stream({**POSITIONING, "policies": policies})

    # Then the node says why it stopped, and a person is asked for its output
    assert [f["payload"]["code"] for f in told(frames, "node_error")] == ["capability_inactive"]
    assert frames[-1]["message"] == "stream_paused"
    request = frames[-2]["payload"]["request"]
    assert request["payload"]["additionalContext"]["reason"] == "capability_inactive"
    asker.http.post(f"{FLEX}/runs/{frames[0]['runId']}/cancel")


def test_after_its_attempts_a_node_goes_to_its_fallback_and_only_then_to_a_person(
    asker: Visitor, provider: FakeOpenAI, model_registry: Registry
) -> None:
    # Given two who can do the same, and a model that never gets it right
    for capability_id in ("yard.one", "yard.two"):
        model_registry.register(positioner(capability_id))
    provider.play(fake.SCHEMA_VIOLATION)

    # When a run needs one of them
    _, frames = asker.stream({**POSITIONING, "policies": preferring("yard.one")})

    # Then the first had its attempts, then the other had its own, then a person is asked
    node = told(frames, "hitl_request")[0]["nodeId"]
    starts = [f["payload"]["capabilityId"] for f in told(frames, "node_start", node)]
    assert starts[:3] == ["yard.one"] * 3
    assert "yard.two" in starts[3:]
    assert starts == sorted(starts, key=starts.index)
    assert told(frames, "node_error", node)[0]["payload"]["code"] == "invalid_output"
    assert [f["payload"]["reason"] for f in told(frames, "node_retry", node)][:3] == [
        *("invalid_output", "invalid_output", "fallback")
    ]
    assert frames[-1]["message"] == "stream_paused"
    asker.http.post(f"{FLEX}/runs/{frames[0]['runId']}/cancel")


def test_linkedin_is_planned_around_a_missing_reviewer(asker: Visitor) -> None:
    selection = {
        "forbid": ["QualityAssuranceAgent.contentReview"],
        "require": ["ContentGeneratorAgent.linkedinVariants"],
    }
    policies = {"planner": {"selection": selection}}

    _, frames = asker.stream(linkedin_envelope(policies=policies))

    assert_sound(frames)
    assert "QualityAssuranceAgent.contentReview" not in [
        f["payload"]["capabilityId"] for f in told(frames, "node_start")
    ]
