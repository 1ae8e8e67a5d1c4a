"""One attempt at one node: what the agent is given, what it gave, and whether that fits the node's contract.

No transaction is open while an agent works. What comes out is a value, `Done`, `Ask` or a `Failure`; whoever walks the
lane stores it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import structlog

from models.database import dumps
from models.faults import fault
from models.repositories.claims import Claim
from models.repositories.plans import StoredPlan
from models.settings import get_settings
from models.telemetry import Call, CallEnd, observe_call
from models.unit_of_work import UnitOfWork, open_reading
from planner.contracts.capabilities import Capability, expired
from planner.contracts.compiler import CompiledContract, Provenance
from planner.contracts.json_schema import validator_for
from planner.plan.graph import Node
from planner.progress.bundle import AgentBundle, inputs_of, source_ids
from planner.progress.checks import open_checks
from planner.progress.failure import Failure, FailureKind, candidate_id
from tasks.agents.base import AgentError, AgentResult, AgentTimeoutError, CancelToken, HitlAsk, InvalidReplyError, Usage
from tasks.agents.registry import agent_for

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """The attempt gave what the contract asks for: `output` is facet → value."""

    output: Mapping[str, Any]
    usage: Usage
    provenance: Mapping[str, Any]
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Ask:
    """The agent wants a person's word before it goes on."""

    ask: HitlAsk
    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt gave nothing of use, and what it cost."""

    failure: Failure
    usage: Usage
    duration_ms: float | None = None


Outcome = Done | Ask | Failed


def attempt(claim: Claim, stored: StoredPlan, cancel: CancelToken, seen: dict[str, Any] | None = None) -> Outcome:
    """Run the claimed attempt and return what came of it; never raises for what an agent does.

    `seen` are outputs of ancestors that need not be read; those that are read are added to it.
    """
    began = time.monotonic()
    outcome = _attempt(claim, stored, cancel, {} if seen is None else seen)
    if isinstance(outcome, Failed):
        return replace(outcome, duration_ms=(time.monotonic() - began) * 1000)
    return outcome


def _attempt(claim: Claim, stored: StoredPlan, cancel: CancelToken, seen: dict[str, Any]) -> Outcome:
    node = stored.plan.node(claim.node_id)
    capability_id = candidate_id(node, claim.state.candidate) or ""
    with open_reading(claim.tenant_id) as unit:
        capability = _capability(unit, claim, capability_id)
        if missing := [source for source in source_ids(stored.plan, node.id) if source not in seen]:
            seen |= {node_id: {} for node_id in missing} | unit.nodes.outputs(claim.run_id, missing)
        clarifications = unit.hitl.clarifications(claim.run_id, node.id) if claim.attempt > 1 else ()
    if capability is None:
        message = f"The capability “{capability_id}” is not active any more."
        return Failed(Failure("capability_inactive", "capability_inactive", message), Usage())
    bundle = _bundle(claim, stored, node, capability, seen, clarifications)
    if unfit := open_checks(node, "input", bundle.inputs):
        message = f"What “{node.label}” was given is nothing that it takes: {unfit[0]['message']}"
        return Failed(Failure("invalid_output", "invalid_input", message, unfit, retryable=False), Usage())
    with observe_call(_described(claim, capability_id)) as end:
        outcome = _call(bundle, node, capability, cancel)
        _describe_end(end, outcome)
    return outcome


def _capability(unit: UnitOfWork, claim: Claim, capability_id: str) -> Capability | None:
    """Return the capability if it is active now: as the registry was remembered, and as the claim has seen it."""
    presence = claim.capability
    remembered = unit.capabilities.snapshot().get(capability_id) if presence else None
    if presence is None or remembered is None:
        found = unit.capabilities.find(capability_id)
        return found if found is not None and found.status == "active" else None
    if presence.last_seen_at is None:
        return None
    present = remembered
    # Most were seen as they are remembered, and a copy of so many fields is the dearest part of this.
    if (remembered.status, remembered.last_seen_at) != ("active", presence.last_seen_at):
        present = replace(remembered, status="active", last_seen_at=presence.last_seen_at)
    return None if expired(present, presence.at) else present


def contract_of(node: Node) -> CompiledContract:
    """Return the node's own output contract, which may promise more than its capability does."""
    provenance = tuple(Provenance(**entry) for entry in node.provenance.get("output", ()))
    return CompiledContract(dict(node.output_schema), provenance, tuple(entry.facet for entry in provenance))


def _findings(node: Node, contract: CompiledContract, output: Any) -> tuple[dict[str, Any], ...]:
    """Return what is wrong with an output keyed by property key: facet, pointer, keyword and message of each fault."""
    problems = validator_for(contract.schema).problems(output)
    if not problems:
        return open_checks(node, "output", contract.to_facets(output))
    owners = {entry.pointer: entry.facet for entry in contract.provenance}
    return tuple({**p.as_json(), "facet": owners.get("/" + p.pointer[1:].split("/", 1)[0], "")} for p in problems)


def _bundle(
    claim: Claim,
    stored: StoredPlan,
    node: Node,
    capability: Capability,
    outputs: Mapping[str, Any],
    clarifications: Sequence[Mapping[str, Any]],
) -> AgentBundle:
    return AgentBundle(
        run_id=claim.run_id,
        node_id=node.id,
        attempt=claim.attempt,
        repair=claim.state.repair,
        plan_version=claim.plan_version,
        capability_id=capability.capability_id,
        capability=capability,
        objective=stored.intake["objective"],
        instructions=node.instructions,
        inputs=inputs_of(stored.plan, node.id, stored.values, outputs),
        output_facets=node.output_facets,
        output_schema=node.output_schema,
        timeout_seconds=node.timeout_seconds,
        findings=claim.state.findings,
        last_output=(claim.state.error or {}).get("output"),
        clarifications=tuple(clarifications),
        special_instructions=tuple(stored.intake["specialInstructions"]) if not node.instructions else (),
        branch=node.branch,
        correlation_id=claim.correlation_id,
    )


def _call(bundle: AgentBundle, node: Node, capability: Capability, cancel: CancelToken) -> Outcome:
    began = time.monotonic()
    try:
        fault("in_agent", node.id)
        result = agent_for(capability, get_settings()).run(bundle, cancel=cancel)
    except AgentError as error:
        return Failed(_agent_failure(error), error.usage)
    # MemoryError and SystemExit, left alone, would end the whole worker, and the next one that gets the node.
    except (Exception, SystemExit) as error:
        logger.exception("agent_crashed", capability_id=capability.capability_id, node_id=node.id)
        message = f"The agent broke while it worked: {type(error).__name__}."
        return Failed(Failure("agent_error", "agent_crash", message), Usage())
    if result.hitl is not None:
        return Ask(result.hitl, result.usage)
    if fault_of_json := _fault_of_json(result):
        return Failed(_not_json(f"What the agent gave cannot be stored as JSON: {fault_of_json}"), result.usage)
    contract = contract_of(node)
    if findings := _findings(node, contract, result.output):
        message = f"The output does not fit the contract: {findings[0]['message']}" + _more(len(findings) - 1)
        return Failed(Failure("invalid_output", "invalid_output", message, findings, result.output), result.usage)
    output = contract.to_facets(result.output)
    return Done(output, result.usage, result.provenance, (time.monotonic() - began) * 1000)


def _described(claim: Claim, capability_id: str) -> Call:
    return Call(
        run_id=claim.run_id,
        correlation_id=claim.correlation_id,
        tenant_id=claim.tenant_id,
        plan_version=claim.plan_version,
        node_id=claim.node_id,
        capability_id=capability_id,
        attempt=claim.attempt,
    )


def _describe_end(end: CallEnd, outcome: Outcome) -> None:
    end.usage = outcome.usage.as_json()
    match outcome:
        case Done():
            end.outcome = "done"
            end.provider, end.model = outcome.provenance.get("provider"), outcome.provenance.get("model")
        case Ask():
            end.outcome = "asked"
        case Failed():
            end.outcome = outcome.failure.code


def _fault_of_json(result: AgentResult) -> str | None:
    """Return why a result has no JSON: an agent of our own may give what no reply over a wire could hold."""
    try:
        text = dumps([result.output, result.provenance])
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        return type(error).__name__
    return "a NUL character" if _NUL.search(text) else None


_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL as JSON writes it, which the database takes in no text; one backslash more only writes about it."""


def _not_json(message: str, output: Any = None) -> Failure:
    finding = {"pointer": "", "instancePath": "", "keyword": "json", "message": message, "facet": ""}
    return Failure("invalid_output", "invalid_output", message, (finding,), output=output)


def _agent_failure(error: AgentError) -> Failure:
    if isinstance(error, InvalidReplyError):
        return _not_json(error.message, error.raw)
    kind: FailureKind = "timeout" if isinstance(error, AgentTimeoutError) else "agent_error"
    return Failure(kind, error.code, error.message, retryable=error.retryable, retry_after=error.retry_after)


def _more(count: int) -> str:
    return f" (and {count} more)" if count > 0 else ""
