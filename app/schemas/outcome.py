"""What came of a call: what it used up, what went wrong, and where."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Open, amount, free, text, whole


class UsageSchema(Open):
    """What calls to models used up."""

    prompt_tokens = whole(0)
    completion_tokens = whole(0)
    cost = amount(0)


class ErrorSchema(Open):
    """What went wrong: a code for programs, a message that says what to do, and each fault where there are several."""

    code = text(required=True)
    message = text(required=True)
    name = text()
    remedy = text()
    errors = fields.List(free())


class FindingSchema(Open):
    """One place at which a value breaks its schema."""

    message = text(required=True)
    pointer = fields.String()
    instance_path = fields.String()
    keyword = fields.String()
    schema_path = fields.String()
    facet = fields.String()
