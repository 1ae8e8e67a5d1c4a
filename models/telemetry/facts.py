"""What observers are told: plain values of what has been committed, which reach back into no transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A run has another status than before (`previous` is None for a new run), `age_ms` after it was created."""

    run_id: str
    tenant_id: str
    correlation_id: str
    plan_version: int
    status: str
    previous: str | None
    reason: str | None
    age_ms: float
    at: datetime


@dataclass(frozen=True, slots=True)
class NodeEnd:
    """A node has ended without a frame: `cancelled` with its run, or `superseded` by another version of the plan.

    `attempt` is the last that was begun, `plan_version` the one that last held the node.
    """

    run_id: str
    tenant_id: str
    correlation_id: str
    plan_version: int
    node_id: str
    kind: str
    capability_id: str | None
    status: str
    attempt: int


@dataclass(frozen=True, slots=True)
class CapabilityChange:
    """A capability has been registered (by itself when it is built in) or taken out of the registry."""

    capability_id: str
    tenant_id: str
    version: str
    status: str
    builtin: bool
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an agent, as it is about to be made."""

    run_id: str
    correlation_id: str | None
    tenant_id: str
    plan_version: int
    node_id: str
    capability_id: str
    attempt: int


@dataclass(slots=True)
class CallEnd:
    """How a call ended, filled in by who made it; `outcome` stays `lost` when nobody lived to say.

    `usage` is {promptTokens, completionTokens, cost}.
    """

    outcome: str = "lost"
    provider: str | None = None
    model: str | None = None
    usage: Mapping[str, float] = field(default_factory=dict)
