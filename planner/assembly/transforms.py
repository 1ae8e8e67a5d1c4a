"""Write the transformations of a plan: joins of what branches made, and the composition of the result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.assembly.branches import Branches
from planner.assembly.layout import Step
from planner.assembly.limits import Fit, fitting_expression
from planner.assembly.request import PlanRequest
from planner.assembly.sight import Sight
from planner.assembly.targets import Target, is_list_facet
from planner.contracts.mapping import expression, facet_expression
from policies.errors import pointer


def join_transform(step: Step, sight: Sight, request: PlanRequest, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the transformation that gathers what branches made: lists are put end to end, of others one is kept."""
    return {
        "engine": "jmespath",
        "properties": {f: _facet_expression(f, request, branched=sight.branched(f, step)) for f in step.facets},
        "omitNull": True,
        "provenance": {
            pointer(facet): {
                "facet": facet,
                "key": facet,
                "nodeIds": [ids[maker.name] for maker in sight.makers(facet, step)],
                "required": False,
            }
            for facet in step.facets
        },
    }


def fit_transform(fit: Fit, step: Step, sight: Sight, ids: Mapping[str, str]) -> dict[str, Any]:
    """Return the transformation that shortens a facet's texts to the limits that its maker cannot promise."""
    makers = [ids[maker.name] for maker in sight.makers(fit.facet, step)]
    return {
        "engine": "jmespath",
        "properties": {fit.facet: fitting_expression(fit)},
        "omitNull": True,
        "provenance": {
            pointer(fit.facet): {"facet": fit.facet, "key": fit.facet, "nodeIds": makers, "required": False}
        },
    }


def output_transform(
    step: Step,
    targets: tuple[Target, ...],
    sight: Sight,
    request: PlanRequest,
    branches: Branches | None,
    ids: Mapping[str, str],
) -> dict[str, Any]:
    """Return the transformation that composes the caller's result, with who made each part of it."""
    written = {
        _key(t, request): _target_expression(t, request, branched=sight.branched(t.facet, step)) for t in targets
    }
    return {
        "engine": "jmespath",
        **({"expression": written[None]} if None in written else {"properties": written}),
        "omitNull": True,
        "provenance": {_at(t, request): _source(t, sight, request, branches, ids) for t in targets},
    }


def _source(
    target: Target, sight: Sight, request: PlanRequest, branches: Branches | None, ids: Mapping[str, str]
) -> dict[str, Any]:
    makers = sight.origins(target.facet)
    source: dict[str, Any] = {
        "facet": target.facet,
        "key": _key(target, request),
        "nodeIds": [ids[maker.name] for maker in makers],
        "required": target.required and target.place is not None,
    }
    if branches is not None and len(makers) > 1:
        source["items"] = [1] * len(makers) if target.collected else list(branches.items)
    return source


def _target_expression(target: Target, request: PlanRequest, *, branched: bool) -> str:
    if target.place is None or target.candidate is None:
        return _facet_expression(target.facet, request, branched=branched)
    return expression(target.place, target.candidate, branched=branched)


def _facet_expression(facet: str, request: PlanRequest, *, branched: bool) -> str:
    return facet_expression(facet, is_list=is_list_facet(request, facet), branched=branched)


def _key(target: Target, request: PlanRequest) -> str | None:
    """Return the property of the result that the target fills, None when it is the whole result."""
    if target.place is not None:
        return target.place.key
    return None if request.contract.mode == "freeform" else target.facet


def _at(target: Target, request: PlanRequest) -> str:
    key = _key(target, request)
    return "" if key is None else pointer(key)
