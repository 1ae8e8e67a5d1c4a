"""The prover is never wrong: against whole small worlds, drawn values, and the laws that containment obeys."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from planner.contracts.compiler import contradiction
from planner.contracts.containment import contained, instance_of
from planner.contracts.containment.samples import pattern_samples, shortest_match
from planner.contracts.json_schema import lint, validator_for
from planner.contracts.schema_lint import compile_pattern
from tests.support.json_strategies import schemas as all_schemas
from tests.support.json_strategies import values
from tests.support.schema_pairs import (
    instances,
    logical_pairs,
    logical_schemas,
    plain_pairs,
    plain_schemas,
    recursive_pairs,
    small_universe,
)

UNIVERSE = small_universe()
laws = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def proved(a, b):
    return contained(a, b).verdict == "proved"


def check(a, b, samples):
    """Hold the answer to both validators; return it."""
    ours, theirs = validator_for(a), validator_for(b)
    answer = contained(a, b)
    if answer.verdict == "refuted":
        assert ours.is_valid(answer.witness.value)
        assert not theirs.is_valid(answer.witness.value)
    if answer.verdict == "proved":
        for value in samples:
            assert theirs.is_valid(value) or not ours.is_valid(value), value
    return answer


@given(plain_pairs)
@laws
def test_the_known_keywords_are_always_decided_and_rightly_in_a_small_world(pair):
    assert check(*pair, UNIVERSE).verdict != "unknown"


@given(logical_pairs)
@laws
def test_combinations_are_judged_rightly_in_a_small_world(pair):
    check(*pair, UNIVERSE)


@given(recursive_pairs())
@laws
def test_schemas_that_refer_to_themselves_are_judged_rightly_in_a_small_world(pair):
    assume(not any(map(lint, pair)))
    check(*pair, UNIVERSE)


@given(all_schemas, all_schemas, st.lists(values, max_size=12))
@laws
def test_keywords_of_every_sort_are_judged_rightly_or_not_at_all(left, right, samples):
    check(left, right, samples)


@given(st.data())
@laws
def test_values_drawn_for_a_schema_satisfy_what_contains_it(data):
    left, right = data.draw(logical_pairs)
    samples = data.draw(st.lists(instances(left), min_size=5, max_size=15))
    check(left, right, samples)


@given(all_schemas)
@laws
def test_every_schema_contains_itself(schema):
    assert proved(schema, schema)


@given(plain_schemas)
@laws
def test_an_instance_is_found_exactly_when_there_is_one(schema):
    found = instance_of(schema)

    if found is None:
        assert proved(schema, False)
        assert not any(validator_for(schema).is_valid(value) for value in UNIVERSE)
    else:
        assert validator_for(schema).is_valid(found.value)


@given(logical_pairs)
@laws
def test_an_alternative_contains_its_parts_and_a_conjunction_is_contained_in_its_own(pair):
    left, right = pair

    assert proved(left, {"anyOf": [left, right]})
    assert proved({"allOf": [left, right]}, right)
    assert proved(left, True)
    assert proved(False, right)


@given(plain_pairs, plain_schemas)
@laws
def test_alternatives_are_contained_together_and_conjunctions_contain_together(pair, third):
    left, right = pair

    assert proved({"anyOf": [left, third]}, right) == (proved(left, right) and proved(third, right))
    assert proved(third, {"allOf": [left, right]}) == (proved(third, left) and proved(third, right))


@given(plain_pairs)
@laws
def test_the_opposites_contain_each_other_the_other_way_round(pair):
    left, right = pair

    assert proved({"not": right}, {"not": left}) == proved(left, right)


@given(plain_pairs, plain_schemas)
@laws
def test_containment_is_transitive(pair, third):
    left, right = pair

    if proved(left, right) and proved(right, third):
        assert proved(left, third)


@given(logical_schemas)
@laws
def test_what_contradicts_itself_is_never_refuted_to_be_empty(schema):
    if contradiction(schema) is not None:
        assert contained(schema, False).verdict != "refuted"


@given(
    st.lists(
        st.sampled_from(
            ["a", "[0-9]", ".", r"\d", r"\w{2}", "(ab|c)", "(?:x|yz)?", "b+", "c*", "a{2,3}", "[^a]", "^", "$"]
        ),
        max_size=4,
    ).map("".join),
    st.data(),
)
@laws
def test_no_text_that_matches_is_shorter_than_the_shortest_match(pattern, data):
    compiled = compile_pattern(pattern)
    drawn = data.draw(st.lists(st.text("ab1cxyz", max_size=4), max_size=8))

    for text in (*drawn, *pattern_samples(pattern)):
        assert compiled.search(text) is None or len(text) >= shortest_match(pattern)


@pytest.mark.parametrize(
    "text", ["(?i)a", "[[:alpha:]]", "a{1}{2}", r"\bword\b", "(?=a)b", "a**", "(a", "x{,3}", "a++"]
)
def test_patterns_that_are_not_understood_promise_nothing(text):
    assert shortest_match(text) == 0
    assert pattern_samples(text) == ()
