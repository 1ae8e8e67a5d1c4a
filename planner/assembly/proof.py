"""Prove that a plan fits: along every edge, against the limits on its texts, and against the caller's contract.

The schema of the result is worked out from what the nodes promise and from how the targets are lifted into their
places, and is then shown to be contained in the caller's schema. What is given is known exactly, so it counts as its
own value. Where containment cannot be decided, the plan stands and the place is checked when it runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planner.assembly.case import Case, at_node, latest, part
from planner.assembly.diagnostics import Diagnostic
from planner.assembly.limits import channel_demand
from planner.assembly.targets import Target
from planner.contracts.containment import Containment, contained
from planner.contracts.mapping import projection
from planner.contracts.shapes import merged
from planner.contracts.unions import either, end_to_end
from planner.plan.graph import Node

UNPROVED = "unproved_"
"""What the codes of that begin with which is left to a check at run time; the side of the node follows."""


def inputs_fit(case: Case) -> Iterator[Diagnostic]:
    """Check that whatever a node makes of a facet is something that the next one takes."""
    for node in case.plan.nodes:
        for facet in (*node.input_facets, *node.optional_input_facets):
            wanted = (
                case.request.catalogue.get(facet).schema if node.transform else part(case, node.input_schema, facet)
            )
            for maker in latest(case.plan, facet, case.plan.ancestors(node.id)):
                verdict = _holds(part(case, case.plan.node(maker).output_schema, facet), wanted)
                if verdict.verdict == "refuted":
                    told = f"{maker} may make {facet} in a form that it refuses: {verdict.reason}"
                    yield at_node(node, "schema_incompatible", told, facet, details=_details(verdict))
                elif verdict.verdict == "unknown":
                    yield _unproved(
                        node, "input", facet, wanted, verdict, f"that what {maker} makes of {facet} is what it takes"
                    )


def promises_kept(case: Case) -> Iterator[Diagnostic]:
    """Check that what a node promises to make of a facet is a value of that facet, and that it promises to make it."""
    for node in case.plan.nodes:
        for facet in node.output_facets:
            known = case.request.catalogue.get(facet)
            verdict = _holds(part(case, node.output_schema, facet), known.schema)
            if verdict.verdict == "refuted":
                told = f"it may make {facet} in a form that is none of the facet: {verdict.reason}"
                yield at_node(node, "promise_too_weak", told, facet, details=_details(verdict))
            elif verdict.verdict == "unknown":
                yield _unproved(
                    node, "output", facet, known.schema, verdict, f"that what it makes is a value of {facet}"
                )
            if known.required_by_default and not {known.property_key, facet} & set(
                node.output_schema.get("required", ())
            ):
                yield at_node(node, "promise_too_weak", f"it does not promise to make {facet} at all", facet)


def limits_kept(case: Case) -> Iterator[Diagnostic]:
    """Check that the text of the result keeps to the rule of its channel."""
    for target in case.targets:
        demand = channel_demand(target.facet, case.request) if target.produced else None
        for maker in _final_makers(case, target.facet) if demand else ():
            verdict = _holds(part(case, maker.output_schema, target.facet), demand.schema if demand else {})
            source = demand.source if demand else ""
            if verdict.verdict == "refuted":
                told = f"nothing keeps {target.facet} within what {source} allows: {verdict.reason}"
                yield at_node(maker, "limit_not_kept", told, target.facet, details=_details(verdict))
            elif verdict.verdict == "unknown":
                schema = demand.schema if demand else {}
                yield _unproved(maker, "limit", target.facet, schema, verdict, f"that it keeps to {source}")


def contract_met(case: Case) -> Iterator[Diagnostic]:
    """Check that whatever the nodes make, the result satisfies the caller's schema."""
    wanted = case.request.contract.schema
    output = case.plan.find(case.plan.metadata["output"]["nodeId"] or "")
    if wanted is None or output is None:
        return
    verdict = _holds(result_schema(case), wanted)
    if verdict.verdict == "refuted":
        yield Diagnostic(
            "contract_not_met",
            f"What the nodes promise does not make sure that the result satisfies the contract: {verdict.reason}.",
            node_stage=output.id,
            pointer="/outputContract/schema",
            suggestion="Loosen the contract there, or register a capability (or a transformation) that promises it.",
            details=_details(verdict),
        )
    elif verdict.verdict == "unknown":
        yield _unproved(output, "result", None, wanted, verdict, "that the result satisfies the contract")


def result_schema(case: Case) -> dict[str, Any]:
    """Return a schema that every result of the plan satisfies."""
    placed = {target.place.key if target.place else target.facet: target for target in case.targets}
    if None in placed:
        return _as_object(_placed_schema(case, placed[None]))
    return {
        "type": "object",
        "properties": {str(key): _placed_schema(case, target) for key, target in placed.items()},
        "required": [str(key) for key, target in placed.items() if target.required],
        "additionalProperties": False,
    }


def _placed_schema(case: Case, target: Target) -> Any:
    if not target.produced:
        values = [{"const": case.request.given[target.facet]}]
    else:
        values = [part(case, maker.output_schema, target.facet) for maker in _final_makers(case, target.facet)]
    branched = any(maker.branch is not None for maker in _final_makers(case, target.facet))
    form = target.candidate.form if target.candidate else "whole"
    if form in {"items", "collect"}:
        return _list_of(values, target, branched=branched, lists=form == "items")
    made = either(values[:1] if branched else values)
    if form == "item":
        made = _item_of(made)
    if form == "member" and target.candidate:
        made = merged(made).get("properties", {}).get(target.candidate.member, {})
    return _picked(made, target, of_items=False)


def _list_of(values: Sequence[Any], target: Target, *, branched: bool, lists: bool) -> Any:
    """Return the schema of the list that the values are put end to end, or gathered, into."""
    if lists and not branched:
        whole = either(values)
        flat = merged(whole)
        return whole if "items" not in flat else {**flat, "items": _picked(flat["items"], target, of_items=True)}
    if not lists:
        item = _picked(either(values), target, of_items=True)
        count = len(values) if branched else 1
        return {"type": "array", "minItems": count, "maxItems": count, "items": item}
    made = end_to_end(values)
    return {**made, "items": _picked(made["items"], target, of_items=True)}


def _picked(schema: Any, target: Target, *, of_items: bool) -> Any:
    """Return the schema of what is left of an object when only the members that the place names are picked."""
    place = merged(target.place.schema) if target.place else {}
    names = projection(place.get("items", {}) if of_items else place)
    flat = merged(schema)
    if names is None or flat.get("type") != "object":
        if names is not None and isinstance(schema, dict) and "anyOf" in schema:
            return {"anyOf": [_picked(entry, target, of_items=of_items) for entry in schema["anyOf"]]}
        return schema
    there = flat.get("properties", {})
    return {
        "type": "object",
        "properties": {name: there.get(name, True) for name in names},
        "required": [name for name in flat.get("required", ()) if name in names],
        "additionalProperties": False,
    }


def _item_of(schema: Any) -> Any:
    flat = merged(schema)
    item = flat.get("prefixItems", [flat.get("items", {})])[0]
    # The first item of an empty list is null.
    return item if flat.get("minItems", 0) >= 1 else {"anyOf": [item, {"type": "null"}]}


def _final_makers(case: Case, facet: str) -> list[Node]:
    """Return the nodes whose values of the facet the result is composed of, in the order of their branches."""
    output = case.plan.find(case.plan.metadata["output"]["nodeId"] or "")
    among = case.plan.order if output is None else case.plan.ancestors(output.id)
    return [case.plan.node(node_id) for node_id in latest(case.plan, facet, among)]


def _holds(ours: Any, theirs: Any) -> Containment:
    return Containment("proved") if ours == theirs else contained(ours, theirs)


def _details(verdict: Containment) -> Mapping[str, Any]:
    return verdict.as_json()


def _unproved(node: Node, side: str, facet: str | None, schema: Any, verdict: Containment, what: str) -> Diagnostic:
    """Return what is not decided of one side of a node: the schema that the facet's value is held against when it runs.

    A limit is one on what the node makes; the result is held against the contract in any case.
    """
    return Diagnostic(
        UNPROVED + side,
        f"{node.id}: it is not decided {what} ({verdict.reason}); it is checked when the plan runs.",
        severity="info",
        node_stage=node.id,
        facet=facet,
        pointer=verdict.pointer,
        details={"schema": schema},
    )


def _as_object(schema: Any) -> dict[str, Any]:
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}
