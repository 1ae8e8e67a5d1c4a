"""A task envelope: what a caller wants, checked in full before anything is stored.

Checking runs in phases. First every member is read and every fault collected. Then the parts are held against each
other. An envelope without fault finally passes the gate, which refuses what this version does not do yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from planner.availability import refuse_disabled, refuse_unavailable
from planner.contracts.facets import FacetCatalogue
from planner.contracts.output_contract import OutputContract, check_output_contract
from planner.contradictions import contradictions
from planner.refusals import (
    ContractUnsatisfiableError as ContractUnsatisfiableError,
)
from planner.refusals import (
    InvalidConditionError as InvalidConditionError,
)
from planner.refusals import (
    NotAvailableYetError as NotAvailableYetError,
)
from planner.refusals import (
    PoliciesDisabledError as PoliciesDisabledError,
)
from planner.vocabulary import vocabulary_of
from policies.clauses import ConditionProblem, Vocabulary, wording_problems
from policies.errors import InvalidInputError, Problem, pointer
from policies.facet_conditions import FacetCondition, check_facet_conditions
from policies.legacy import MAX_VARIANTS
from policies.normalize import check_policies
from policies.policy import Policies
from policies.shape import ObjectReader

METADATA_TEXTS = ("clientId", "brandId", "campaignId", "correlationId", "runLabel", "threadId")
CONSTRAINT_TEXTS = ("resumeRunId", "threadId", "resumeThreadId")
# The correlation id travels in HTTP headers.
_HEADER_SAFE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,198}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class TaskEnvelope:
    """A checked envelope. `raw` is what the caller sent; `notes` say how it was understood where that is not plain."""

    objective: str
    inputs: dict[str, Any]
    constraints: dict[str, Any]
    policies: Policies
    special_instructions: tuple[str, ...]
    metadata: dict[str, Any]
    goal_conditions: tuple[FacetCondition, ...]
    output_contract: OutputContract
    raw: dict[str, Any]
    notes: tuple[str, ...] = ()
    thread_id: str | None = None


def check_envelope(raw: Any, catalogue: FacetCatalogue, *, policies_enabled: bool = True) -> TaskEnvelope:
    """Return the envelope that a JSON value describes.

    Raises InvalidInputError with every problem; InvalidConditionError when condition texts are all that is wrong;
    ContractUnsatisfiableError when the parts are right and contradict each other; PoliciesDisabledError and
    NotAvailableYetError when a right envelope asks for what is turned off or not built.
    """
    envelope, problems = _read(raw, catalogue)
    if envelope is None or problems:
        _refuse(problems)
    if not policies_enabled:
        refuse_disabled(envelope.raw, envelope.policies)
    refuse_unavailable(envelope.raw, envelope.policies)
    return envelope


def envelope_from_json(raw: Any, catalogue: FacetCatalogue) -> TaskEnvelope:
    """Re-read a stored envelope, which was checked when it came in; raise InvalidInputError when it no longer holds."""
    envelope, problems = _read(raw, catalogue)
    if envelope is None:
        raise InvalidInputError(problems)
    return envelope


def _refuse(problems: list[Problem]) -> NoReturn:
    if all(isinstance(problem, ConditionProblem) for problem in problems):
        raise InvalidConditionError(problems)
    if all(problem.code == ContractUnsatisfiableError.code for problem in problems):
        raise ContractUnsatisfiableError(problems)
    raise InvalidInputError(problems)


def _read(raw: Any, catalogue: FacetCatalogue) -> tuple[TaskEnvelope | None, list[Problem]]:
    """Return what can be read and everything that is wrong; the envelope is None when a required part is missing."""
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, "", problems)
    if reader is None:
        return None, problems
    vocabulary = vocabulary_of(catalogue)
    objective = reader.text("objective", required=True)
    inputs, constraints, metadata = _check_inputs(reader), _check_constraints(reader), _check_metadata(reader)
    policies = _check_policies(reader, vocabulary)
    instructions = reader.texts("specialInstructions") or ()
    goals = check_facet_conditions(reader, "goal_condition", vocabulary=vocabulary, at_least=1)
    contract = _check_contract(reader, catalogue)
    reader.close()
    if contract is not None:
        problems += contradictions(raw, contract, goals)
    if objective is None or policies is None or contract is None:
        return None, problems
    envelope = TaskEnvelope(
        objective=objective.strip(),
        inputs=inputs,
        constraints=constraints,
        policies=policies,
        special_instructions=instructions,
        metadata=metadata,
        goal_conditions=goals,
        output_contract=contract,
        raw=raw,
        notes=policies.notes,
        thread_id=_thread_id(metadata, constraints),
    )
    return envelope, problems


def _check_inputs(reader: ObjectReader) -> dict[str, Any]:
    inputs = reader.child("inputs")
    if inputs is None:
        return {}
    inputs.integer("variantCount", 1, MAX_VARIANTS)
    return inputs.raw


def _check_constraints(reader: ObjectReader) -> dict[str, Any]:
    constraints = reader.child("constraints")
    if constraints is None:
        return {}
    for name in CONSTRAINT_TEXTS:
        constraints.text(name)
    for name in ("requiresHitlApproval", "reviewPlan"):
        constraints.flag(name, default=False)
    budget = constraints.child("budget")
    if budget is not None:
        budget.integer("maxTokens", 1)
        budget.number("maxCost", above=0)
        budget.number("maxSeconds", above=0)
    return constraints.raw


def _check_metadata(reader: ObjectReader) -> dict[str, Any]:
    metadata = reader.child("metadata")
    if metadata is None:
        return {}
    texts = {name: metadata.text(name) for name in METADATA_TEXTS}
    correlation = texts["correlationId"]
    if correlation is not None and not _HEADER_SAFE.fullmatch(correlation):
        metadata.report(
            "correlationId", "must be 1 to 200 printable ASCII characters: it travels in headers", "pattern"
        )
    return metadata.raw


def _check_policies(reader: ObjectReader, vocabulary: Vocabulary) -> Policies | None:
    if not reader.has("policies"):
        return Policies()
    policies, problems = check_policies(reader.raw["policies"], vocabulary=vocabulary, at=reader.place("policies"))
    reader.problems.extend(problems)
    return policies


def _check_contract(reader: ObjectReader, catalogue: FacetCatalogue) -> OutputContract | None:
    if not reader.require("outputContract", 'the shape of the result, as {"mode": "json_schema", "schema": {...}}'):
        return None
    contract, problems = check_output_contract(reader.raw["outputContract"], reader.place("outputContract"), catalogue)
    reader.problems.extend(problems)
    for index, constraint in enumerate(() if contract is None else contract.constraints):
        reader.problems.extend(_constraint_problems(constraint, reader.place("outputContract"), index))
    return contract


def _constraint_problems(constraint: dict[str, Any], at: str, index: int) -> tuple[ConditionProblem, ...]:
    """Return what is wrong with the wording of a constraint: `dsl` is a text, `expr` a text or JSON-Logic."""
    dsl, expression = constraint.get("dsl"), constraint.get("expr")
    text = expression if dsl is None and isinstance(expression, str) else dsl
    place = at + pointer("constraints", index, "expr" if dsl is None else "dsl")
    return wording_problems(text, expression if isinstance(expression, dict) else None, place)


def _thread_id(metadata: dict[str, Any], constraints: dict[str, Any]) -> str | None:
    """Return the conversation that the run belongs to; a correlation id is none, since clients repeat it."""
    return metadata.get("threadId") or constraints.get("threadId") or constraints.get("resumeThreadId")
