"""Prove a finished plan by a table of checks; each yields what is wrong, and a plan with an error never leaves.

To add a check, write a function from the case to diagnostics and put it into `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from planner.assembly.case import Case as Case
from planner.assembly.case import at_node, latest
from planner.assembly.constraints import constraints_met
from planner.assembly.diagnostics import Diagnostic, merge
from planner.assembly.index import index_of
from planner.assembly.proof import contract_met, inputs_fit, limits_kept, promises_kept
from planner.assembly.request import REQUIRABLE_KINDS, refusal_of
from planner.plan.graph import Node, PlanGraph


def validate_plan(case: Case) -> tuple[Diagnostic, ...]:
    """Return everything that the checks find, gravest first."""
    return merge(finding for check in CHECKS.values() for finding in check(case))


def _kinds_and_executors(case: Case) -> Iterator[Diagnostic]:
    """Check that a capability node names a capability, a virtual one does not, and that each says what it does."""
    for node in case.plan.nodes:
        alone = node.virtual or node.kind == "fallback"
        if alone == (node.capability_id is not None):
            yield at_node(node, "executor_mismatch", "the executor and the capability of the node do not agree")
        if node.kind == "transformation" and node.virtual and node.transform is None:
            yield at_node(node, "transform_missing", "the transformation does not say what it does")
        if node.kind == "routing":
            yield from _routes_lead_on(case.plan, node)


def _routes_lead_on(plan: PlanGraph, node: Node) -> Iterator[Diagnostic]:
    """Check that a routing node has routes with conditions, and that they lead where its edges lead."""
    routing = node.routing or {}
    targets = [route["to"] for route in routing.get("routes", ())]
    if not targets or any(not route.get("condition") for route in routing["routes"]):
        yield at_node(node, "routing_incomplete", "the routing has no routes, or one without a condition")
    ways = {*targets, *([routing["elseTo"]] if routing.get("elseTo") else [])}
    for way in sorted(ways ^ set(plan.children(node.id))):
        yield at_node(node, "routing_mismatch", f"its routes and its edges do not agree about {way}")


def _result_reached(case: Case) -> Iterator[Diagnostic]:
    """Check that everything runs before the result is composed, by a node that the plan holds."""
    output = case.plan.metadata["output"]["nodeId"]
    if output is None:
        return
    if case.plan.find(output) is None:
        yield Diagnostic("output_missing", f"The plan names {output} as its output and does not hold it.")
        return
    before = set(case.plan.ancestors(output))
    for node in case.plan.nodes:
        if node.id != output and node.id not in before:
            yield at_node(node, "output_not_reached", "the node does not lead to the result")


def _inputs_available(case: Case) -> Iterator[Diagnostic]:
    """Check that every facet that a node needs is given, or made by a node that it waits for."""
    for node in case.plan.nodes:
        there = set(case.request.given).union(*(case.plan.node(a).output_facets for a in case.plan.ancestors(node.id)))
        for facet in (*node.input_facets, *node.optional_input_facets):
            if facet not in there:
                yield at_node(node, "input_unavailable", f"nothing before the node gives it {facet}", facet)


def _inputs_unambiguous(case: Case) -> Iterator[Diagnostic]:
    """Check that a node sees one value of a facet, unless it is made to join branches."""
    for node in case.plan.nodes:
        if node.transform is not None:
            continue
        for facet in (*node.input_facets, *node.optional_input_facets):
            makers = latest(case.plan, facet, case.plan.ancestors(node.id))
            if len(makers) > 1 and not _one_way_each(case.plan, makers):
                told = f"{', '.join(makers)} give the node {facet} side by side"
                yield at_node(node, "input_ambiguous", told, facet)
    yield from _result_unambiguous(case)


def _result_unambiguous(case: Case) -> Iterator[Diagnostic]:
    """Check that the result takes one value of a facet, or one from each branch."""
    output = next((n for n in case.plan.nodes if n.id == case.plan.metadata.get("output", {}).get("nodeId")), None)
    if output is None:
        return
    for facet in dict.fromkeys(target.facet for target in case.targets):
        makers = latest(case.plan, facet, case.plan.ancestors(output.id))
        plain = any(case.plan.node(maker).branch is None for maker in makers)
        if len(makers) > 1 and plain and not _one_way_each(case.plan, makers):
            told = f"{', '.join(makers)} give the result {facet} side by side"
            yield at_node(output, "input_ambiguous", told, facet)


def _targets_covered(case: Case) -> Iterator[Diagnostic]:
    """Check that every facet of the contract is made by some node, or passed on from the envelope."""
    made = {facet for node in case.plan.nodes for facet in node.output_facets}
    for target in case.targets:
        if target.facet not in made and target.facet not in case.request.given:
            yield Diagnostic(
                "output_facet_uncovered",
                f"No node makes {target.facet}, which the contract asks for.",
                facet=target.facet,
                pointer=target.pointer or "/outputContract",
            )


def _transform_sources(case: Case) -> Iterator[Diagnostic]:
    """Check that a transformation reads what arrives: its sources are nodes before it that make the facet."""
    for node in case.plan.nodes:
        before = set(case.plan.ancestors(node.id))
        for source in (node.transform or {}).get("provenance", {}).values():
            facet, makers = source["facet"], source["nodeIds"]
            lost = [m for m in makers if m not in before or facet not in case.plan.node(m).output_facets]
            if lost or (not makers and facet not in case.request.given):
                yield at_node(
                    node, "transform_source_missing", f"{facet} does not arrive from {', '.join(lost)}", facet
                )


def _capabilities_usable(case: Case) -> Iterator[Diagnostic]:
    """Check that every capability, fallbacks included, is registered, active, no person, and allowed."""
    for node in case.plan.nodes:
        for name in (node.capability_id, *node.alternatives):
            if name is None:
                continue
            capability = case.registry.get(name)
            refusal = "not registered" if capability is None else refusal_of(capability, case.request)
            if refusal:
                yield at_node(node, "capability_unusable", f"the capability {name} may not be used: {refusal}")


def _capabilities_able(case: Case) -> Iterator[Diagnostic]:
    """Check that a node's capability, and each that may take its place, makes what the node says of what it takes."""
    for node in case.plan.nodes:
        there = {
            *case.request.given,
            *(f for a in case.plan.ancestors(node.id) for f in case.plan.node(a).output_facets),
        }
        for name in (node.capability_id, *node.alternatives):
            capability = case.registry.get(name or "")
            if capability is None:
                continue
            makes = {*capability.output_facets, *(capability.supported_facets if node.derived_from == name else ())}
            if not set(node.output_facets) <= makes or not set(capability.input_facets) <= there:
                yield at_node(node, "capability_unfit", f"{name} does not make that of what arrives")
            elif name == node.capability_id and (capability.kind, capability.version) != (
                node.kind,
                node.capability_version,
            ):
                yield at_node(node, "capability_unfit", f"{name} is of another kind or version than the node says")


def _deliverables_reviewed(case: Case) -> Iterator[Diagnostic]:
    """Check that a node behind each maker of deliverables reviews one, where the registry has somebody who could."""
    if not case.reviewed or case.request.forbids("validation"):
        return
    targets = dict.fromkeys(target.facet for target in case.targets if target.produced)
    for node in case.plan.nodes:
        made = [facet for facet in targets if facet in node.output_facets] if node.kind == "execution" else []
        if any(_reviewed(case, node, facet) for facet in made):
            continue
        for facet in [facet for facet in made if _reviewers(case, node, facet)][:1]:
            yield at_node(node, "review_missing", f"nobody reviews {facet} behind it", facet)


def _reviewed(case: Case, node: Node, facet: str) -> bool:
    """Whether a node behind this one reads its value of the facet to judge it, or makes it anew."""
    behind = [case.plan.node(n) for n in case.plan.descendants(node.id)]
    takers = [
        n for n in case.plan.nodes if n.kind == "validation" and facet in (*n.input_facets, *n.optional_input_facets)
    ]
    # One that was chosen for what it makes reviews as well, wherever it stands.
    judged = any(n in behind or "reviews" not in n.metadata for n in takers)
    return judged or any(n.kind == "execution" and facet in n.output_facets for n in behind)


def _reviewers(case: Case, node: Node, facet: str) -> bool:
    before = [case.plan.node(n) for n in case.plan.ancestors(node.id)]
    there = set(case.request.given).union(*(n.output_facets for n in before))
    return any(
        facet in (*c.input_facets, *c.optional_input_facets)
        and set(c.input_facets) <= there
        and refusal_of(c, case.request) is None
        for c in index_of(case.registry).validators
    )


def _policies(case: Case) -> Iterator[Diagnostic]:
    """Check the envelope's topology and selection."""
    policy, kinds = case.request.policy, {node.kind for node in case.plan.nodes}
    for kind in policy.required_kinds or ():
        if kind not in kinds and kind in REQUIRABLE_KINDS:
            yield _policy("required_kind_missing", f"The plan has no {kind} node.", "topology/requiredKinds")
    for kind in policy.forbidden_kinds or ():
        if kind in kinds:
            yield _policy("forbidden_kind_used", f"The plan needs a {kind} node.", "topology/forbiddenKinds")
    for name in policy.require or ():
        if all(node.capability_id != name for node in case.plan.nodes):
            yield _policy("required_capability_missing", f"The plan does not use {name}.", "selection/require")
    deepest = depth(case.plan)
    if policy.max_depth is not None and deepest > policy.max_depth:
        told = f"The plan is {deepest} nodes deep, and at most {policy.max_depth} are allowed."
        yield _policy("max_depth_exceeded", told, "topology/maxDepth")


CHECKS: Mapping[str, Callable[[Case], Iterable[Diagnostic]]] = {
    "kinds and executors": _kinds_and_executors,
    "result reached": _result_reached,
    "inputs available": _inputs_available,
    "inputs unambiguous": _inputs_unambiguous,
    "inputs fit": inputs_fit,
    "promises kept": promises_kept,
    "limits kept": limits_kept,
    "contract met": contract_met,
    "targets covered": _targets_covered,
    "transform sources": _transform_sources,
    "capabilities usable": _capabilities_usable,
    "capabilities able": _capabilities_able,
    "constraints met": constraints_met,
    "deliverables reviewed": _deliverables_reviewed,
    "policies": _policies,
}
"""The checks by name, in the order in which they are made. That there is no ring the graph itself makes sure of."""


def depth(plan: PlanGraph) -> int:
    """Return the number of capability nodes on the plan's longest path."""
    deep: dict[str, int] = {}
    for node_id in plan.order:
        above = max((deep[parent] for parent in plan.parents(node_id)), default=0)
        deep[node_id] = above + (not plan.node(node_id).virtual)
    return max(deep.values(), default=0)


def _one_way_each(plan: PlanGraph, makers: Iterable[str]) -> bool:
    """Whether the makers lie on different ways of one routing, so that only one of them makes anything."""
    for node in plan.nodes:
        if node.kind != "routing":
            continue
        ways = plan.children(node.id)
        taken = [[w for w in ways if w == maker or w in plan.ancestors(maker)] for maker in makers]
        if all(len(way) == 1 for way in taken) and len({way[0] for way in taken}) == len(taken):
            return True
    return False


def _policy(code: str, message: str, place: str) -> Diagnostic:
    return Diagnostic(
        code, message, pointer=f"/policies/planner/{place}", suggestion="Change the policy or the contract."
    )
