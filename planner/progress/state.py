"""What the run loop knows about a run at one moment: plain values, read under the run's lock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

from planner.plan.graph import PlanGraph

RunStatus = Literal[
    "pending",
    "planning",
    "running",
    "awaiting_hitl",
    "awaiting_human",
    "paused",
    "cancelling",
    "completed",
    "failed",
    "cancelled",
]
NodeStatus = Literal[
    "pending",
    "running",
    "retrying",
    "completed",
    "skipped",
    "superseded",
    "cancelled",
    "awaiting_hitl",
    "awaiting_human",
    "error",
]
RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
NODE_STATUSES: tuple[NodeStatus, ...] = get_args(NodeStatus)
TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled"})
"""Run statuses that nothing leaves."""
SETTLED: frozenset[str] = frozenset({"completed", "skipped", "superseded"})
"""Node statuses behind which the nodes that wait for them may start."""
STARTABLE: frozenset[str] = frozenset({"pending", "retrying"})
"""Node statuses that a worker may claim."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """One node of a run. `waiting` counts parents that have not settled; times are the database's.

    `tries` are failed tries of the present candidate, `repair` those made because of findings, `crashes` lost leases;
    `candidate` is 0 for the planned capability and n for its n-th alternative.
    """

    node_id: str
    status: NodeStatus = "pending"
    waiting: int = 0
    attempt: int = 0
    tries: int = 0
    repair: int = 0
    crashes: int = 0
    candidate: int = 0
    lease_until: datetime | None = None
    deadline: datetime | None = None
    started_at: datetime | None = None
    retry_at: datetime | None = None
    dispatched_at: datetime | None = None
    dispatch_count: int = 0
    findings: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None

    @property
    def settled(self) -> bool:
        return self.status in SETTLED


@dataclass(frozen=True, slots=True)
class RequestState:
    """A question to a person about one node; `answer` is there once somebody has decided."""

    request_id: str
    node_id: str
    purpose: Literal["output", "clarify", "approval", "final_output", "fallback"]
    created_at: datetime
    expires_at: datetime | None = None
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RunState:
    """A run as `next_step` sees it; `now` is the database's clock."""

    run_id: str
    status: RunStatus
    epoch: int
    now: datetime
    plan: PlanGraph | None = None
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    requests: tuple[RequestState, ...] = ()
    planning_lease_until: datetime | None = None
    planning_crashes: int = 0
    dispatched_at: datetime | None = None
    dispatch_count: int = 0

    def with_status(self, *statuses: str) -> tuple[NodeState, ...]:
        """Return the nodes in one of `statuses`, in the plan's order."""
        order = self.plan.order if self.plan else ()
        return tuple(self.nodes[node_id] for node_id in order if self.nodes[node_id].status in statuses)
