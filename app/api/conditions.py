"""Conditions brought for checking: the other forms of a valid one and its verdict, or everything wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from app.api.operations import json_reply, operation
from app.body import read_json
from app.extensions import services
from planner.vocabulary import vocabulary_of
from policies.clauses import Vocabulary
from policies.conditions import ConditionError, Diagnostic, bare_payload, evaluate, reconcile
from policies.errors import FlexError, InvalidInputError, Problem
from policies.shape import ObjectReader, suggest

blueprint = Blueprint("conditions", __name__, url_prefix="/api/v1/flex", description="The condition language")


class RefusedConditionError(FlexError):
    """The condition is not valid; `errors` says where and why."""

    code = "invalid_condition_dsl"

    def __init__(self, error: ConditionError, place: str) -> None:
        super().__init__(error.message)
        self.problems = tuple(PlacedDiagnostic(found, place) for found in error.diagnostics)
        self.data = {"errors": error.as_json()}


@dataclass(frozen=True, slots=True)
class PlacedDiagnostic:
    """A diagnostic with the pointer to the member of the body that it is about."""

    found: Diagnostic
    pointer: str

    def as_json(self) -> dict[str, Any]:
        return {"pointer": self.pointer, **self.found.as_json()}


@dataclass(frozen=True, slots=True)
class Question:
    """A checked body: the forms of the condition, where its bare names look, and what to evaluate it on."""

    dsl: str | None
    json_logic: Any
    bare_schema: Any
    has_payload: bool
    payload: Any


@operation(
    blueprint,
    "POST",
    "/conditions/validate",
    name="validateCondition",
    replies={200: json_reply("The condition is valid", "ConditionAnswer")},
    body="ConditionQuestion",
)
def validate_condition() -> Response:
    """Check a condition, and evaluate it when a payload comes along."""
    vocabulary = vocabulary_of(services().catalogue)
    question = read_question(read_json(), vocabulary)
    try:
        condition = reconcile(
            question.dsl, question.json_logic, catalog=vocabulary.catalog, bare_schema=question.bare_schema
        )
    except ConditionError as error:
        raise RefusedConditionError(error, "/jsonLogic" if question.dsl is None else "/dsl") from None
    answer = condition.as_json()
    del answer["dsl"]
    if question.has_payload:
        answer["verdict"] = evaluate(condition, question.payload).as_json()
    return jsonify(answer)


def read_question(raw: Any, vocabulary: Vocabulary) -> Question:
    """Return the checked body. Raises `InvalidInputError` with everything wrong with its shape."""
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, "", problems)
    if reader is None:
        raise InvalidInputError(problems)
    if reader.has("dsl") and not isinstance(raw["dsl"], str):
        reader.report("dsl", "must be a string", "type")
    facet = reader.text("facet")
    if facet is not None and facet not in vocabulary.schemas:
        reader.report("facet", f"no facet is called `{facet}`.{suggest(facet, vocabulary.schemas)}", "unknown_facet")
    reader.has("jsonLogic")
    has_payload = reader.has("payload")
    reader.close()
    if problems:
        raise InvalidInputError(problems)
    payload = raw.get("payload")
    if facet is not None:
        payload = bare_payload(payload)
    schema = None if facet is None else vocabulary.schemas[facet]
    return Question(raw.get("dsl"), raw.get("jsonLogic"), schema, has_payload, payload)
