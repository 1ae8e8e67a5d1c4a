"""Does every value of one schema satisfy another? Proved, refuted with a value that does not, or not known.

A is contained in B exactly when no value satisfies A and not B, so one search for such a value answers both ways: none
is the proof, one is the witness, and that is put before both validators before anyone sees it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

from planner.contracts.containment.answers import EMPTY, Answer, ExhaustedError, State, found, unknown
from planner.contracts.containment.parts import Parts
from planner.contracts.containment.search import Inhabitation
from planner.contracts.json_schema import validator_for
from policies import strict_json

MAX_GUESSES = 4
CACHED_ANSWERS = 1_024


@dataclass(frozen=True, slots=True)
class Witness:
    """A value that shows something; it may well be null."""

    value: Any


@dataclass(frozen=True, slots=True)
class Containment:
    """Whether every value of A satisfies B.

    `witness` is there when refuted: it satisfies A and breaks B at `pointer` (in the witness) for the `reason`. When
    unknown, `reason` tells what could not be decided at which `pointer` of the value.
    """

    verdict: Literal["proved", "refuted", "unknown"]
    witness: Witness | None = None
    reason: str = ""
    pointer: str = ""

    @property
    def is_proved(self) -> bool:
        return self.verdict == "proved"

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"verdict": self.verdict}
        if self.verdict != "proved":
            body |= {"reason": self.reason, "pointer": self.pointer}
        return body if self.witness is None else {**body, "witness": _copied(self.witness.value)}


PROVED = Containment("proved")


def contained(a: Any, b: Any) -> Containment:
    """Return whether every value that satisfies schema `a` satisfies schema `b`.

    Raises SchemaInvalidError when either is no usable schema. Formats count as the validator counts them. A schema
    that nothing satisfies is contained in every other.
    """
    answer = _decide(strict_json.dumps(a), strict_json.dumps(b))
    if answer.witness is None:
        return answer
    # The remembered witness must not be changed by whoever receives it.
    return replace(answer, witness=Witness(_copied(answer.witness.value)))


def instance_of(schema: Any) -> Witness | None:
    """Return a value that satisfies the schema, None when there is none or none was found."""
    check = validator_for(schema)
    parts = Parts()
    answer = _find(parts, frozenset({parts.add(schema)}), check.is_valid)
    return Witness(answer.value) if answer.verdict == "found" else None


@lru_cache(maxsize=CACHED_ANSWERS)
def _decide(a: str, b: str) -> Containment:
    ours, theirs = json.loads(a), json.loads(b)
    keeps, breaks = validator_for(ours), validator_for(theirs)
    parts = Parts()
    state = frozenset({parts.add(ours), -parts.add(theirs)})
    answer = _find(parts, state, lambda value: keeps.is_valid(value) and not breaks.is_valid(value))
    if answer == EMPTY:
        return PROVED
    if answer.verdict == "unknown":
        return Containment("unknown", reason=answer.reason, pointer=answer.pointer)
    problem = breaks.problems(answer.value)[0]
    return Containment("refuted", Witness(answer.value), problem.message, problem.pointer)


def _find(parts: Parts, state: State, is_one: Callable[[Any], bool]) -> Answer:
    """Return a value for the state that has passed the check, that there is none, or what is not known."""
    search = Inhabitation(parts)
    answer = first = _ask(search, state)
    for _ in range(MAX_GUESSES):
        if not answer.has_value:
            break
        value = _copied(answer.value)
        if is_one(value):
            return found(value)
        state |= {-parts.constant(value)}
        answer = _ask(search, state)
    # A check may also have failed for its own limits: what was found and refused once is no proof of anything.
    return (
        unknown(first.reason or "the value found did not pass the check", first.pointer) if first.has_value else first
    )


def _ask(search: Inhabitation, state: State) -> Answer:
    try:
        return search.solve(state)
    except ExhaustedError as error:
        return unknown(str(error))
    except RecursionError:
        return unknown("the schemas are nested too deeply")


def _copied(value: Any) -> Any:
    """Return the value with no part shared: the search puts one answer in several places."""
    return json.loads(strict_json.dumps(value))
