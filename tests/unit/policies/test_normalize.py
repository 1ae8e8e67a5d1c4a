"""Policies as callers write them: new forms, plain forms and old flat keys, to one checked value."""

from __future__ import annotations

from typing import Any

import pytest

from policies.clauses import Vocabulary
from policies.errors import Problem
from policies.normalize import check_policies
from policies.policy import Policies
from policies.selectors import Selector

VOCABULARY = Vocabulary.of({"post_copy": {"type": "string"}})


def check(raw: Any) -> tuple[Policies | None, list[Problem]]:
    return check_policies(raw, vocabulary=VOCABULARY)


def accept(raw: Any) -> Policies:
    found, problems = check(raw)
    assert problems == []
    assert found is not None
    return found


def pointers(raw: Any) -> set[str]:
    return {problem.pointer for problem in check(raw)[1]}


PLANNER = {
    "topology": {"variantCount": 3, "maxDepth": 4, "requiredKinds": ["validation"], "forbiddenKinds": ["fallback"]},
    "selection": {"require": ["a.b"], "forbid": ["c.d"], "prefer": ["e.f"], "avoid": []},
    "optimisation": {"objective": "quality", "maxTokens": 5000},
    "directives": {"anything": {"goes": True}},
}
RULE = {
    "id": "low",
    "trigger": {"kind": "onNodeComplete", "selector": {"kind": "validation"}, "condition": {"dsl": "run.cost < 5"}},
    "action": {"type": "replan", "rationale": "score low"},
    "except": [{"tag": "draft"}],
}


def test_a_planner_policy_is_kept_whole_and_absent_lists_stay_absent() -> None:
    assert accept({"planner": PLANNER}).planner.as_json() == PLANNER
    assert accept({"planner": {"selection": {"avoid": []}}}).planner.as_json() == {"selection": {"avoid": []}}
    assert accept({}).as_json() == {"planner": {}, "runtime": []}


def test_doubles_in_lists_are_dropped() -> None:
    assert accept({"planner": {"selection": {"prefer": ["a.b", "a.b"]}}}).planner.prefer == ("a.b",)


def test_a_runtime_policy_is_enabled_unless_said_otherwise_and_knows_its_place() -> None:
    # When
    first, second = accept({"runtime": [RULE, {**RULE, "id": "off", "enabled": False}]}).runtime

    # Then
    assert (first.enabled, second.enabled) == (True, False)
    assert (first.source, second.source) == ("/policies/runtime/0", "/policies/runtime/1")
    assert first.exceptions == (Selector(tag="draft"),)
    assert first.as_json()["except"] == [{"tag": "draft"}]


def test_checked_policies_read_back_as_themselves() -> None:
    found = accept({"planner": PLANNER, "runtime": [RULE], "quality": 0.8, "channels": {"x": {"maxLength": 280}}})
    assert accept(found.as_json()).as_json() == found.as_json()


def test_all_faults_of_all_policies_are_told_at_once() -> None:
    raw = {
        "planner": {"topology": {"variantCount": 9}, "extra": 1},
        "runtime": [{**RULE, "trigger": {"kind": "onNodeComplete", "condition": {"dsl": "run.cost <"}}}, {"id": 5}, 7],
        "quality": {},
        "colour": "red",
    }
    assert pointers(raw) == {
        "/policies/planner/topology/variantCount",
        "/policies/planner/extra",
        "/policies/runtime/0/trigger/condition/dsl",
        "/policies/runtime/1/id",
        "/policies/runtime/1/trigger",
        "/policies/runtime/1/action",
        "/policies/runtime/2",
        "/policies/quality/threshold",
        "/policies/colour",
    }


def test_what_is_both_wanted_and_refused_is_a_contradiction() -> None:
    assert pointers({"planner": {"topology": {"requiredKinds": ["routing"], "forbiddenKinds": ["routing"]}}}) == {
        "/policies/planner/topology/forbiddenKinds"
    }


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"quality": 0.8}, {"quality": {"threshold": 0.8}}),
        ({"quality": {"threshold": 1, "facet": "post_copy", "onFail": "hitl"}},) * 2,
        ({"retries": 3}, {"retries": {"maxAttempts": 3}}),
        ({"retries": {"maxAttempts": 1, "capabilities": {"a.b": 5}}},) * 2,
        ({"latency": 5000}, {"latency": {"maxMs": 5000}}),
        ({"latency": {"maxMs": 5, "onExceed": "fallback"}},) * 2,
        ({"channels": {"linkedin": {"minLength": 0, "maxLength": 1300, "maxHashtags": 3, "tone": "plain"}}},) * 2,
    ],
)
def test_plain_forms_take_a_rule_or_the_number_that_matters(written: Any, kept: Any) -> None:
    assert accept(written).plain == kept


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"quality": "high"}, "/policies/quality"),
        ({"quality": True}, "/policies/quality"),
        ({"quality": -0.1}, "/policies/quality/threshold"),
        ({"quality": {"threshold": 0.5, "facet": "post"}}, "/policies/quality/facet"),
        ({"retries": 0}, "/policies/retries/maxAttempts"),
        ({"retries": {"maxAttempts": 1, "capabilities": {"a.b": 99}}}, "/policies/retries/capabilities/a.b"),
        ({"latency": 1.5}, "/policies/latency/maxMs"),
        ({"channels": {"x": {"maxLenght": 280}}}, "/policies/channels/x/maxLenght"),
        ({"channels": {"x": 280}}, "/policies/channels/x"),
    ],
)
def test_plain_forms_are_checked_in_full(written: Any, place: str) -> None:
    assert pointers(written) == {place}


def test_old_texts_become_directives_with_a_note_and_the_new_form_wins() -> None:
    # When
    found = accept(
        {
            "brandVoice": "warm",
            "persona": "buyer",
            "requiresHitlApproval": False,
            "hitlRequiredFor": ["publish"],
            "qa": {"required": True},
            "plannerDirectives": {"disallowStages": ["strategy"], "persona": "other"},
            "planner": {"directives": {"brandVoice": "dry"}},
        }
    )

    # Then
    assert found.planner.directives == {
        "brandVoice": "dry",
        "persona": "other",
        "requiresHitlApproval": False,
        "hitlRequiredFor": ["publish"],
        "qa": {"required": True},
        "disallowStages": ["strategy"],
    }
    assert len(found.notes) == len(found.legacy_fields) == 6


@pytest.mark.parametrize(
    ("new", "kept", "told"), [({}, 2, False), ({"variantCount": 3}, 3, True), ({"variantCount": 2}, 2, False)]
)
def test_an_old_variant_count_counts_where_the_new_one_is_absent(new: dict[str, int], *, kept: int, told: bool) -> None:
    found = accept({"variantCount": 2, "planner": {"topology": new}})
    assert found.planner.variant_count == kept
    assert any("left aside" in note for note in found.notes) == told


@pytest.mark.parametrize(
    ("written", "policy_id", "selector", "source"),
    [
        ({"replanAfter": "generation"}, "legacy_stage_generation", Selector(kind="execution"), "/policies/replanAfter"),
        ({"replanAfter": ["qa"]}, "legacy_stage_qa", Selector(kind="validation"), "/policies/replanAfter/0"),
        (
            {"triggerReplanAfter": {"stage": "strategy"}},
            "legacy_stage_strategy",
            Selector(kind="structuring"),
            "/policies/triggerReplanAfter",
        ),
        (
            {"policyTriggers": [{"capabilityId": "a.b"}]},
            "legacy_capabilityId_a.b",
            Selector(capability_id="a.b"),
            "/policies/policyTriggers/0",
        ),
        ({"replan": {"after": {"nodeId": "n1"}}}, "legacy_nodeId_n1", Selector(node_id="n1"), "/policies/replan/after"),
        ({"replanAfter": "polish"}, "legacy_stage_polish", Selector(tag="polish"), "/policies/replanAfter"),
        (
            {"replanAfter": {"kind": "routing"}},
            "legacy_kind_routing",
            Selector(kind="routing"),
            "/policies/replanAfter",
        ),
    ],
)
def test_old_replans_become_runtime_policies(written: Any, policy_id: str, selector: Selector, source: str) -> None:
    found = accept(written)
    assert [(p.id, p.trigger.kind, p.trigger.selector, p.action.type, p.source) for p in found.runtime] == [
        (policy_id, "onNodeComplete", selector, "replan", source)
    ]
    assert len(found.notes) == 1


def test_old_replans_of_one_stage_get_names_of_their_own_and_keep_their_reason() -> None:
    found = accept({"replanAfter": ["qa", {"stage": "qa", "reason": "again"}]})
    assert [(p.id, p.action.rationale) for p in found.runtime] == [
        ("legacy_stage_qa", None),
        ("legacy_stage_qa_2", "again"),
    ]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"replanAfter": 3}, "/policies/replanAfter"),
        ({"replanAfter": [{"reason": "x"}]}, "/policies/replanAfter/0"),
        ({"replanAfter": [{"stage": 4}]}, "/policies/replanAfter/0/stage"),
        ({"replanAfter": [{"stage": "qa", "when": 1}]}, "/policies/replanAfter/0/when"),
        ({"replan": {}}, "/policies/replan/after"),
        ({"replan": "qa"}, "/policies/replan"),
        ({"hitlRequiredFor": "publish"}, "/policies/hitlRequiredFor"),
        ({"plannerDirectives": []}, "/policies/plannerDirectives"),
        ({"requiresHitlApproval": "no"}, "/policies/requiresHitlApproval"),
        ({"planner": {"directives": {"requiresHitlApproval": 1}}}, "/policies/planner/directives/requiresHitlApproval"),
    ],
)
def test_old_keys_of_wrong_types_are_refused_at_their_place(written: Any, place: str) -> None:
    assert pointers(written) == {place}


@pytest.mark.parametrize("raw", [None, [], "x", 1])
def test_policies_that_are_no_object_are_refused(raw: Any) -> None:
    assert pointers(raw) == {"/policies"}
