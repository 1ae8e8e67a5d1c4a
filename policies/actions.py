"""What a policy does when it fires."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policies.errors import Problem
from policies.shape import ObjectReader, shown

# Each type of action with the members that it takes besides `type` and `rationale`.
ACTIONS: dict[str, tuple[str, ...]] = {
    "goto": ("next", "maxAttempts"),
    "replan": (),
    "hitl": ("approveAction", "rejectAction"),
    "fail": ("message",),
    "pause": ("reason",),
    "emit": ("event", "payload"),
    "rewrite": ("maxAttempts", "instructions"),
    "fallback": ("capabilityId",),
}
LEGACY_ACTIONS = {
    "goto_node": "goto",
    "retry_node": "goto",
    "replan_run": "replan",
    "hitl_pause": "hitl",
    "fail_run": "fail",
    "pause_run": "pause",
    "log_only": "emit",
}
# Deeper questions than "approve, then approve, ..." are a mistake; the bound keeps checking them cheap.
MAX_NESTING = 4


@dataclass(frozen=True, slots=True)
class Action:
    """One action; which of the fields count is said by `type` (see `check_action`)."""

    type: str
    rationale: str | None = None
    next: str | None = None
    max_attempts: int | None = None
    message: str | None = None
    reason: str | None = None
    event: str | None = None
    payload: dict[str, Any] | None = None
    instructions: str | None = None
    capability_id: str | None = None
    approve_action: Action | None = None
    reject_action: Action | None = None

    def as_json(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "type": self.type,
            "rationale": self.rationale,
            "next": self.next,
            "maxAttempts": self.max_attempts,
            "message": self.message,
            "reason": self.reason,
            "event": self.event,
            "payload": self.payload,
            "instructions": self.instructions,
            "capabilityId": self.capability_id,
            "approveAction": self.approve_action and self.approve_action.as_json(),
            "rejectAction": self.reject_action and self.reject_action.as_json(),
        }
        return {name: value for name, value in parts.items() if value is not None}


def check_action(raw: Any, at: str, *, problems: list[Problem], depth: int = 0) -> Action | None:
    """Return the action that a JSON value describes; what is wrong is added to `problems`."""
    reader = ObjectReader.of(raw, at, problems)
    if reader is None:
        return None
    kind = _check_type(reader)
    if kind is None:
        return None
    takes = ACTIONS[kind]
    action = Action(
        kind,
        rationale=reader.text("rationale"),
        next=reader.text("next", required=True) if "next" in takes else None,
        max_attempts=reader.integer("maxAttempts", 1) if "maxAttempts" in takes else None,
        message=reader.text("message") if "message" in takes else None,
        reason=reader.text("reason") if "reason" in takes else None,
        event=reader.text("event", required=True) if "event" in takes else None,
        payload=reader.free("payload") if "payload" in takes else None,
        instructions=reader.text("instructions") if "instructions" in takes else None,
        capability_id=reader.text("capabilityId") if "capabilityId" in takes else None,
        approve_action=_check_nested(reader, "approveAction", depth) if "approveAction" in takes else None,
        reject_action=_check_nested(reader, "rejectAction", depth) if "rejectAction" in takes else None,
    )
    reader.close()
    return action


def _check_type(reader: ObjectReader) -> str | None:
    kind = reader.text("type", required=True)
    if kind is None or kind in ACTIONS:
        return kind
    if kind in LEGACY_ACTIONS:
        reader.report("type", f"`{kind}` is an old name; write `{LEGACY_ACTIONS[kind]}`", "legacy_action")
        return None
    listed = ", ".join(ACTIONS)
    reader.report("type", f"{shown(kind)} is not one of: {listed}.{reader.hint(kind, ACTIONS)}", "enum")
    return None


def _check_nested(reader: ObjectReader, key: str, depth: int) -> Action | None:
    if not reader.has(key):
        return None
    if depth >= MAX_NESTING:
        reader.report(key, f"actions may stand in one another at most {MAX_NESTING} deep", "nesting")
        return None
    return check_action(reader.raw[key], reader.place(key), problems=reader.problems, depth=depth + 1)
