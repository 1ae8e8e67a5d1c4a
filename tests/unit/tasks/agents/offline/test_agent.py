"""What the offline provider writes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from planner.contracts.capabilities import builtin_registrations
from planner.contracts.json_schema import validator_for
from tasks.agents.base import AgentCancelledError, CancelToken
from tasks.agents.offline.agent import OfflineAgent
from tests.support.bundles import INPUTS, asking, bundle_for

BUILTINS = [body["capabilityId"] for body in builtin_registrations()]
POST = {
    "type": "object",
    "required": ["headline", "body", "callToAction"],
    "properties": {
        "headline": {"type": "string", "minLength": 5},
        "body": {"type": "string", "minLength": 20},
        "callToAction": {"type": "string", "minLength": 2},
    },
}


def write(bundle: Any) -> Any:
    return OfflineAgent().run(bundle, cancel=CancelToken()).output


@pytest.mark.parametrize("capability_id", BUILTINS)
def test_every_built_in_capability_gets_a_valid_output(capability_id: str) -> None:
    bundle = bundle_for(capability_id)
    assert validator_for(bundle.output_schema).problems(write(bundle)) == []


def test_two_branches_follow_their_own_instruction_and_differ() -> None:
    # Given the two branches of the sample, "about the team" and "about growth"
    team, growth = (write(asking(POST, branch=label)) for label in ("a", "b"))
    # When they are compared, then each keeps to its subject
    assert "people" in team["headline"].lower()
    assert "grow" in growth["headline"].lower()
    assert "Delft" in team["body"]
    assert "Delft" in growth["body"]
    assert len({team["callToAction"], growth["callToAction"]}) == 2


def test_a_post_speaks_of_the_company_its_value_and_its_reader() -> None:
    post = write(asking(POST))
    text = " ".join(post.values()).lower()
    for word in ("northwind robotics", "safety before speed", "robotics engineers", "opened a test hall in delft"):
        assert word in text


@pytest.mark.parametrize("instruction", ["Variant A: remote work", "Option 1 should be about remote work."])
def test_a_branch_may_be_about_anything(instruction: str) -> None:
    post = write(asking(POST, special_instructions=(instruction,)))
    assert "remote work" in " ".join(post.values()).lower()


def test_how_many_variants_there_are_is_no_subject() -> None:
    # Given branches that only hear which of how many they are
    def written(label: str) -> dict[str, Any]:
        told = (f"This is variant {label.upper()} of 3: make exactly one item.",)
        bundle = bundle_for(branch=label, instructions=told, special_instructions=())
        return dict(write(bundle)["copyVariants"][0])

    # Then each writes about the company, and each something else
    texts = [" ".join(written(label).values()) for label in "abc"]
    assert not [text for text in texts if "exactly one" in text]
    assert len(set(texts)) == 3


def test_the_same_bundle_gives_the_same_words_whatever_run_it_belongs_to() -> None:
    bundle = asking(POST)
    again = replace(bundle, run_id="run_2", attempt=3, correlation_id=None, plan_version=4)
    assert write(bundle) == write(again)


def test_several_variants_in_one_list_have_subjects_of_their_own() -> None:
    schema = {
        "type": "object",
        "required": ["variants"],
        "properties": {"variants": {"type": "array", "minItems": 4, "maxItems": 4, "items": POST}},
    }
    variants = write(asking(schema, branch=None))["variants"]
    assert len({variant["headline"] for variant in variants}) == 4
    assert len({variant["body"] for variant in variants}) == 4


def test_a_long_draft_has_paragraphs_about_its_topic() -> None:
    objective = "Write a blog post about safe human-robot collaboration"
    output = write(bundle_for("ContentGeneratorAgent.blogPost", objective=objective, branch=None))
    text = json.dumps(output)
    assert text.count("\\n\\n") >= 4
    assert text.count("safe human-robot collaboration") >= 3


def test_a_review_passes_what_it_reviewed() -> None:
    output = write(bundle_for("QualityAssuranceAgent.contentReview"))
    assert output["qaFindings"]["overallStatus"] == "pass"
    assert all(0 < score <= 1 for score in output["qaFindings"]["scores"].values())


def test_a_repair_heeds_bounds_that_only_the_findings_tell() -> None:
    # Given a headline that the caller's contract found too long
    findings = (
        {
            "pointer": "/variants/0/headline",
            "keyword": "maxLength",
            "message": "must have at most 20 characters, has 41",
        },
        {
            "pointer": "/variants/0/body",
            "keyword": "minLength",
            "message": "must have at least 900 characters, has 400",
        },
    )
    # When it is written again
    post = write(asking(POST, findings=findings, repair=1))
    # Then it keeps the bounds, in whole words
    assert len(post["headline"]) <= 20
    assert post["headline"].split()[-1].isalpha()
    assert len(post["body"]) >= 900


def test_nothing_is_made_up_when_nothing_is_known() -> None:
    post = write(asking(POST, inputs={}, objective="Write a post", special_instructions=(), branch=None))
    assert "None" not in json.dumps(post)
    assert "{" not in post["body"]


def test_the_output_says_who_wrote_it_and_costs_nothing() -> None:
    result = OfflineAgent().run(bundle_for(), cancel=CancelToken())
    assert result.provenance == {"provider": "offline", "model": "offline-1"}
    assert result.usage.cost == 0
    assert result.usage.prompt_tokens > 0
    assert result.usage.completion_tokens > 0


def test_a_cancelled_call_writes_nothing() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(AgentCancelledError):
        OfflineAgent().run(bundle_for(), cancel=token)


def test_pictures_are_taken_from_the_inputs_only() -> None:
    logo = "https://northwind.example/logo.png"
    inputs = {**INPUTS, "company_information": {"name": "Northwind Robotics", "brand_assets": [logo]}}
    assert write(bundle_for("designer.VisualDesign", inputs=inputs))["post_visual"] == [logo]
    assert write(bundle_for("designer.VisualDesign"))["post_visual"] == []
