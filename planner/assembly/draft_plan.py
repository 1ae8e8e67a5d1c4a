"""Make a plan of a model's draft with the planner's own hands, or say what is wrong with the draft.

A draft gives two things only: *which* capabilities, and in *which order*. What they take and make is read from the
registry; branches, reviewers, joins, the result and every schema are added as for a plan that was searched for, and the
same table of checks proves the whole. So nothing that a model invents can get into a plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from planner.assembly.assemble import plan_of
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.draft_ground import Ground
from planner.assembly.draft_reader import DraftNode, PlanDraft
from planner.assembly.refusal import REFUSALS
from planner.assembly.request import PlanRequest, refusal_of
from planner.assembly.targets import Targets, choose_targets
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.errors import PlannerError
from planner.plan.graph import Node, PlanGraph

PLANNED_KINDS = frozenset({"branch", "transformation"})
"""Kinds of node without a capability that the planner adds itself; a draft may draw them and need not."""


@dataclass(frozen=True, slots=True)
class _Pick:
    """A capability that the draft names, with every node that names it."""

    capability: Capability
    nodes: tuple[DraftNode, ...]


def plan_from_draft(draft: PlanDraft, ground: Ground, *, heeded: bool = False, version: int = 1) -> PlanGraph:
    """Return the plan that does what the draft says; raise PlanRejectedError with everything that is wrong with it.

    The model's reasons are shown with its nodes. Its instructions reach the agents only if `heeded`: a text of a
    registration that nobody chose could otherwise speak through the model to the agents of others.
    """
    faults = [fault for node in draft.nodes for fault in _node_faults(node, ground)]
    picks = _picks(draft, ground.registry)
    makers = _makers(picks, ground.request)
    made = frozenset(facet for pick in makers for facet in pick.capability.output_facets)
    targets = choose_targets(ground.request, made)
    faults += [*_order_faults(makers, picks, ground), *_coverage_faults(targets, made, ground)]
    faults += _pin_faults(picks, ground.request)
    if faults:
        raise PlanRejectedError(faults)
    chosen = [pick.capability for pick in makers]
    choice = ground.choose(chosen, targets, {pick.capability.capability_id for pick in picks if pick not in makers})
    try:
        plan = plan_of(ground.request, choice, ground.registry, version=version)
    except PlanRejectedError:
        raise
    except PlannerError as error:
        raise PlanRejectedError([Diagnostic("draft_unbuildable", error.message, pointer="/nodes")]) from error
    return _told(plan, picks, heeded=heeded)


def _node_faults(node: DraftNode, ground: Ground) -> Iterator[Diagnostic]:
    """Check one node against registry and catalogue, whatever the others are."""
    if node.routed or node.kind in {"routing", "fallback"}:
        told = (
            f"{node.stage}: a draft cannot hold {node.kind or 'routing'} nodes; the planner adds what the plan needs."
        )
        yield _at(node, "draft_kind_unsupported", told, suggestion="Leave the node out.")
        return
    if node.capability_id is None:
        if node.kind not in PLANNED_KINDS:
            told = f"{node.stage}: the node names no capability."
            yield _at(node, "capability_missing", told, suggestion="Name one of the table, or leave the node out.")
        return
    capability = ground.registry.get(node.capability_id)
    if capability is None:
        yield _unknown(node, ground)
        return
    if refusal := refusal_of(capability, ground.request):
        _, why, _ = REFUSALS.get(refusal, (refusal, f"may not be chosen: {refusal}", ""))
        yield _at(node, f"capability_{refusal}", f"{node.stage}: {capability.capability_id} {why}.", _PICK_ANOTHER)
    elif capability.kind != "validation" and not ground.good_enough(capability):
        score, least = ground.score(capability).total, ground.request.wish.minimum
        told = f"{node.stage}: {capability.capability_id} scores {score:.2f}, below the minimum of {least:.2f}."
        yield _at(node, "below_minimum_score", told, _PICK_ANOTHER)
    yield from _facet_faults(node, capability, ground.request)


_PICK_ANOTHER = "Pick another capability of the table."


def _unknown(node: DraftNode, ground: Ground) -> Diagnostic:
    close = get_close_matches(node.capability_id or "", ground.usable_ids(), n=1)
    suggestion = f"Did you mean {close[0]}?" if close else "Name capabilities of the table only."
    name = (node.capability_id or "")[:120]
    told = f"{node.stage}: there is no capability “{name}”."
    return Diagnostic(
        "capability_not_registered",
        told,
        node_stage=node.stage,
        capability_id=name,
        pointer=node.at,
        suggestion=suggestion,
    )


def _facet_faults(node: DraftNode, capability: Capability, request: PlanRequest) -> Iterator[Diagnostic]:
    """Check the facets that the draft wrote down: a wrong one shows that the model misread the registry."""
    takes = (*capability.input_facets, *capability.optional_input_facets)
    sides = (("inputFacets", node.input_facets, takes), ("outputFacets", node.output_facets, capability.output_facets))
    for side, named, declared in sides:
        for facet in named:
            if request.catalogue.try_get(facet) is None:
                told = f"{node.stage}: there is no facet “{facet[:60]}”."
                yield _at(node, "unknown_facet", told, facet=facet[:60], suggestion="Use names of the facet table.")
            elif facet not in declared and side == "outputFacets":
                told = f"{node.stage}: {capability.capability_id} does not make {facet}."
                held = f"It makes {', '.join(declared) or 'nothing'}."
                yield _at(node, "facet_not_declared", told, facet=facet, suggestion=held)


def facets_not_taken(draft: PlanDraft, registry: RegistrySnapshot) -> list[dict[str, str]]:
    """Return the facets that the draft says nodes take and their capabilities do not: they count for nothing."""
    found = []
    for node in draft.nodes:
        capability = registry.get(node.capability_id or "")
        if capability is not None:
            takes = {*capability.input_facets, *capability.optional_input_facets}
            about = {"stage": node.stage, "capabilityId": capability.capability_id}
            found += [{**about, "facet": facet} for facet in node.input_facets if facet not in takes]
    return found


def _picks(draft: PlanDraft, registry: RegistrySnapshot) -> tuple[_Pick, ...]:
    """Return each capability once, where it is first named: how many copies there are follows from the branches."""
    named: dict[str, list[DraftNode]] = {}
    for node in draft.nodes:
        if node.capability_id is not None:
            named.setdefault(node.capability_id, []).append(node)
    found = ((registry.get(name), nodes) for name, nodes in named.items())
    return tuple(_Pick(capability, tuple(nodes)) for capability, nodes in found if capability is not None)


def _makers(picks: Sequence[_Pick], request: PlanRequest) -> tuple[_Pick, ...]:
    """Return the picks that make something; a validation that nobody builds on is a reviewer, put in place later."""
    others = [pick for pick in picks if pick.capability.kind != "validation"]
    made = frozenset(request.given).union(*(pick.capability.output_facets for pick in others))
    every = frozenset(facet for pick in picks for facet in pick.capability.output_facets)
    wanted = {target.facet for target in choose_targets(request, every).chosen}
    wanted |= {facet for pick in picks for facet in pick.capability.input_facets}
    wanted |= {goal.facet for goal in request.goals}
    required = request.pins

    def builds(pick: _Pick) -> bool:
        capability = pick.capability
        return bool((wanted - made) & set(capability.output_facets)) or capability.capability_id in required

    return tuple(pick for pick in picks if pick in others or builds(pick))


def _order_faults(makers: Sequence[_Pick], picks: Sequence[_Pick], ground: Ground) -> Iterator[Diagnostic]:
    """Check that each step has what it needs from the steps before it."""
    there = set(ground.request.given)
    for position, pick in enumerate(makers):
        for facet in pick.capability.input_facets:
            if facet not in there:
                later = [
                    p.capability.capability_id for p in makers[position + 1 :] if facet in p.capability.output_facets
                ]
                yield _lacking(pick, facet, later, ground)
        there |= set(pick.capability.output_facets)
    for pick in picks:
        takes = {*pick.capability.input_facets, *pick.capability.optional_input_facets}
        if pick not in makers and not takes & (there - set(ground.request.given)):
            told = (
                f"{pick.nodes[0].stage}: nothing in the draft gives {pick.capability.capability_id} anything to review."
            )
            yield _at(pick.nodes[0], "nothing_to_review", told, suggestion="Leave the reviewer out.")


def _lacking(pick: _Pick, facet: str, later: Sequence[str], ground: Ground) -> Diagnostic:
    node, name = pick.nodes[0], pick.capability.capability_id
    told = f"{node.stage}: {name} needs {facet}, which is neither given nor made by an earlier node."
    suggestion = f"Put {later[0]} before it." if later else _made_by(facet, ground)
    return _at(node, "input_unavailable", told, facet=facet, suggestion=suggestion)


def _made_by(facet: str, ground: Ground) -> str:
    makers = ground.makers(facet)
    return f"It is made by {', '.join(makers[:5])}." if makers else "No capability that may be chosen makes it."


def _coverage_faults(targets: Targets, made: Collection[str], ground: Ground) -> Iterator[Diagnostic]:
    """Check that the steps make what contract and goals ask for; what can be made anew is not merely passed on."""
    makeable = {target.facet for target in ground.choice.targets if target.produced}
    passed = {t.facet: t.pointer for t in targets.chosen if not t.produced and t.facet in makeable}
    spoken_of = [goal.facet for goal in ground.request.goals]
    unmet = [facet for facet in spoken_of if facet not in made and facet not in ground.request.given]
    lacking = dict.fromkeys((*(facet for facet, _ in targets.missing), *passed, *unmet))
    for facet in lacking:
        told = f"The contract or a goal asks for {facet}, and no node of the draft makes it."
        yield Diagnostic(
            "output_facet_uncovered", told, facet=facet, pointer="/nodes", suggestion=_made_by(facet, ground)
        )
    yield from targets.unmet


def _pin_faults(picks: Sequence[_Pick], request: PlanRequest) -> Iterator[Diagnostic]:
    """Check that the draft holds what every plan of the envelope has to hold."""
    named = {pick.capability.capability_id for pick in picks}
    for pin in request.pins:
        if pin not in named:
            told = f"The policies require {pin}, and no node of the draft names it."
            yield Diagnostic(
                "required_capability_missing", told, capability_id=pin, pointer="/nodes", suggestion=f"Add {pin}."
            )


def _told(plan: PlanGraph, picks: Iterable[_Pick], *, heeded: bool) -> PlanGraph:
    """Return the plan whose nodes say what the model said about them."""
    by_id = {pick.capability.capability_id: pick.nodes for pick in picks}
    nodes = tuple(_annotated(node, by_id.get(node.capability_id or "", ()), heeded=heeded) for node in plan.nodes)
    return replace(plan, nodes=nodes)


def _annotated(node: Node, drafted: Sequence[DraftNode], *, heeded: bool) -> Node:
    if not drafted:
        return node
    reasons = dict.fromkeys(line for d in drafted for line in d.rationale)
    wishes = tuple(dict.fromkeys(line for d in drafted for line in d.instructions))
    said = {"plannerStage": drafted[0].stage, **({"plannerInstructions": list(wishes)} if wishes else {})}
    return replace(
        node,
        rationale=(*node.rationale, *(f"The model's reason: {line}" for line in reasons)),
        instructions=(*node.instructions, *wishes) if heeded else node.instructions,
        metadata={**node.metadata, **said},
    )


def _at(
    node: DraftNode, code: str, message: str, suggestion: str | None = None, *, facet: str | None = None
) -> Diagnostic:
    return Diagnostic(
        code,
        message,
        node_stage=node.stage,
        capability_id=node.capability_id,
        facet=facet,
        pointer=node.at,
        suggestion=suggestion,
    )
