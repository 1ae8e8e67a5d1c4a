"""What a caller may ask of planning and of a run, checked and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from policies.actions import Action
from policies.selectors import Selector
from policies.triggers import Trigger


@dataclass(frozen=True, slots=True)
class PlannerPolicy:
    """What the plan should look like. A list that is None was not given; an empty one was given empty."""

    variant_count: int | None = None
    max_depth: int | None = None
    required_kinds: tuple[str, ...] | None = None
    forbidden_kinds: tuple[str, ...] | None = None
    require: tuple[str, ...] | None = None
    forbid: tuple[str, ...] | None = None
    prefer: tuple[str, ...] | None = None
    avoid: tuple[str, ...] | None = None
    objective: str | None = None
    max_tokens: int | None = None
    directives: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        groups: dict[str, dict[str, Any]] = {
            "topology": {
                "variantCount": self.variant_count,
                "maxDepth": self.max_depth,
                "requiredKinds": self.required_kinds,
                "forbiddenKinds": self.forbidden_kinds,
            },
            "selection": {"require": self.require, "forbid": self.forbid, "prefer": self.prefer, "avoid": self.avoid},
            "optimisation": {"objective": self.objective, "maxTokens": self.max_tokens},
            "directives": self.directives,
        }
        given = {name: _given(members) for name, members in groups.items()}
        return {name: members for name, members in given.items() if members}


@dataclass(frozen=True, slots=True)
class RuntimePolicy:
    """When this happens (to these nodes, on this condition), do that. `source` is its pointer in the envelope."""

    id: str
    enabled: bool
    trigger: Trigger
    action: Action
    exceptions: tuple[Selector, ...] = ()
    source: str = ""

    def as_json(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": self.id,
            "enabled": self.enabled,
            "trigger": self.trigger.as_json(),
            "action": self.action.as_json(),
        }
        return {**body, "except": [s.as_json() for s in self.exceptions]} if self.exceptions else body


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies of an envelope.

    `plain` holds the plain forms (`quality`, `retries`, `latency`, `channels`) as they were written; `legacy_fields`
    names the old flat keys that were converted, `notes` says into what.
    """

    planner: PlannerPolicy = field(default_factory=PlannerPolicy)
    runtime: tuple[RuntimePolicy, ...] = ()
    plain: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    legacy_fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the canonical form: planner, runtime and the plain forms, old keys converted."""
        return {"planner": self.planner.as_json(), "runtime": [p.as_json() for p in self.runtime], **self.plain}


def _given(members: dict[str, Any]) -> dict[str, Any]:
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in members.items()}
    return {name: value for name, value in listed.items() if value is not None}
