"""From a stored frame to its log line: which name it has, and which of its facts may be told.

Facts are picked by name, never copied: ids, names, counts and codes. Texts that a person, an agent or a model wrote
(objectives, outputs, messages, questions, notes) have no name here and therefore never reach a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Payload = Mapping[str, Any]
Facts = dict[str, Any]

TOKEN = re.compile(r"[\w.:~\-]{1,120}")
"""What a name or a code looks like; a value that does not look so may be somebody's text."""

NODE_STATUS = {
    "node_start": "running",
    "node_complete": "completed",
    "node_error": "error",
    "node_retry": "retrying",
    "node_skipped": "skipped",
    "hitl_request": "awaiting_hitl",
}
"""The status that a frame gives its node; what ends without a frame (cancelled, superseded) is a `NodeEnd`."""
WARNED = frozenset({"plan_rejected", "node_error", "validation_error"})
"""Types of frames whose line is a warning."""

_NAMES = {
    "start": "flex_run_start",
    "validation_error": "flex_validation_failed",
    "run_resumed": "flex_run_resume_start",
    "complete": "flex_run_complete",
}


def name_of(frame: Mapping[str, Any]) -> str:
    """Return the name of the frame's line."""
    kind, payload = frame["type"], frame.get("payload") or {}
    if kind in {"node_start", "node_complete", "node_error"}:
        return f"flex_{_family(payload)}{kind}"
    if kind == "hitl_resolved" and is_rejection(payload):
        return "flex_hitl_rejection"
    return _NAMES.get(kind, f"flex_{kind}")


def facts_of(frame: Mapping[str, Any], tenant_id: str) -> Facts:
    """Return the facts of the frame's line; those that it does not have are left out."""
    payload = frame.get("payload") or {}
    kind = frame["type"]
    facts = {
        "run_id": frame["runId"],
        "seq": int(frame["id"]),
        "correlation_id": frame["correlationId"],
        "tenant": tenant_id,
        "plan_version": frame["planVersion"],
        "node_id": frame.get("nodeId"),
        "node_status": NODE_STATUS.get(kind) if frame.get("nodeId") else None,
        "capability_id": token(payload.get("capabilityId")),
        "attempt": number(payload.get("attempt")),
        "duration_ms": number(payload.get("durationMs")),
        "facets": _facets(frame, payload),
        "reason": token(payload.get("reason")),
        "policy_id": token(payload.get("policyId")),
        **_usage(payload),
        **_OWN.get(kind, _nothing)(payload),
    }
    return {name: value for name, value in facts.items() if value is not None}


def token(value: Any) -> str | None:
    """Return a value that is a name or a code, None for anything else."""
    return value if isinstance(value, str) and TOKEN.fullmatch(value) else None


def _nothing(_payload: Payload) -> Facts:
    return {}


def _family(payload: Payload) -> str:
    if payload.get("kind") == "routing":
        return "routing_"
    return "virtual_" if payload.get("virtual") else ""


def is_rejection(payload: Payload) -> bool:
    """Tell whether a person's answer to a request was a no."""
    responses = (payload.get("request") or {}).get("responses") or ()
    return any(response.get("responseType") == "rejection" for response in responses)


def _requested(payload: Payload) -> Facts:
    return {
        "phase": token(payload.get("phase")),
        "variant_count": number(payload.get("variantCount")),
        "capabilities": len(payload.get("capabilities") or ()),
    }


def _rejected(payload: Payload) -> Facts:
    codes = [token(one.get("code")) for one in payload.get("diagnostics") or ()]
    return {
        "phase": token(payload.get("phase")),
        "outcome": "rejected",
        "codes": list(dict.fromkeys(code for code in codes if code)),
    }


def _generated(payload: Payload) -> Facts:
    plan = payload.get("plan") or {}
    return {
        "outcome": "generated",
        "nodes": len(plan.get("nodes") or ()),
        "edges": len(plan.get("edges") or ()),
        "choices": _choices(plan.get("nodes") or ()),
    }


def _choices(nodes: Iterable[Payload]) -> list[Facts]:
    """Return who was chosen for each node that somebody works on, with which score, and over whom."""
    return [
        {
            "node_id": node["id"],
            "capability_id": node["capabilityId"],
            "score": node.get("score"),
            "runners_up": [_runner_up(rival) for rival in node.get("runnersUp") or ()],
            "alternatives": list(node.get("alternatives") or ()),
        }
        for node in nodes
        if node.get("capabilityId")
    ]


def _runner_up(rival: Payload) -> Facts:
    return {
        "capability_id": rival.get("capabilityId"),
        "score": rival.get("total"),
        "lost_on": list(rival.get("lostOn") or ()),
    }


def _updated(payload: Payload) -> Facts:
    return {
        "previous_version": number(payload.get("previousVersion")),
        "reason": token((payload.get("trigger") or {}).get("reason")),
        "nodes": len(payload.get("nodes") or ()),
        "choices": _choices(payload.get("nodes") or ()),
    }


def _branch(payload: Payload) -> Facts:
    return {"branches": len(payload.get("branches") or ())}


def _fallback(payload: Payload) -> Facts:
    best = payload.get("best") or {}
    return {"best": token(best.get("capabilityId")), "score": number(best.get("score"))}


def _started(payload: Payload) -> Facts:
    return {"kind": token(payload.get("kind")), "executor": token(payload.get("executorType"))}


def _completed(payload: Payload) -> Facts:
    return {"kind": token(payload.get("kind")), "outcome": "completed"}


def _failed(payload: Payload) -> Facts:
    return {"outcome": "error", "code": token(payload.get("code"))}


def _retry(payload: Payload) -> Facts:
    return {"outcome": "retry", "max_attempts": number(payload.get("maxAttempts"))}


def _invalid(payload: Payload) -> Facts:
    errors = payload.get("errors") or ()
    keywords = dict.fromkeys(word for word in (token(one.get("keyword")) for one in errors) if word)
    return {"scope": token(payload.get("scope")), "errors": len(errors), "codes": list(keywords)}


def _asked(payload: Payload) -> Facts:
    request = payload.get("request") or {}
    shown = request.get("payload") or {}
    return {
        "request_id": token(request.get("id")),
        "kind": token(shown.get("kind")),
        "urgency": token(shown.get("urgency")),
        "capability_id": token(request.get("originAgent")),
    }


def _answered(payload: Payload) -> Facts:
    request = payload.get("request") or {}
    kinds = (token(response.get("responseType")) for response in request.get("responses") or ())
    return {
        **_asked(payload),
        "outcome": "rejected" if is_rejection(payload) else token(request.get("status")),
        "codes": list(dict.fromkeys(kind for kind in kinds if kind)),
    }


def _triggered(payload: Payload) -> Facts:
    return {"action": token(payload.get("action")), "source": token(payload.get("source"))}


def _unmet(payload: Payload) -> Facts:
    return {"failed": len(payload.get("failedGoalConditions") or ()), "limit": number(payload.get("limit"))}


def _resolution(payload: Payload) -> Facts:
    return {"changes": len(payload.get("changes") or ())}


def _noted(payload: Payload) -> Facts:
    return {"severity": token(payload.get("level"))}


def _ended(payload: Payload) -> Facts:
    error = payload.get("error") or {}
    stopped = payload.get("stopped")
    return {
        "outcome": token(payload.get("status")),
        "code": token(error.get("code")),
        "nodes_stopped": None if stopped is None else len(stopped),
    }


_OWN: Mapping[str, Callable[[Payload], Facts]] = {
    "plan_requested": _requested,
    "plan_rejected": _rejected,
    "plan_generated": _generated,
    "plan_updated": _updated,
    "plan_branch": _branch,
    "plan_fallback": _fallback,
    "node_start": _started,
    "node_complete": _completed,
    "node_error": _failed,
    "node_retry": _retry,
    "validation_error": _invalid,
    "policy_triggered": _triggered,
    "goal_condition_failed": _unmet,
    "feedback_resolution": _resolution,
    "hitl_request": _asked,
    "hitl_resolved": _answered,
    "log": _noted,
    "complete": _ended,
}


def _facets(frame: Mapping[str, Any], payload: Payload) -> Any:
    """Return the names of the facets on either side of a node, from whichever place the frame has them in."""
    given = payload.get("facets")
    if isinstance(given, Mapping):
        return {side: tokens(given.get(side) or ()) for side in ("input", "output")}
    provenance = frame.get("facetProvenance")
    if isinstance(provenance, Mapping):
        return {side: tokens(e.get("facet") for e in provenance.get(side) or ()) for side in ("input", "output")}
    return tokens(given) if isinstance(given, list) else None


def tokens(values: Iterable[Any]) -> list[str]:
    """Return those of the values that are names or codes, each once."""
    return list(dict.fromkeys(name for name in map(token, values) if name))


def _usage(payload: Payload) -> Facts:
    usage = payload.get("usage") or {}
    return {
        "prompt_tokens": number(usage.get("promptTokens")),
        "completion_tokens": number(usage.get("completionTokens")),
        "cost": number(usage.get("cost")),
    }


def number(value: Any) -> int | float | None:
    """Return a value that is a number, None for anything else."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
