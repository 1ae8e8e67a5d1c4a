"""Conditions: a text, its JSON-Logic, or both, and where in a facet they look."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Closed, anything, one, text


class ConditionSchema(Closed):
    """At least one of `dsl` and `jsonLogic`; when both are given they must say the same."""

    dsl = fields.String(metadata={"description": "The condition as text."})
    json_logic = anything("The condition as JSON-Logic.")
    canonical_dsl = fields.String()
    warnings = fields.List(fields.Raw())
    variables = fields.List(fields.Raw())


class FacetConditionSchema(Closed):
    """A condition on what stands at `path` inside a facet's value."""

    facet = text("A facet's name.", required=True)
    path = text("A JSON pointer into the facet's value; `#` is all of it.", required=True)
    condition = one(ConditionSchema, required=True)
