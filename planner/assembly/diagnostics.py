"""What is wrong with a plan or stands in its way, merged, sorted into buckets and weighed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from planner.errors import PlannerError
from policies import strict_json

Severity = Literal["error", "warning", "info"]
"""What is broken hard, soft, or told for information."""
Status = Literal["unsatisfied", "unknown"]
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
_WEIGHT: dict[Severity, float] = {"error": 1.0, "warning": 0.5, "info": 0.0}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a plan: what (`code`, `message`), where (node, capability, facet, pointer), and what to do."""

    code: str
    message: str
    severity: Severity = "error"
    node_stage: str | None = None
    capability_id: str | None = None
    facet: str | None = None
    pointer: str | None = None
    suggestion: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    constraint_id: str | None = None
    constraint: Any = None
    cause: str | None = None
    status: Status = "unsatisfied"
    """Of a constraint: broken, or not known before the run."""

    def as_json(self) -> dict[str, Any]:
        body = {
            "code": self.code,
            "message": self.message,
            "severity": self.severity,
            "nodeStage": self.node_stage,
            "capabilityId": self.capability_id,
            "facet": self.facet,
            "pointer": self.pointer,
            "suggestion": self.suggestion,
            "details": dict(self.details) or None,
            "constraintId": self.constraint_id,
            "constraint": self.constraint,
            "cause": self.cause,
            "status": self.status if self.cause else None,
        }
        return {key: value for key, value in body.items() if value is not None}

    @property
    def place(self) -> tuple[str, ...]:
        """What two findings share when they are one.

        For constraints that is the constraint, the node (`*` for none) and the cause; for all others code, node,
        capability, facet and pointer.
        """
        if self.cause is not None:
            name = self.constraint_id or strict_json.fingerprint(self.constraint)
            return ("", name, self.node_stage or "*", self.cause)
        return (
            self.code,
            self.node_stage or "",
            self.capability_id or "",
            self.facet or "",
            self.pointer if self.pointer is not None else "-",
        )


class PlanRejectedError(PlannerError):
    """No plan can be made; every diagnostic says what is missing and why."""

    code = "no_plan"

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = merge(diagnostics)
        failures = [d.message for d in self.diagnostics if d.severity == "error"]
        super().__init__(" ".join(failures[:5]) or None)


def merge(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Return each finding once: the gravest severity, all distinct suggestions, gravest first and then by place."""
    found: dict[tuple[str, ...], Diagnostic] = {}
    for item in diagnostics:
        known = found.get(item.place)
        found[item.place] = item if known is None else _joined(known, item)
    return tuple(sorted(found.values(), key=lambda d: (_ORDER[d.severity], d.place, d.message)))


def report(diagnostics: Iterable[Diagnostic]) -> dict[str, Any]:
    """Return {failures, warnings, infos, satisfactionScore} as clients see it."""
    merged = merge(diagnostics)
    return {
        "failures": [d.as_json() for d in merged if d.severity == "error"],
        "warnings": [d.as_json() for d in merged if d.severity == "warning"],
        "infos": [d.as_json() for d in merged if d.severity == "info"],
        "satisfactionScore": 0.0 if any(d.severity == "error" for d in merged) else satisfaction(merged, checks=1),
    }


def report_on(told: Iterable[Mapping[str, Any]], score: float) -> dict[str, Any]:
    """Return the same report of findings that a plan's metadata hold."""
    found = list(told)
    buckets = {"failures": "error", "warnings": "warning", "infos": "info"}
    return {
        **{name: [d for d in found if d["severity"] == severity] for name, severity in buckets.items()},
        "satisfactionScore": score,
    }


def status_of(diagnostics: Iterable[Diagnostic]) -> Literal["accepted", "accepted_with_findings", "rejected"]:
    """Return the verdict: what is hard and broken rejects; what is soft, or about a constraint, is a finding."""
    found = list(diagnostics)
    if any(d.severity == "error" and d.status == "unsatisfied" for d in found):
        return "rejected"
    told = any(d.severity == "warning" or d.cause is not None for d in found)
    return "accepted_with_findings" if told else "accepted"


def satisfaction(diagnostics: Iterable[Diagnostic], *, checks: int, constraints: Iterable[str] = ()) -> float:
    """Return the weighed share of what holds, 0 to 1: hard checks and constraints count 1, soft ones a half.

    `checks` is how many hard checks were made, `constraints` the levels of the contract's constraints; of both the
    findings say what does not hold. Informational ones count nothing.
    """
    found = [d for d in diagnostics if d.status == "unsatisfied"]
    broken = {level: sum(1 for d in found if d.severity == level) for level in _WEIGHT}
    levels = list(constraints)
    hard = max(checks + levels.count("hard"), broken["error"])
    soft = max(levels.count("soft"), broken["warning"])
    total = hard * _WEIGHT["error"] + soft * _WEIGHT["warning"]
    lost = broken["error"] * _WEIGHT["error"] + broken["warning"] * _WEIGHT["warning"]
    return round((total - lost) / total, 4) if total else 1.0


def _joined(known: Diagnostic, other: Diagnostic) -> Diagnostic:
    graver = min(known, other, key=lambda d: _ORDER[d.severity])
    texts = dict.fromkeys(line for d in (known, other) if d.suggestion for line in d.suggestion.split("\n"))
    return replace(graver, suggestion="\n".join(texts) or None)
