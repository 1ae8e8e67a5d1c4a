"""Output contracts: the shape of a result, for envelopes and for capabilities alike."""

from __future__ import annotations

from app.schemas.base import Closed, anything, choice, free, many, text, texts
from planner.contracts.output_contract import LEVELS, MODES


class ContractConstraintSchema(Closed):
    """A rule on the result beyond its schema; at least one of `expr` and `dsl` says it."""

    constraint_id = text(required=True)
    expr = anything("JSON-Logic, or the text of a condition.")
    dsl = text()
    level = choice(LEVELS, required=True)
    rationale = text()


class OutputContractSchema(Closed):
    """The shape of a result: a JSON Schema (`json_schema`, also without `mode`), facets, or freeform instructions."""

    mode = choice(MODES)
    schema = free("For `json_schema`: the JSON Schema that the result must satisfy.")
    facets = texts("For `facets`: names of the facets that make up the result.", at_least=1)
    instructions = text("For `freeform`: what is wanted.")
    expected_format = text("For `freeform`, such as `blog post`.")
    hints = free()
    example = anything()
    constraints = many(ContractConstraintSchema)
