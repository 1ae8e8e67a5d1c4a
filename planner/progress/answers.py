"""What a person's answer to a request means, and whether it answers that request at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from planner.contracts.json_schema import validator_for
from policies.errors import InvalidInputError, Problem, pointer

NEEDS_OUTPUT = frozenset({"output", "final_output"})
"""Purposes for which an approval without an output would leave the node with nothing."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer in one value: `output` by property key, `text` for the agent that asked, the `option` chosen."""

    kind: Literal["approval", "rejection", "freeform", "option"]
    output: Any = None
    text: str = ""
    option: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "output": self.output, "text": self.text, "option": self.option}


def response_type(response: Mapping[str, Any]) -> Literal["approval", "rejection", "freeform", "option"]:
    """Return the type of one response; what it does not say itself is inferred from its members."""
    stated = response.get("responseType")
    if stated in {"approval", "rejection", "freeform", "option"}:
        return stated  # type: ignore[no-any-return]  # membership above narrows it for people, not for mypy
    if "approved" in response:
        return "approval" if response["approved"] else "rejection"
    if response.get("selectedOptionId"):
        return "option"
    return "approval" if "output" in response else "freeform"


def decision_of(responses: Sequence[Mapping[str, Any]]) -> Decision:
    """Return what the responses decide together: any rejection rejects, the last output counts."""
    kinds = [response_type(response) for response in responses]
    texts = [str(r.get("freeformText") or r.get("selectedOptionId") or "") for r in responses]
    outputs = [response["output"] for response in responses if "output" in response]
    kind = "rejection" if "rejection" in kinds else kinds[-1]
    text = "\n".join(t for t in texts if t) or ("approved" if kind == "approval" else kind)
    options = [str(response["selectedOptionId"]) for response in responses if response.get("selectedOptionId")]
    return Decision(kind, outputs[-1] if outputs else None, text, options[-1] if options else None)


def fallback_choice(decision: Decision, options: Collection[str]) -> Literal["supply", "choose", "stop"] | None:
    """Return what a decision about a fallback means, None when it says none of the `options` that were offered.

    A rejection stops the run; an output supplies the value; an approval without one takes the candidate, if there is.
    """
    if decision.kind == "rejection":
        return "stop"
    if decision.option is not None:
        meant = decision.option
    elif decision.output is not None:
        meant = "supply"
    else:
        meant = "choose" if decision.kind == "approval" else ""
    if meant not in options or (meant == "supply" and decision.output is None):
        return None
    return meant  # type: ignore[return-value]  # the options of a fallback node are these three


def check_answer(
    purpose: str,
    responses: Sequence[Mapping[str, Any]],
    output_schema: Mapping[str, Any] | None,
    options: Collection[str] = (),
) -> None:
    """Check that the responses answer a request, whose payload offers `options`.

    Raises InvalidInputError naming every fault at its pointer.
    """
    if not responses:
        raise InvalidInputError([Problem("/responses", "is empty; send at least one response", "minItems")])
    problems: list[Problem] = []
    for index, response in enumerate(responses):
        at = pointer("responses", index)
        if "approved" in response and response.get("responseType") in {"approval", "rejection"}:
            wanted = response["responseType"] == "approval"
            if response["approved"] is not wanted:
                problems.append(Problem(f"{at}/approved", "contradicts responseType; send one of the two", "conflict"))
        if "output" in response and output_schema is not None and response_type(response) != "rejection":
            found = validator_for(output_schema).problems(response["output"])
            problems.extend(Problem(f"{at}/output{p.pointer}", p.message, p.keyword) for p in found)
    decision = decision_of(responses)
    if not problems and purpose in NEEDS_OUTPUT and decision.kind != "rejection" and decision.output is None:
        message = "is missing: this request needs an output that fits the node's contract, or a rejection"
        problems.append(Problem("/responses/0/output", message, "required"))
    if not problems and purpose == "fallback" and fallback_choice(decision, options) is None:
        problems.append(_no_choice(decision, options))
    if problems:
        raise InvalidInputError(problems)


def _no_choice(decision: Decision, options: Collection[str]) -> Problem:
    if decision.option == "supply":
        return Problem("/responses/0/output", "is missing: “supply” needs the value, keyed by property", "required")
    offered = ", ".join(options)
    at = "/responses/0" + ("/selectedOptionId" if decision.option is not None else "")
    return Problem(at, f"is none of what was offered; send selectedOptionId as one of {offered}, or an output", "enum")
