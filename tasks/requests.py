"""The questions that the run loop puts to people, with all that a person needs to answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.repositories.hitl import NewRequest
from planner.plan.graph import Node
from planner.progress.failure import Failure, candidate_id
from planner.progress.state import NodeState
from tasks.agents.base import HitlAsk

MAX_SHOWN = 8_000
"""How many characters of a refused output are kept and shown."""


def for_output(node: Node, state: NodeState, failure: Failure) -> NewRequest:
    """Ask for the output that no capability could give; an approval carries it, a rejection ends the node."""
    question = (
        f"“{node.label}” has no valid output after {_times(state.attempt)}: {failure.message.rstrip('.')}. "
        "Supply the output, or reject it and end the run."
    )
    context = {
        "reason": failure.code,
        "message": failure.message,
        "errors": [dict(finding) for finding in failure.findings],
        "lastOutput": clipped(failure.output),
        "attempts": state.attempt,
    }
    return NewRequest(
        node_id=node.id,
        kind="approval",
        purpose="output",
        origin_agent=candidate_id(node, state.candidate),
        payload=_payload(question, kind="approval", urgency="high", free_form=False, additionalContext=context),
        operator_prompt=question,
        contract_summary=contract_summary(node),
        usage=failure.usage,
    )


def for_final_output(node: Node, findings: Sequence[Mapping[str, Any]], output: Any) -> NewRequest:
    """Ask for a node's output anew because the run's result, made of it, breaks the caller's contract."""
    question = (
        f"The result does not fit the caller's contract because of “{node.label}”. "
        "Supply that node's output anew, or reject it and end the run."
    )
    context = {
        "reason": "contract_not_met",
        "errors": [dict(finding) for finding in findings],
        "lastOutput": clipped(output),
    }
    return NewRequest(
        node_id=node.id,
        kind="approval",
        purpose="final_output",
        origin_agent=node.capability_id,
        payload=_payload(question, kind="approval", urgency="high", free_form=False, additionalContext=context),
        operator_prompt=question,
        contract_summary=contract_summary(node),
    )


def for_fallback(node: Node) -> NewRequest:
    """Ask what the planner could not settle: supply the facets, take the best candidate after all, or stop the run."""
    facets, best = ", ".join(node.output_facets), node.metadata.get("best")
    offered = {
        "supply": f"Supply {facets}",
        "choose": f"Use {best['capabilityId']} anyway" if best else "",
        "stop": "Stop the run",
    }
    options = [{"id": option, "label": offered[option]} for option in node.metadata["options"]]
    question = f"{' '.join(node.rationale)} {_either([option['label'] for option in options])}."
    named = ("reason", "facets", "best", "minimumScore", "askedBy")
    context = {name: node.metadata[name] for name in named if name in node.metadata}
    payload = _payload(question, kind="approval", urgency="high", free_form=False, additionalContext=context)
    return NewRequest(
        node_id=node.id,
        kind="approval",
        purpose="fallback",
        origin_agent=best["capabilityId"] if best else None,
        payload={**payload, "options": options},
        operator_prompt=question,
        contract_summary=contract_summary(node),
    )


def for_agent(node: Node, ask: HitlAsk, capability_id: str | None, usage: Mapping[str, Any]) -> NewRequest:
    """Put an agent's own question; its node runs again with the answer among its clarifications."""
    return NewRequest(
        node_id=node.id,
        kind=ask.kind,
        purpose=ask.kind,
        origin_agent=capability_id,
        payload=_payload(ask.question, kind=ask.kind, urgency=ask.urgency or "normal", free_form=True),
        operator_prompt=ask.question,
        contract_summary=contract_summary(node),
        usage=usage,
    )


def contract_summary(node: Node) -> dict[str, Any]:
    """Return what a person must know of a node to answer for it."""
    return {
        "nodeId": node.id,
        "nodeLabel": node.label,
        "capabilityId": node.capability_id,
        "capabilityLabel": node.label,
        "contract": {"output": dict(node.output_schema)},
        "facets": {"input": list(node.input_facets), "output": list(node.output_facets)},
    }


def clipped(output: Any) -> Any:
    """Return a refused output as it is kept: a text that went out of hand is cut."""
    return output[:MAX_SHOWN] if isinstance(output, str) else output


def _either(choices: Sequence[str]) -> str:
    first, *rest = choices
    told = [first, *(choice[:1].lower() + choice[1:] for choice in rest)]
    return f"{', '.join(told[:-1])} or {told[-1]}"


def _times(attempts: int) -> str:
    return f"{attempts} attempt{'' if attempts == 1 else 's'}"


def _payload(question: str, *, kind: str, urgency: str, free_form: bool, **more: Any) -> dict[str, Any]:
    return {"question": question, "kind": kind, "allowFreeForm": free_form, "urgency": urgency, **more}
