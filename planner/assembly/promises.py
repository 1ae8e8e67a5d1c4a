"""What a node promises: its facets' schemas, held to its registration, to the contract and to the channel's rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from planner.assembly.branches import Branches
from planner.assembly.draft import Draft, facet_schema
from planner.assembly.layout import Step
from planner.assembly.limits import Demand, demands_on
from planner.assembly.request import PlanRequest
from planner.assembly.targets import Target, is_list_facet
from planner.contracts.capabilities import Capability
from planner.contracts.compiler import UnsatisfiableError, compile_contract, conjoin
from planner.contracts.unions import end_to_end


def own_schema(capability: Capability, compiled: dict[str, Any]) -> dict[str, Any]:
    """Return the compiled schema, held to what the capability's own registration promises beyond it."""
    own = capability.output_schema
    if not own or own == compiled:
        return compiled
    return conjoin(compiled, own)  # type: ignore[no-any-return]  # two object schemas make one


def promised(
    schema: dict[str, Any], asked: Iterable[Target], step: Step, branches: Branches | None, request: PlanRequest
) -> tuple[dict[str, Any], list[str]]:
    """Return the output schema strengthened by what is asked of each target facet, and who asked.

    A demand that the schema excludes is left out: a node behind this one makes the value fit, or the proof of the plan
    says that nothing does.
    """
    properties, required = dict(schema["properties"]), list(schema.get("required", ()))
    sources: list[str] = []
    for target in asked:
        key = request.catalogue.get(target.facet).property_key
        for demand in step_demands(target, step, branches, request):
            try:
                properties[key] = conjoin(properties[key], demand.schema)
            except UnsatisfiableError:
                continue
            sources.append(demand.source)
        required += [key] if key not in required else []
    return {**schema, "properties": properties, "required": required}, list(dict.fromkeys(sources))


def promise_of(step: Step, draft: Draft) -> tuple[dict[str, Any], list[str]]:
    """Return what a capability's step promises to make, and who asked for more than its facets say."""
    capability = step.capability
    if capability is None:
        return facet_schema(step.facets, draft.request), []
    compiled = compile_contract(draft.request.catalogue, capability.output_facets, "output").schema
    return promised(own_schema(capability, compiled), draft.asked_of(step), step, draft.branches, draft.request)


def joined_promise(step: Step, draft: Draft) -> dict[str, Any]:
    """Return what a join makes of what its branches promise: lists end to end, of others the first one's value."""
    schema = facet_schema(step.facets, draft.request)
    for facet in step.facets:
        key = draft.request.catalogue.get(facet).property_key
        makers = draft.sight.makers(facet, step)
        made = [promise_of(maker, draft)[0]["properties"].get(key, schema["properties"][facet]) for maker in makers]
        schema["properties"][facet] = end_to_end(made) if is_list_facet(draft.request, facet) else made[0]
    return schema


def step_demands(target: Target, step: Step, branches: Branches | None, request: PlanRequest) -> Iterable[Demand]:
    """Yield what is asked of a step's value of the target's facet: of a branch, its share."""
    return demands_on(target, request, _share(target, step, branches))


def _share(target: Target, step: Step, branches: Branches | None) -> dict[str, Any]:
    if branches is None or step.branch is None or not target.branchable:
        return target.demand()
    if target.facet != branches.target.facet:
        return {} if target.place is None else target.demand()
    return target.demand(items=branches.items[step.branch], start=branches.start(step.branch))
