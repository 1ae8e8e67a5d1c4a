"""The shapes of envelope that clients send today are understood, or refused for a reason that is right."""

from __future__ import annotations

from typing import Any

import pytest

from planner.contracts.facets import load_catalogue
from planner.envelope import check_envelope, envelope_from_json
from planner.intake import facets_from
from policies.errors import InvalidInputError
from tests.support.envelopes import VARIANT

CATALOGUE = load_catalogue()
VARIANTS = {
    "type": "object",
    "required": ["copyVariants"],
    "properties": {"copyVariants": {"type": "array", "items": VARIANT}},
}

DRAFTING = {
    "objective": "Two drafts for the launch of a mast",
    "inputs": {
        "channel": "linkedin",
        "toneOfVoice": "Short and plain",
        "planKnobs": {"formatType": "linkedin_post", "variantCount": 2, "structure": {"lengthLevel": 0.6}},
        "audienceProfile": {"persona": "Rigger", "industry": "Boats"},
        "creative_brief": {
            "core_message": "The mast bends, it does not break.",
            "tone": "plain",
            "structure": "problem, answer",
            "audience": "riggers",
            "call_to_action": "Try it",
        },
        "handoff_summary": ["Angle agreed."],
        "feedback": [{"author": "Reviewer", "facet": "post_copy", "message": "Name the weight."}],
    },
    "policies": {
        "planner": {"selection": {"require": ["copywriter"]}, "directives": {"preferredCapabilities": ["x"]}},
        "runtime": [],
    },
    "outputContract": {"mode": "facets", "facets": ["post_copy", "handoff_summary"]},
}
WELCOME = {
    "objective": "Welcome a colleague",
    "inputs": {
        "company_information": {"name": "Harbour Boats", "brand_assets": ["https://example.com/logo.svg"]},
        "post_context": {"type": "new_employee", "data": {"employee_name": "Person", "start_date": "2025-11-01"}},
        "feedback": [],
    },
    "policies": {"runtime": []},
    "outputContract": {"mode": "facets", "facets": ["creative_brief", "post_copy", "post", "feedback"]},
}
WITH_GOALS = {
    "objective": "Two posts",
    "inputs": {"channel": "linkedin", "variantCount": 2},
    "policies": {"brandVoice": "warm", "requiresHitlApproval": False},
    "goal_condition": [
        {
            "facet": "post_copy",
            "path": "/variants[0]",
            "condition": {"dsl": "score >= 0.8", "jsonLogic": {">=": [{"var": "score"}, 0.8]}},
        },
        {"facet": "post_visual", "path": "/asset/status", "condition": {"dsl": 'status == "approved"'}},
    ],
    "outputContract": {"mode": "json_schema", "schema": VARIANTS},
}
WITHOUT_MODE = {
    "objective": "Two posts for a tool",
    "inputs": {"companyProfile": {"name": "B"}, "toneOfVoice": ["sure", "kind"], "contentBrief": "Less risk."},
    "policies": {"persona": "buyer", "variantCount": 2, "hitlRequiredFor": ["final"]},
    "outputContract": {"schema": VARIANTS},
}
CLARIFY = {
    "objective": "Ask for two facts first",
    "inputs": {
        "audienceProfile": {"persona": "Lead", "segments": []},
        "contextBundles": [{"type": "open_questions", "payload": {"items": [{"questionId": "a", "prompt": "Which?"}]}}],
        "clarifyExpectations": [{"questionId": "a", "question": "Which?", "required": True, "reason": "Emphasis."}],
    },
    "policies": {
        "planner": {"directives": {"preferHumanCapabilities": ["HumanAgent.clarifyBrief"]}},
        "runtime": [
            {
                "id": "seen",
                "trigger": {"kind": "onNodeComplete", "selector": {"capabilityId": "HumanAgent.clarifyBrief"}},
                "action": {"type": "emit", "event": "clarified", "payload": {"note": "done"}},
            }
        ],
    },
    "constraints": {"testCase": "x", "clarifyQuestions": ["a"]},
    "outputContract": {"mode": "json_schema", "schema": VARIANTS},
}
OLD_POLICIES = {
    "objective": "One draft, then a review",
    "inputs": {"variantCount": 1, "toneOfVoice": "Inspiring & Visionary"},
    "policies": {
        "variantCount": 1,
        "qa": {"required": True},
        "replanAfter": [{"stage": "generation", "reason": "review wanted"}],
        "plannerDirectives": {"disallowStages": ["strategy"]},
    },
    "outputContract": {"mode": "json_schema", "schema": VARIANTS},
}
AGENT_REQUEST = {"mode": "app", "objective": "A post", "threadId": "t", "options": {"toolPolicy": "auto"}}

# Name, envelope, and how it is answered: the pointers of a refusal and its code, or nothing when it is taken.
SAMPLES: list[tuple[str, dict[str, Any], set[str], str]] = [
    ("drafting", DRAFTING, set(), ""),
    ("welcome", WELCOME, set(), ""),
    ("with goals", WITH_GOALS, {"/goal_condition"}, "not_available_yet"),
    ("without a mode", WITHOUT_MODE, {"/policies/hitlRequiredFor"}, "not_available_yet"),
    ("clarify", CLARIFY, {"/policies/runtime/0"}, "not_available_yet"),
    ("old policies", OLD_POLICIES, {"/policies/replanAfter/0"}, "not_available_yet"),
    (
        "request of the older agent",
        AGENT_REQUEST,
        {"/mode", "/threadId", "/options", "/outputContract"},
        "validation_failed",
    ),
]


@pytest.mark.parametrize(("raw", "places", "code"), [s[1:] for s in SAMPLES], ids=[s[0] for s in SAMPLES])
def test_a_sample_is_taken_or_refused_for_the_right_reason(raw: dict[str, Any], places: set[str], code: str) -> None:
    if not code:
        assert check_envelope(raw, CATALOGUE).objective == raw["objective"]
        return
    with pytest.raises(InvalidInputError) as caught:
        check_envelope(raw, CATALOGUE)
    assert ({p.pointer for p in caught.value.problems}, caught.value.code) == (places, code)


@pytest.mark.parametrize(
    ("raw", "facets"),
    [
        (
            DRAFTING,
            {
                "objectiveBrief",
                "toneGuidelines",
                "planKnobs",
                "audienceProfile",
                "creative_brief",
                "handoff_summary",
                "feedback",
            },
        ),
        (WELCOME, {"objectiveBrief", "company_information", "post_context", "feedback"}),
        (WITH_GOALS, {"objectiveBrief", "planKnobs", "toneGuidelines"}),
        (WITHOUT_MODE, {"objectiveBrief", "planKnobs", "toneGuidelines", "audienceProfile", "company_information"}),
        (CLARIFY, {"objectiveBrief", "audienceProfile", "assetBundle", "clarificationRequest"}),
        (OLD_POLICIES, {"objectiveBrief", "planKnobs", "toneOfVoice", "toneGuidelines"}),
    ],
)
def test_a_sample_gives_its_facets(raw: dict[str, Any], facets: set[str]) -> None:
    assert set(facets_from(envelope_from_json(raw, CATALOGUE), CATALOGUE).values) == facets
