"""A condition brought for checking, and what is said about it."""

from __future__ import annotations

from marshmallow import fields, validate

from app.schemas.base import Closed, Open, anything, free, many, one, text, texts


class ConditionQuestionSchema(Closed):
    """A condition as text, as JSON-Logic, or as both; with `payload` it is also evaluated."""

    dsl = fields.String(metadata={"description": "The condition as text."})
    json_logic = anything("The condition as JSON-Logic; beside a text it must say the same.")
    payload = anything("What to evaluate it on; with `facet`, the value of that facet.")
    facet = text("The facet whose members may be named bare, as in goals and guards.")


class ConditionWarningSchema(Open):
    """Something allowed and probably not meant."""

    code = text(required=True)
    message = text(required=True)
    range_ = free("Where it stands in the text.")


class VerdictSchema(Closed):
    """What the condition says about the payload."""

    value = fields.Raw(required=True, validate=validate.OneOf((True, False, "unknown")))
    reason = text("Why it is unknown.")
    observed = free("The payload values that were read, by path; null where there was none.", required=True)


class ConditionAnswerSchema(Closed):
    """The other forms of a valid condition."""

    canonical_dsl = text(required=True)
    json_logic = anything(required=True)
    variables = texts("The payload paths that it reads, in the order of the text.", required=True)
    warnings = many(ConditionWarningSchema, required=True)
    verdict = one(VerdictSchema, "Present whenever `payload` is.")
