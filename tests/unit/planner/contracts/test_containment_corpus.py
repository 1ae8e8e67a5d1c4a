"""The prover on schemas as projects have them: how much it decides, and that it never says anything wrong."""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import jsonschema
import pytest

from planner.contracts.containment import Containment, contained, instance_of
from tests.support.corpus_schemas import SCHEMAS
from tests.support.schema_corpus import Pair, pairs

PAIRS = tuple(pairs())
ANSWERS: dict[str, Containment] = {pair.name: contained(pair.ours, pair.theirs) for pair in PAIRS}
LEAST_SHARE = 0.85


def valid(schema: Any, value: Any) -> bool:
    """Whether the value satisfies the schema, formats asserted, as another implementation sees it."""
    checker = jsonschema.FormatChecker()
    return bool(jsonschema.validators.validator_for(schema)(schema, format_checker=checker).is_valid(value))


def test_at_least_85_per_cent_of_the_corpus_are_decided(capsys: pytest.CaptureFixture[str]) -> None:
    verdicts = Counter(answer.verdict for answer in ANSWERS.values())
    share = 1 - verdicts["unknown"] / len(PAIRS)
    with capsys.disabled():
        told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        sys.stdout.write(f"\ncontainment corpus: {share:.1%} of {len(PAIRS)} pairs decided ({told})\n")
    assert len(PAIRS) >= 120
    assert share >= LEAST_SHARE


@pytest.mark.parametrize("pair", [p for p in PAIRS if p.expected is not None], ids=lambda pair: pair.name)
def test_an_answer_that_is_known_is_the_one_given(pair: Pair) -> None:
    answer = ANSWERS[pair.name]
    assert answer.verdict == pair.expected, (answer.reason, answer.pointer, answer.witness)


@pytest.mark.parametrize("pair", [p for p in PAIRS if ANSWERS[p.name].verdict == "refuted"], ids=lambda pair: pair.name)
def test_a_witness_satisfies_the_one_and_breaks_the_other(pair: Pair) -> None:
    witness = ANSWERS[pair.name].witness
    assert witness is not None
    assert valid(pair.ours, witness.value), witness.value
    assert not valid(pair.theirs, witness.value), witness.value


@pytest.mark.parametrize("pair", [p for p in PAIRS if ANSWERS[p.name].verdict == "proved"], ids=lambda pair: pair.name)
def test_what_is_proved_holds_for_values_near_the_edge(pair: Pair) -> None:
    # Given values of the first schema, and such with a member taken away, emptied or repeated
    rng = random.Random(pair.name)
    seed = instance_of(pair.ours)
    assert seed is not None
    values = [seed.value]
    for _ in range(40):
        values.append(changed(rng.choice(values), rng))
    # Then none that the first one allows breaks the second
    assert all(valid(pair.theirs, value) for value in values if valid(pair.ours, value))


def changed(value: Any, rng: random.Random) -> Any:
    """Return the value with a small change somewhere."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(sorted(value))
        rest = {key: member for key, member in value.items() if key != name}
        return rng.choice([rest, {**rest, name: changed(value[name], rng)}, {**value, "x-other": 1}])
    if isinstance(value, list) and value and rng.random() < 0.8:
        return rng.choice([value[1:], [*value, value[0]], [changed(value[0], rng), *value[1:]]])
    if isinstance(value, str):
        return rng.choice([value + "a", value[1:], value * 40, "", None])
    return rng.choice([None, 0, 1, -1, 2.5, "text", [], {}, True])


def test_every_schema_of_the_corpus_is_one_and_has_values() -> None:
    for schema in SCHEMAS.values():
        jsonschema.validators.validator_for(schema).check_schema(schema)
        found = instance_of(schema)
        assert found is not None
        assert valid(schema, found.value)
