"""Say why a facet cannot be had: nobody makes it, who makes it may not be chosen, or what they need is missing."""

from __future__ import annotations

from collections.abc import Iterable

from planner.assembly.diagnostics import Diagnostic
from planner.assembly.index import RegistryIndex
from planner.assembly.request import PlanRequest, refusal_of
from planner.assembly.scoring import Score
from planner.contracts.capabilities import Capability

REFUSALS = {
    "inactive": (
        "producer_inactive",
        "is inactive: its heartbeat ran out or it was withdrawn",
        "Register it again, or send its heartbeat.",
    ),
    "human": (
        "producer_human",
        "is done by a person, and people are not given work yet",
        "Register an AI capability that produces it.",
    ),
    "routing": (
        "producer_routing",
        "is of kind routing, which decides between ways and makes no results",
        "Register a producer of another kind.",
    ),
    "forbidden": (
        "producer_forbidden",
        "is forbidden by policies.planner.selection.forbid",
        "Take it off the list, or register another producer.",
    ),
    "forbidden_kind": (
        "producer_forbidden",
        "is of a kind that policies.planner.topology.forbiddenKinds rules out",
        "Allow the kind, or register another producer.",
    ),
}


def explain_missing(
    facet: str, pointer: str, index: RegistryIndex, request: PlanRequest, reached: frozenset[str]
) -> tuple[Diagnostic, ...]:
    """Return one diagnostic for each reason why `facet` cannot be produced; `reached` is all that can be had."""
    producers = index.makers.get(facet, ())
    if not producers:
        return (
            Diagnostic(
                "no_producer",
                f"No registered capability produces the facet {facet}.",
                facet=facet,
                pointer=pointer,
                suggestion=f"Register a capability with {facet} among its outputFacets.",
            ),
        )
    return tuple(_why_not(facet, pointer, producer, index, request, reached) for producer in producers)


def explain_pin(
    capability_id: str, place: int, index: RegistryIndex, request: PlanRequest, reached: frozenset[str]
) -> Diagnostic:
    """Return why a required capability cannot be part of any plan."""
    required = place < len(dict.fromkeys(request.policy.require or ()))
    pointer = f"/policies/planner/selection/require/{place}" if required else "/policies/planner/directives/routing"
    found = index.registry.get(capability_id)
    if found is None:
        return Diagnostic(
            "pinned_capability_unknown",
            f"The required capability {capability_id} is not registered.",
            capability_id=capability_id,
            pointer=pointer,
            suggestion="Name a registered capability (GET /api/v1/flex/capabilities), or leave it out.",
        )
    if refusal := refusal_of(found, request):
        _, why, remedy = REFUSALS[refusal]
        message = f"The required capability {capability_id} {why}."
        return Diagnostic(
            "pinned_capability_refused", message, capability_id=capability_id, pointer=pointer, suggestion=remedy
        )
    lacking = _lacking(found, reached)
    return Diagnostic(
        "pinned_capability_unreachable",
        f"The required capability {capability_id} cannot run: nothing gives it {_listed(lacking)}.",
        capability_id=capability_id,
        facet=lacking[0] if lacking else None,
        pointer=pointer,
        suggestion=f"Supply {_listed(lacking)} in inputs, or leave the capability out.",
    )


def explain_named(capability_id: str, index: RegistryIndex) -> Diagnostic:
    """Return the warning that a runtime policy names a capability which no plan of this request can hold."""
    known = index.registry.get(capability_id) is not None
    return Diagnostic(
        "policy_capability_unreachable" if known else "policy_capability_unknown",
        f"A runtime policy speaks of {capability_id}, which "
        + ("cannot be part of this plan." if known else "is not registered."),
        severity="warning",
        capability_id=capability_id,
        pointer="/policies/runtime",
        suggestion="Correct the selector, or leave the policy out: it cannot match.",
    )


def explain_minimum(found: Iterable[Score], request: PlanRequest) -> tuple[Diagnostic, ...]:
    """Return one diagnostic for each candidate whose score is too low, without which there is no plan."""
    least = request.wish.minimum
    told = tuple(
        Diagnostic(
            "below_minimum_score",
            f"{s.capability_id} is the best candidate for what only it can make; its score {s.total} is below the "
            f"minimum {least}.",
            capability_id=s.capability_id,
            pointer="/policies/planner",
            suggestion="Register a better fitting capability, prefer this one, or lower directives.minimumScore.",
        )
        for s in found
    )
    return told or (
        Diagnostic(
            "no_combination",
            "Every facet can be produced, but no choice of capabilities produces them all.",
            pointer="/outputContract",
        ),
    )


def _why_not(
    facet: str,
    pointer: str,
    producer: Capability,
    index: RegistryIndex,
    request: PlanRequest,
    reached: frozenset[str],
) -> Diagnostic:
    name = producer.capability_id
    if refusal := refusal_of(producer, request):
        code, why, remedy = REFUSALS[refusal]
        message = f"{name} would produce the facet {facet}, but {why}."
        return Diagnostic(code, message, capability_id=name, facet=facet, pointer=pointer, suggestion=remedy)
    lacking = _lacking(producer, reached)
    causes = "; ".join(_cause(missing, index, request) for missing in lacking)
    return Diagnostic(
        "missing_inputs",
        f"{name} would produce the facet {facet}, but it needs {_listed(lacking)}: {causes}.",
        capability_id=name,
        facet=facet,
        pointer=pointer,
        suggestion=f"Supply {_listed(lacking)} in inputs.",
    )


def _cause(facet: str, index: RegistryIndex, request: PlanRequest) -> str:
    producers = index.makers.get(facet, ())
    if not producers:
        return f"{facet} is not given and no capability produces it"
    refused = sorted(f"{c.capability_id} ({r})" for c in producers if (r := refusal_of(c, request)))
    if len(refused) == len(producers):
        return f"{facet} is not given and only {', '.join(refused)} would produce it"
    return f"{facet} is not given and its producers lack inputs of their own"


def _lacking(capability: Capability, reached: frozenset[str]) -> list[str]:
    return [facet for facet in capability.input_facets if facet not in reached]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
