"""Selectors, triggers and actions: what each kind takes, what it refuses, and that its JSON reads back as itself."""

from __future__ import annotations

from typing import Any

import pytest

from policies.actions import ACTIONS, LEGACY_ACTIONS, MAX_NESTING, Action, check_action
from policies.clauses import Vocabulary
from policies.errors import Problem
from policies.selectors import Selector, check_selector
from policies.triggers import TRIGGERS, Trigger, check_trigger

SCHEMAS = {"planKnobs": {"type": "object", "properties": {"hook": {"type": "number"}}}, "post_copy": {"type": "string"}}
VOCABULARY = Vocabulary.of(SCHEMAS)

# A complete document of every kind.
TRIGGER_SAMPLES: dict[str, dict[str, Any]] = {
    "onStart": {},
    "onNodeComplete": {"selector": {"kind": "validation"}, "condition": {"dsl": "facets.planKnobs.hook < 0.6"}},
    "onNodeError": {"selector": {"capabilityId": "a.b"}},
    "onValidationFail": {"selector": {"nodeId": "n~a"}},
    "onPreConditionFailed": {"maxRetries": 0},
    "onPostConditionFailed": {"maxRetries": 2, "selector": {"tag": "copy"}},
    "onTimeout": {"ms": 5000},
    "onMetricBelow": {"metric": "quality", "threshold": 0.8},
    "onMetricAbove": {"metric": "latency", "threshold": 3},
    "onBudget": {"maxTokens": 10, "maxCost": 0.5, "maxSeconds": 60},
    "onHitlTimeout": {"selector": {"agentType": "human"}},
    "onHitlResolved": {"condition": {"jsonLogic": {"<": [{"var": "run.cost"}, 2]}}},
    "manual": {},
}
ACTION_SAMPLES: dict[str, dict[str, Any]] = {
    "goto": {"next": "n", "maxAttempts": 2},
    "replan": {"rationale": "low"},
    "hitl": {"approveAction": {"type": "emit", "event": "ok"}, "rejectAction": {"type": "fail", "message": "no"}},
    "fail": {"message": "stop"},
    "pause": {"reason": "wait"},
    "emit": {"event": "seen", "payload": {"any": [1]}},
    "rewrite": {"maxAttempts": 1, "instructions": "shorter"},
    "fallback": {"capabilityId": "a.b"},
}


def trigger(raw: Any) -> tuple[Trigger | None, list[Problem]]:
    problems: list[Problem] = []
    return check_trigger(raw, "/t", vocabulary=VOCABULARY, problems=problems), problems


def action(raw: Any) -> tuple[Action | None, list[Problem]]:
    problems: list[Problem] = []
    return check_action(raw, "/a", problems=problems), problems


def selector(raw: Any) -> tuple[Selector | None, list[Problem]]:
    problems: list[Problem] = []
    return check_selector(raw, "/s", facets=SCHEMAS, problems=problems), problems


def test_the_samples_cover_every_kind() -> None:
    assert TRIGGER_SAMPLES.keys() == TRIGGERS.keys()
    assert ACTION_SAMPLES.keys() == ACTIONS.keys()


@pytest.mark.parametrize("kind", TRIGGERS)
def test_a_trigger_of_every_kind_is_read_and_its_json_reads_back_as_itself(kind: str) -> None:
    # When
    found, problems = trigger({"kind": kind, **TRIGGER_SAMPLES[kind]})

    # Then
    assert problems == []
    assert found is not None
    assert found.kind == kind
    again, problems = trigger(found.as_json())
    assert problems == []
    assert again is not None
    assert again.as_json() == found.as_json()


@pytest.mark.parametrize("kind", ACTIONS)
def test_an_action_of_every_type_is_read_and_its_json_reads_back_as_itself(kind: str) -> None:
    found, problems = action({"type": kind, **ACTION_SAMPLES[kind]})
    assert problems == []
    assert found is not None
    assert action(found.as_json()) == (found, [])


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("onTimeout", {"ms"}), ("onMetricBelow", {"metric", "threshold"}), ("onMetricAbove", {"metric", "threshold"})],
)
def test_a_trigger_says_which_members_it_lacks(kind: str, missing: set[str]) -> None:
    _, problems = trigger({"kind": kind})
    assert {p.pointer for p in problems} == {f"/t/{name}" for name in missing}


def test_members_of_another_kind_are_unknown() -> None:
    assert [p.pointer for p in trigger({"kind": "onStart", "selector": {}})[1]] == ["/t/selector"]
    assert [p.pointer for p in action({"type": "replan", "next": "n"})[1]] == ["/a/next"]


@pytest.mark.parametrize("old", LEGACY_ACTIONS)
def test_old_names_of_actions_are_refused_with_the_new_name_also_inside_others(old: str) -> None:
    # When
    _, outer = action({"type": old})
    _, inner = action({"type": "hitl", "approveAction": {"type": old}})

    # Then
    assert [p.pointer for p in outer + inner] == ["/a/type", "/a/approveAction/type"]
    assert all(f"write `{LEGACY_ACTIONS[old]}`" in p.message for p in outer + inner)


def test_nesting_of_actions_is_bounded() -> None:
    # Given a chain of questions one deeper than allowed
    nested: dict[str, Any] = {"type": "fail"}
    for _ in range(MAX_NESTING + 1):
        nested = {"type": "hitl", "approveAction": nested}

    # When / Then
    assert [p.pointer for p in action(nested)[1]] == ["/a" + "/approveAction" * (MAX_NESTING + 1)]


def test_a_selector_takes_every_part_and_none() -> None:
    parts = {
        "nodeId": "n",
        "kind": "execution",
        "capabilityId": "a.b",
        "tag": "copy",
        "facet": "post_copy",
        "agentType": "ai",
        "relation": "previous",
    }
    found, problems = selector(parts)
    assert problems == []
    assert found is not None
    assert found.as_json() == parts
    assert selector({}) == (Selector(), [])


def test_a_relation_needs_to_know_whose() -> None:
    assert [p.pointer for p in selector({"relation": "next"})[1]] == ["/s/relation"]


def test_an_unknown_facet_comes_with_the_nearest_name() -> None:
    _, problems = selector({"facet": "postcopy"})
    assert [(p.pointer, p.code) for p in problems] == [("/s/facet", "unknown_facet")]
    assert "post_copy" in problems[0].message
