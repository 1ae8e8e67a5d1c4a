"""The first way through: an envelope goes in, and what comes out is what its contract asks for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.envelopes import VARIANT, freeform_envelope, linkedin_envelope, variants_contract
from tests.support.invariants import assert_sound
from tests.support.stack import example
from tests.support.visitor import FLEX, Visitor, pretty, told

LINKEDIN_NODES = {
    "briefing",
    "branch",
    "linkedinVariants~a",
    "linkedinVariants~b",
    "contentReview~a",
    "contentReview~b",
    "output",
}


def renamed(name: str) -> dict[str, Any]:
    """Return the sample with the caller's own name for its variants."""
    envelope = example("linkedin")
    schema = envelope["outputContract"]["schema"]
    schema["required"] = [name]
    schema["properties"] = {name: schema["properties"]["copyVariants"]}
    return envelope


@pytest.mark.parametrize("name", ["copyVariants", "variants"])
def test_the_sample_envelope_streams_every_step_and_ends_with_what_was_asked_for(visitor: Visitor, name: str) -> None:
    # When the sample is streamed, with the field's usual name or with the caller's own
    response, frames = visitor.stream(renamed(name))

    # Then the run is named before its first frame
    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    run_id = response.headers["X-Run-Id"]
    assert response.headers["Location"] == f"{FLEX}/runs/{run_id}"
    # And the frames are numbered, in order, and of the published form
    assert_sound(frames)
    visitor.assert_valid(frames)
    assert [frame["type"] for frame in frames[:4]] == ["start", "plan_requested", "plan_generated", "plan_branch"]
    assert {frame["type"] for frame in frames[4:-1]} == {"node_start", "node_complete"}
    assert {frame["nodeId"] for frame in told(frames, "node_complete")} == LINKEDIN_NODES
    assert {frame["runId"] for frame in frames} == {run_id}
    assert [frame["planVersion"] for frame in frames] == [0, 0] + [1] * (len(frames) - 2)
    # And the result fits the contract and speaks of the company
    output = frames[-1]["payload"]["output"]
    assert set(output) == {name}
    assert [set(VARIANT["required"]) <= set(variant) for variant in output[name]] == [True, True]
    assert all("Northwind Robotics" in " ".join(variant.values()) for variant in output[name])
    assert output[name][0]["headline"] != output[name][1]["headline"]
    # And it is stored
    stored = visitor.run(run_id)
    assert stored["run"]["status"] == "completed"
    assert stored["output"]["output"] == output
    # And read again it is the same log
    assert visitor.frames(run_id) == frames


def test_frames_carry_what_clients_of_the_older_server_read(visitor: Visitor) -> None:
    # When the sample has run
    _, frames = visitor.stream(example("linkedin"))

    # Then each frame has the members that its type is known for
    by_type = {frame["type"]: frame["payload"] for frame in reversed(frames)}
    assert set(by_type["start"]) >= {"runId", "threadId", "correlationId"}
    assert set(by_type["plan_requested"]) >= {
        *("runId", "attempt", "phase", "variantCount", "plannerContext", "policies", "policyMetadata", "capabilities")
    }
    assert by_type["plan_requested"]["policyMetadata"]["planner"] == {
        "hasTopology": False,
        "hasSelection": False,
        "optimisation": None,
    }
    assert by_type["plan_requested"]["policyMetadata"]["runtime"] == {"count": 0, "actions": []}
    assert set(by_type["plan_generated"]["plan"]) >= {"runId", "version", "createdAt", "nodes", "edges", "metadata"}
    for frame in told(frames, "node_start"):
        members = {"capabilityId", "label", "kind", "startedAt", "executorType", "facets", "postConditionGuards"}
        assert set(frame["payload"]) >= members, pretty(frame)
        assert frame["payload"]["startedAt"] == frame["timestamp"]
    for frame in told(frames, "node_complete"):
        payload = frame["payload"]
        members = {"capabilityId", "label", "completedAt", "output", "postConditionResults", "durationMs", "attempt"}
        assert set(payload) >= members, pretty(frame)
        assert set(payload["usage"]) == {"promptTokens", "completionTokens", "cost"}
        assert payload["completedAt"] == frame["timestamp"]
        assert datetime.fromisoformat(payload["completedAt"]).tzinfo is not None
        assert set(frame["facetProvenance"]) == {"input", "output"}
    usage = by_type["complete"]["usage"]
    spent = [frame["payload"]["usage"] for frame in told(frames, "node_complete")]
    assert usage["promptTokens"] == sum(entry["promptTokens"] for entry in spent)


@pytest.mark.parametrize("count", [2, 3])
def test_variants_differ_and_say_nothing_of_how_they_were_ordered(visitor: Visitor, count: int) -> None:
    # Given an envelope that leaves to the writer what each variant is about
    inputs = {"channel": "linkedin", "variantCount": count}
    envelope = linkedin_envelope(inputs=inputs, outputContract=variants_contract(count=count))
    del envelope["specialInstructions"]

    # When it has run
    _, frames = visitor.stream(envelope)

    # Then no two variants are the same, and none repeats the planner's own words
    variants = frames[-1]["payload"]["output"]["copyVariants"]
    assert len({variant["body"] for variant in variants}) == count
    assert not [v for v in variants if "exactly one item" in " ".join(v.values())], pretty(variants)


def test_a_blog_post_is_a_linear_plan(visitor: Visitor) -> None:
    _, frames = visitor.stream(example("blog"))

    assert_sound(frames)
    visitor.assert_valid(frames)
    assert [frame["nodeId"] for frame in told(frames, "node_start")][:2] == ["briefing", "blogPost"]
    assert not told(frames, "plan_branch")
    schema = example("blog")["outputContract"].get("schema", {"required": ["longFormDraft"]})
    Draft202012Validator(schema).validate(frames[-1]["payload"]["output"])


def test_a_contract_of_facets_gets_each_facet_under_its_own_key(visitor: Visitor) -> None:
    # Given a contract that names two facets
    contract = {"mode": "facets", "facets": ["copyVariants", "qaFindings"]}

    # When it has run
    _, frames = visitor.stream(linkedin_envelope(outputContract=contract))

    # Then the result has both
    assert_sound(frames)
    output = frames[-1]["payload"]["output"]
    assert set(output) == {"copyVariants", "qaFindings"}
    assert len(output["copyVariants"]) == 2


@pytest.mark.parametrize(
    "contract",
    [
        {"mode": "freeform", "instructions": "A short article", "expectedFormat": "blog post"},
        {"mode": "freeform", "instructions": "Three lines for LinkedIn"},
    ],
    ids=["format named", "told by the instructions"],
)
def test_a_freeform_contract_gets_a_text(visitor: Visitor, contract: dict[str, Any]) -> None:
    _, frames = visitor.stream(freeform_envelope(outputContract=contract))

    assert_sound(frames)
    assert frames[-1]["payload"]["output"]


def test_a_bare_array_and_closed_items_get_exactly_that(visitor: Visitor) -> None:
    # Given a contract whose root is the array, with items that allow nothing else
    variant = {**VARIANT, "additionalProperties": False}
    array = {"type": "array", "minItems": 2, "maxItems": 2, "items": variant}

    # When it has run
    _, frames = visitor.stream(linkedin_envelope(outputContract={"mode": "json_schema", "schema": array}))

    # Then the output is that array
    assert_sound(frames)
    output = frames[-1]["payload"]["output"]
    assert [set(item) for item in output] == [set(VARIANT["required"])] * 2


def test_what_nobody_can_make_is_refused_with_the_place_and_a_remedy(visitor: Visitor) -> None:
    # Given a contract for something that no facet describes
    schema = {"type": "object", "required": ["filmReel"], "properties": {"filmReel": {"type": "string"}}}
    envelope = freeform_envelope(outputContract={"mode": "json_schema", "schema": schema})

    # When it is streamed
    _, frames = visitor.stream(envelope)

    # Then the plan is rejected with diagnostics, and the run has failed for that reason
    assert_sound(frames, status="failed")
    visitor.assert_valid(frames)
    assert [frame["type"] for frame in frames] == ["start", "plan_requested", "plan_rejected", "complete"]
    rejected, complete = frames[2]["payload"], frames[3]["payload"]
    assert [d["pointer"] for d in rejected["diagnostics"]] == ["/outputContract/schema/properties/filmReel"]
    assert all(d["suggestion"] for d in rejected["diagnostics"])
    assert complete["reason"] == "no_plan"
    assert {"code", "message", "remedy"} <= set(complete["error"])
    assert visitor.run(frames[0]["runId"])["run"]["reason"] == "no_plan"


def test_planner_policies_decide_or_are_named_as_not_yet_acted_on(visitor: Visitor) -> None:
    # Given policies that this version acts on, one that it does not, and an old flat key
    planner = {
        "topology": {"variantCount": 3},
        "selection": {"forbid": ["QualityAssuranceAgent.contentReview"]},
        "optimisation": {"objective": "speed"},
    }
    envelope = linkedin_envelope(
        policies={"planner": planner, "brandVoice": "warm"}, outputContract=variants_contract(count=3)
    )
    envelope["inputs"].pop("variantCount")

    # When the plan is shown
    reply = visitor.post(f"{FLEX}/plan", envelope).json()

    # Then there are three writers and not the forbidden reviewer
    plan = reply["plan"]
    used = [node["capabilityId"] for node in plan["nodes"]]
    assert used.count("ContentGeneratorAgent.linkedinVariants") == 3
    assert "QualityAssuranceAgent.contentReview" not in used
    # And the rest stands in the notes
    notes = " ".join(str(note) for note in (*plan["metadata"]["notes"], *plan["metadata"].get("legacyPolicyNotes", ())))
    assert "brandVoice" in notes
