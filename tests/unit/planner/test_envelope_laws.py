"""Laws of checking: any JSON is either an envelope or refused by its own errors, and twice the same way."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.contracts.facets import load_catalogue
from planner.envelope import TaskEnvelope, check_envelope, envelope_from_json
from planner.intake import facets_from
from planner.salvage import fits
from policies import strict_json
from policies.errors import InvalidInputError, Problem
from tests.support.envelopes import linkedin_envelope, runtime_policy
from tests.support.laws import examples

CATALOGUE = load_catalogue()
SLOW = settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
WORDS = st.sampled_from(
    [
        "objective",
        "inputs",
        "policies",
        "planner",
        "runtime",
        "trigger",
        "action",
        "kind",
        "type",
        "dsl",
        "condition",
        "outputContract",
        "mode",
        "schema",
        "facets",
        "variantCount",
        "selector",
        "topology",
        "replanAfter",
        "metadata",
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=5), inner, max_size=5),
    max_leaves=25,
)


def rich_envelope() -> dict[str, Any]:
    """Return an envelope in which every part of the language occurs, for mutations to break."""
    condition = {"dsl": "facets.planKnobs.hookIntensity < 0.6 && run.cost < 5"}
    rules = [
        runtime_policy(trigger={"kind": "onNodeComplete", "selector": {"kind": "validation"}, "condition": condition}),
        runtime_policy(
            id="b",
            trigger={"kind": "onTimeout", "ms": 5},
            action={"type": "hitl", "approveAction": {"type": "emit", "event": "e"}},
        ),
        runtime_policy(id="c", trigger={"kind": "manual"}, **{"except": [{"tag": "t"}]}),
    ]
    return linkedin_envelope(
        policies={
            "planner": {"topology": {"variantCount": 2}, "selection": {"prefer": ["a.b"]}, "directives": {}},
            "runtime": rules,
            "quality": 0.8,
            "channels": {"linkedin": {"maxLength": 1300}},
            "replanAfter": [{"stage": "qa"}],
            "brandVoice": "warm",
        },
        goal_condition=[{"facet": "planKnobs", "path": "/structure", "condition": {"dsl": "lengthLevel > 0.1"}}],
        constraints={"budget": {"maxCost": 1}, "threadId": "t"},
        metadata={"correlationId": "c"},
    )


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a JSON value, itself included."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, child in children for path in places(child, (*at, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def outcome(raw: Any) -> TaskEnvelope | tuple[Problem, ...]:
    try:
        return check_envelope(raw, CATALOGUE)
    except InvalidInputError as error:
        return error.problems


@SLOW
@given(JSON)
def test_any_json_is_checked_without_any_error_but_its_own(raw: Any) -> None:
    found = outcome(raw)
    assert isinstance(found, TaskEnvelope) or (found and all(isinstance(p.pointer, str) for p in found))


@SLOW
@given(st.data())
def test_a_broken_envelope_is_refused_at_or_above_or_beside_the_break_and_twice_alike(data: st.DataObject) -> None:
    # Given an envelope with one part replaced
    raw = rich_envelope()
    path = data.draw(st.sampled_from(places(raw)))
    broken = replaced(raw, path, data.draw(JSON))
    before = copy.deepcopy(broken)

    # When it is checked twice
    first, second = outcome(broken), outcome(broken)

    # Then nothing is changed by checking, and the answer is the same
    assert broken == before
    if isinstance(first, TaskEnvelope):
        assert isinstance(second, TaskEnvelope)
    else:
        assert first == second


@SLOW
@given(st.dictionaries(WORDS | st.sampled_from([*CATALOGUE.names()]), JSON, max_size=6))
def test_whatever_the_inputs_intake_gives_only_valid_facet_values(inputs: dict[str, Any]) -> None:
    inputs.pop("variantCount", None)
    envelope = check_envelope({**linkedin_envelope(), "inputs": inputs}, CATALOGUE)
    intake = facets_from(envelope, CATALOGUE)
    assert all(fits(value, CATALOGUE[name].schema) for name, value in intake.values.items())


@given(st.sampled_from(places(rich_envelope())))
def test_an_envelope_survives_being_stored(path: tuple[Any, ...]) -> None:
    raw = linkedin_envelope(metadata={"note": str(path)})
    stored = strict_json.loads(strict_json.dumps(raw))
    assert envelope_from_json(stored, CATALOGUE) == check_envelope(raw, CATALOGUE)
