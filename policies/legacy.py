"""The old flat keys under `policies`, each converted to what it means today, with a note."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from policies.actions import Action
from policies.errors import Problem, pointer
from policies.policy import RuntimePolicy
from policies.selectors import NODE_KINDS, Selector
from policies.shape import ObjectReader, name_kind
from policies.triggers import Trigger

MAX_VARIANTS = 6
# Stages were free words of an older planner; today's node kinds say the same.
STAGE_KINDS = {
    "strategy": "structuring",
    "planning": "structuring",
    "generation": "execution",
    "writing": "execution",
    "drafting": "execution",
    "qa": "validation",
    "review": "validation",
    **{kind: kind for kind in NODE_KINDS},
}


@dataclass(slots=True)
class Converted:
    """What the old keys amount to: additions to the planner's policy and runtime policies."""

    variant_count: int | None = None
    directives: dict[str, Any] = field(default_factory=dict)
    runtime: list[RuntimePolicy] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)


def convert_legacy(reader: ObjectReader) -> Converted:
    """Read every old key of a `policies` object; a value of the wrong type is reported to the reader."""
    converted = Converted()
    for key, convert in CONVERSIONS.items():
        if reader.has(key):
            convert(reader, key, converted)
            converted.fields.append(key)
    return converted


def _variant_count(reader: ObjectReader, key: str, out: Converted) -> None:
    out.variant_count = reader.integer(key, 1, MAX_VARIANTS)
    out.notes.append(f"policies.{key} was read as policies.planner.topology.variantCount")


def _text_directive(reader: ObjectReader, key: str, out: Converted) -> None:
    value = reader.text(key)
    if value is not None:
        out.directives[key] = value
    out.notes.append(f"policies.{key} was read as the directive policies.planner.directives.{key}")


def _approval(reader: ObjectReader, key: str, out: Converted) -> None:
    out.directives[key] = reader.flag(key, default=False)
    out.notes.append(f"policies.{key} was read as the directive policies.planner.directives.{key}")


def _names(reader: ObjectReader, key: str, out: Converted) -> None:
    out.directives[key] = list(reader.texts(key) or ())
    out.notes.append(f"policies.{key} was read as the directive policies.planner.directives.{key}")


def _free_directive(reader: ObjectReader, key: str, out: Converted) -> None:
    value = reader.free(key)
    if value is not None:
        out.directives[key] = value
    out.notes.append(f"policies.{key} was read as the directive policies.planner.directives.{key}")


def _directives(reader: ObjectReader, key: str, out: Converted) -> None:
    out.directives.update(reader.free(key) or {})
    out.notes.append(f"policies.{key} was read as policies.planner.directives")


def _replan_after(reader: ObjectReader, key: str, out: Converted) -> None:
    value = reader.raw[key]
    entries = value if isinstance(value, list) else [value]
    for index, entry in enumerate(entries):
        at = reader.place(key) + (pointer(index) if isinstance(value, list) else "")
        _add_replan(entry, at, reader.problems, out)
    out.notes.append(f"policies.{key} was read as runtime policies that replan after a node")


def _replan(reader: ObjectReader, key: str, out: Converted) -> None:
    child = reader.child(key)
    if child is not None and child.require("after", "the stage after which to plan again"):
        _replan_after(child, "after", out)
        child.close()


def _add_replan(entry: Any, at: str, problems: list[Problem], out: Converted) -> None:
    """Add the policy of one entry: a stage name, or {stage | capabilityId | nodeId | kind, reason?}."""
    if isinstance(entry, str) and entry.strip():
        _append(out, "stage", entry, Selector(**_stage_parts(entry)), None, at)
        return
    if not isinstance(entry, dict):
        problems.append(Problem(at, f"must be the name of a stage or an object, not {name_kind(entry)}", "type"))
        return
    reader = ObjectReader(entry, at, problems)
    parts = {name: reader.text(name) for name in ("stage", "capabilityId", "nodeId")}
    kind = reader.choice("kind", NODE_KINDS)
    reason = reader.text("reason")
    reader.close()
    given = {name: value for name, value in {**parts, "kind": kind}.items() if value is not None}
    if not given:
        if not entry.keys() & {*parts, "kind"}:
            problems.append(Problem(at, "needs `stage`, `capabilityId`, `nodeId` or `kind`", "required"))
        return
    selected: dict[str, str] = _stage_parts(given["stage"]) if "stage" in given else {}
    for member, name in (("capability_id", "capabilityId"), ("node_id", "nodeId"), ("kind", "kind")):
        if name in given:
            selected[member] = given[name]
    first = next(iter(given))
    _append(out, first, given[first], Selector(**selected), reason, at)


def _stage_parts(stage: str) -> dict[str, str]:
    """Return the selector's parts for a stage: its node kind, or a tag when the word is no known stage."""
    kind = STAGE_KINDS.get(stage.strip().lower())
    return {"kind": kind} if kind else {"tag": stage.strip()}


def _append(out: Converted, kind: str, value: str, selector: Selector, reason: str | None, at: str) -> None:
    taken = {policy.id for policy in out.runtime}
    base = policy_id = f"legacy_{kind}_{value}"
    ordinal = 2
    while policy_id in taken:
        policy_id, ordinal = f"{base}_{ordinal}", ordinal + 1
    trigger = Trigger("onNodeComplete", selector=selector)
    out.runtime.append(
        RuntimePolicy(policy_id, enabled=True, trigger=trigger, action=Action("replan", rationale=reason), source=at)
    )


CONVERSIONS: dict[str, Callable[[ObjectReader, str, Converted], None]] = {
    "variantCount": _variant_count,
    "brandVoice": _text_directive,
    "persona": _text_directive,
    "requiresHitlApproval": _approval,
    "hitlRequiredFor": _names,
    "qa": _free_directive,
    "plannerDirectives": _directives,
    "replanAfter": _replan_after,
    "triggerReplanAfter": _replan_after,
    "policyTriggers": _replan_after,
    "replan": _replan,
}
