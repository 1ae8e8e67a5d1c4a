"""The nodes that no capability does: branch, routing, transformation, and the question to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.assembly.draft import Draft, facet_schema, provenance_of
from planner.assembly.layout import JOIN, Step
from planner.assembly.promises import joined_promise, promised
from planner.assembly.reasons import takes
from planner.assembly.substitutes import Ask
from planner.assembly.transforms import fit_transform, join_transform, output_transform
from planner.contracts.capabilities import Capability
from planner.plan.graph import Node, NodeContract
from planner.plan.identity import Identity

OPTIONS = ("supply", "choose", "stop")
"""What a person may answer to a fallback node: supply the value, choose the best candidate anyway, or stop the run."""


def branch_node(identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    branches = draft.branches
    labels = branches.labels if branches else ()
    members = [[ids[s.name] for s in draft.sight.steps if s.branch == index] for index in range(len(labels))]
    told = [{"label": label, "nodeIds": nodes} for label, nodes in zip(labels, members, strict=True)]
    reason = branches.reason if branches else ""
    why = {
        "variant_count": f"{len(labels)} variants are asked for: {len(labels)} branches make one each, side by side.",
        "directive": f"policies.planner.directives.branches names {len(labels)} branches, which run side by side.",
        "upstream_output": f"An upstream node returned {len(labels)} directions: a branch follows each, side by side.",
    }
    return Node(
        identity=identity,
        kind="branch",
        label=f"Branch into {len(labels)}",
        rationale=(why[reason],),
        executor_type="virtual",
        metadata={"stage": "branch", "reason": reason, "branches": told},
    )


def routing_node(identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    routing = draft.request.routing
    ways = routing.ways if routing else ()
    otherwise = "the plan is made anew" if routing is None or routing.else_to is None else f"{routing.else_to} is taken"
    why = f"Takes the first of {', '.join(ways)} whose condition holds; where none does, {otherwise}."
    return Node(
        identity=identity,
        kind="routing",
        label=f"Choose one of {len(ways)} ways",
        rationale=(why,),
        executor_type="virtual",
        routing=None if routing is None else routing.as_json(ids),
        metadata={"stage": "routing", "askedBy": ["/policies/planner/directives/routing"]},
    )


def transformation_node(step: Step, identity: Identity, draft: Draft, ids: Mapping[str, str]) -> Node:
    request, sight = draft.request, draft.sight
    contract, makes = request.contract, step.facets
    provenance = provenance_of(step.facets, request, "output")
    if step.name == JOIN:
        transform = join_transform(step, sight, request, ids)
        made, label, why = joined_promise(step, draft), "Join the branches", _why_join(step)
        sources = sorted({ids[s.name] for s in sight.steps if step.name in s.after})
    elif step.fit is not None:
        transform = fit_transform(step.fit, step, sight, ids)
        asked = [t for t in draft.choice.targets if t.facet == step.fit.facet]
        made, _ = promised(facet_schema(step.facets, request), asked, step, draft.branches, request)
        sources = list(step.fit.sources)
        label, why = f"Fit {step.fit.facet}", _why_fit(step)
    else:
        transform = output_transform(step, draft.choice.targets, sight, request, draft.branches, ids)
        made = contract.schema if contract.schema is not None else facet_schema(step.facets, request)
        label, why = "Compose the result", f"Fits {', '.join(step.facets)} to the caller's contract."
        sources, makes, provenance = ["/outputContract"], (), []
    return Node(
        identity=identity,
        kind="transformation",
        label=label,
        input_facets=step.facets,
        output_facets=makes,
        input_schema=_arriving_schema(step, draft),
        output_schema=made,
        provenance={"input": provenance_of(step.facets, request, "input"), "output": provenance},
        derived=True,
        rationale=(why,),
        branch=draft.label(step),
        executor_type="virtual",
        transform=transform,
        metadata={"stage": "transformation", "askedBy": sources, "changes": list(step.facets)},
    )


def fallback_node(capability: Capability, ask: Ask, identity: Identity, draft: Draft) -> Node:
    request = draft.request
    asked = [t for t in draft.choice.targets if t.facet in ask.facets]
    step = next(s for s in draft.sight.steps if s.capability is capability)
    schema, sources = promised(facet_schema(ask.facets, request), asked, step, None, request)
    return Node(
        identity=identity,
        kind="fallback",
        label=f"Ask a person for {', '.join(ask.facets)}",
        input_facets=takes(step),
        output_facets=ask.facets,
        input_schema=facet_schema(takes(step), request),
        output_schema=schema,
        provenance={
            "input": provenance_of(takes(step), request, "input"),
            "output": provenance_of(ask.facets, request, "output"),
        },
        contract=NodeContract(1, "hitl"),
        rationale=(_why_ask(ask),),
        score=ask.best.as_json() if ask.best else {},
        executor_type="human",
        metadata={
            "stage": "fallback",
            **ask.as_json(),
            "options": [o for o in OPTIONS if o != "choose" or ask.best],
            "askedBy": sources,
        },
    )


def _why_ask(ask: Ask) -> str:
    told = ", ".join(ask.facets)
    if ask.reason == "below_minimum_score" and ask.best:
        return (
            f"The best candidate for {told} is {ask.best.capability_id}; its score {ask.best.total} is below the "
            f"minimum {ask.minimum}."
        )
    return (
        f"No capability {'is registered' if ask.reason == 'empty_registry' else 'covers ' + told}: a person is asked."
    )


def _why_join(step: Step) -> str:
    return f"Makes one value of what the branches made of {', '.join(step.facets)}, for those that come after."


def _why_fit(step: Step) -> str:
    sources = " and ".join(step.fit.sources) if step.fit else ""
    return f"{sources} limits {', '.join(step.facets)}, which the capability before it cannot promise: it is shortened."


def _arriving_schema(step: Step, draft: Draft) -> dict[str, Any]:
    """Return the schema of what a transformation gets: a facet's value, or one per branch with its label."""
    properties = {}
    for facet in step.facets:
        schema = draft.request.catalogue.get(facet).schema
        if draft.sight.branched(facet, step) and step.branch is None:
            entry = {"branch": {"type": ["string", "null"]}, "value": schema}
            schema = {
                "type": "array",
                "items": {"type": "object", "properties": entry, "required": ["branch", "value"]},
            }
        properties[facet] = schema
    return {"type": "object", "properties": properties, "additionalProperties": True}
