"""Decide what follows when one attempt at a node has failed: try again, try another, ask a person, or give up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from planner.plan.graph import Node
from planner.progress.state import NodeState

FailureKind = Literal["invalid_output", "agent_error", "timeout", "capability_inactive", "lease_lost"]

MAX_CRASHES = 3
"""A node whose worker died this often is poison; it is not handed to another worker."""
BACK_OFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: `code` for programs, `message` for people, with the findings and the output that was refused.

    `usage` is what the attempt consumed all the same, None where nobody knows: its worker is gone.
    """

    kind: FailureKind
    code: str
    message: str
    findings: tuple[Mapping[str, Any], ...] = ()
    output: Any = None
    retryable: bool = True
    retry_after: float | None = None
    usage: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        return {**body, "errors": [dict(f) for f in self.findings]} if self.findings else body


@dataclass(frozen=True, slots=True)
class RetryNode:
    """Run the same capability again after `delay` seconds."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class UseAlternative:
    """Run the node with its `candidate`-th capability."""

    candidate: int
    capability_id: str


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Nobody else can do it: a person supplies the output or rejects."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The node has failed for good."""


Aftermath = RetryNode | UseAlternative | AskPerson | GiveUp


def candidate_id(node: Node, candidate: int) -> str | None:
    """Return the capability that candidate number `candidate` stands for; 0 is the planned one."""
    return node.capability_id if candidate == 0 else node.alternatives[candidate - 1]


def after_failure(node: Node, state: NodeState, failure: Failure, is_active: Callable[[str], bool]) -> Aftermath:
    """Return what follows `failure`; `state` counts the failed attempts *before* this one."""
    if failure.kind == "lease_lost":
        return RetryNode() if state.crashes + 1 < MAX_CRASHES else GiveUp()
    if failure.kind != "capability_inactive" and failure.retryable and state.tries + 1 < node.contract.max_attempts:
        return RetryNode(_delay(state, failure))
    for candidate in range(state.candidate + 1, len(node.alternatives) + 1):
        capability_id = node.alternatives[candidate - 1]
        if is_active(capability_id):
            return UseAlternative(candidate, capability_id)
    return AskPerson() if node.contract.asks_person else GiveUp()


def _delay(state: NodeState, failure: Failure) -> float:
    if failure.kind == "invalid_output":
        return 0.0
    if failure.retry_after is not None:
        return failure.retry_after
    return BACK_OFF_SECONDS[min(state.tries, len(BACK_OFF_SECONDS) - 1)]
