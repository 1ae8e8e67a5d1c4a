"""Read what a model answered as a draft of a plan: forgiving in form, strict in what comes out.

Forgiven are a Markdown fence, a wrapping object, unknown keys, nulls for absent members, and facets or reasons written
as one text or as an object. Everything else is named, each fault at its pointer, so that the model can mend it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from planner.assembly.diagnostics import Diagnostic
from planner.plan.graph import NODE_KINDS
from policies.errors import pointer
from policies.strict_json import StrictJSONError, loads

DRAFTED_KINDS = ("structuring", "execution", "transformation", "validation")
"""The kinds that a model is told of; the planner adds the others."""
STATUSES = ("pending", "running", "completed", "awaiting_hitl", "awaiting_human", "error")
"""The statuses that a draft may write. What has been done is known from the run, so they are read and not believed."""
MOST_NODES = 40
MOST_LINES = 8
MOST_CHARACTERS = 500
"""How much of a line of reasons or instructions is kept."""
_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DraftNode:
    """One step of a draft; `at` is its pointer. Facets are what the model believes, not what the registry says."""

    at: str
    stage: str
    kind: str | None = None
    capability_id: str | None = None
    label: str | None = None
    input_facets: tuple[str, ...] = ()
    output_facets: tuple[str, ...] = ()
    rationale: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    status: str = "pending"
    routed: bool = False


@dataclass(frozen=True, slots=True)
class PlanDraft:
    """The steps that a model proposes, in the order in which they would run."""

    nodes: tuple[DraftNode, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """What could be read: `document` is the JSON value, None where the text is none; `draft` only if it is whole."""

    document: Any
    draft: PlanDraft | None
    faults: tuple[Diagnostic, ...] = ()


def draft_schema(capability_ids: Iterable[str]) -> dict[str, Any]:
    """Return the JSON Schema of a draft that chooses among these capabilities."""
    names: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
    lines = {**names, "maxItems": MOST_LINES}
    node = {
        "stage": {"type": "string", "minLength": 1},
        "status": {"type": "string", "enum": ["pending"]},
        "kind": {"type": "string", "enum": list(DRAFTED_KINDS)},
        "capabilityId": {"type": ["string", "null"], "enum": [*capability_ids, None]},
        "label": {"type": "string"},
        "inputFacets": names,
        "outputFacets": names,
        "rationale": lines,
        "instructions": lines,
    }
    item = {
        "type": "object",
        "additionalProperties": False,
        "required": ["stage", "status", "capabilityId"],
        "properties": node,
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["nodes"],
        "properties": {"nodes": {"type": "array", "minItems": 1, "maxItems": MOST_NODES, "items": item}},
    }


def read_draft(text: str) -> Reading:
    """Return the draft in a model's answer, or everything that keeps it from being one."""
    fenced = _FENCE.fullmatch(text)
    try:
        document = loads(fenced[1] if fenced else text)
    except StrictJSONError as error:
        return Reading(None, None, (_fault("draft_not_json", f"The answer is not JSON: {error.message}", "", _ANSWER),))
    listed = _nodes_of(document)
    if listed is None:
        return Reading(document, None, (_fault("draft_malformed", "The draft has no list of nodes.", "", _ANSWER),))
    faults = [*_count_faults(listed)]
    nodes = []
    for index, raw in enumerate(listed[:MOST_NODES]):
        node, found = _read_node(raw, f"/nodes/{index}")
        faults += found
        nodes += [node] if node else []
    return Reading(document, None if faults else PlanDraft(tuple(nodes)), tuple(faults))


_ANSWER = 'Answer with one JSON object {"nodes": [...]} and nothing else.'


def _nodes_of(document: Any) -> list[Any] | None:
    """Return the list of nodes, also where the draft stands inside one more object."""
    if isinstance(document, dict) and "nodes" not in document and len(document) == 1:
        document = next(iter(document.values()))
    listed = document.get("nodes") if isinstance(document, dict) else None
    return listed if isinstance(listed, list) else None


def _count_faults(listed: list[Any]) -> Iterator[Diagnostic]:
    if not listed:
        yield _fault("draft_malformed", "The draft has no nodes.", "/nodes", "Name at least one capability.")
    if len(listed) > MOST_NODES:
        told = f"The draft has {len(listed)} nodes; at most {MOST_NODES} are read."
        yield _fault("draft_too_long", told, "/nodes", "Leave out what the contract does not need.")


def _read_node(raw: Any, at: str) -> tuple[DraftNode | None, list[Diagnostic]]:
    if not isinstance(raw, dict):
        return None, [_fault("draft_malformed", "A node is a JSON object.", at)]
    faults: list[Diagnostic] = []

    def text(key: str, *, required: bool = False, among: tuple[str, ...] = ()) -> str | None:
        value = raw.get(key)
        if value is None and not required:
            return None
        if not isinstance(value, str) or not value.strip():
            faults.append(_fault("draft_malformed", f"{key} is a text of at least one character.", at + pointer(key)))
            return None
        if among and value.strip() not in among:
            told = f"{key} is one of {', '.join(among)}; {_shown(value)} is none."
            faults.append(_fault("draft_malformed", told, at + pointer(key)))
        return value.strip()

    def names(key: str) -> tuple[str, ...]:
        found = _names(raw.get(key))
        if found is None:
            told = f"{key} is a list of facet names, one name, or an object whose keys are names."
            faults.append(_fault("draft_malformed", told, at + pointer(key)))
        return found or ()

    def lines(key: str) -> tuple[str, ...]:
        found = _lines(raw.get(key))
        if found is None:
            faults.append(_fault("draft_malformed", f"{key} is a text or a list of texts.", at + pointer(key)))
        return found or ()

    node = DraftNode(
        at=at,
        stage=(text("stage", required=True) or "")[:120],
        kind=text("kind", among=NODE_KINDS),
        capability_id=text("capabilityId"),
        label=text("label"),
        input_facets=names("inputFacets"),
        output_facets=names("outputFacets"),
        rationale=lines("rationale"),
        instructions=lines("instructions"),
        status=text("status", among=STATUSES) or "pending",
        routed=raw.get("routing") is not None,
    )
    return node, faults


def _names(value: Any) -> tuple[str, ...] | None:
    if isinstance(value, str):
        value = [value]
    if value is None or isinstance(value, dict):
        value = list(value or ())
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return None
    return tuple(dict.fromkeys(name.strip() for name in value))


def _lines(value: Any) -> tuple[str, ...] | None:
    listed = [value] if isinstance(value, str) else value or []
    if not isinstance(listed, list) or not all(isinstance(line, str) for line in listed):
        return None
    kept = [" ".join(line.split())[:MOST_CHARACTERS] for line in listed]
    return tuple(line for line in kept if line)[:MOST_LINES]


def _shown(value: str) -> str:
    """Return a model's word fit for a message: short and quoted."""
    return f"“{' '.join(value.split())[:60]}”"


def _fault(code: str, message: str, at: str, suggestion: str | None = None) -> Diagnostic:
    return Diagnostic(code, message, pointer=at, suggestion=suggestion)
