"""Why a node is there: in sentences, in parts of a score, in who lost against it, and what it is told to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.assembly.branches import divide_instructions
from planner.assembly.draft import Draft
from planner.assembly.layout import Step
from planner.assembly.limits import channel_instructions
from planner.assembly.targets import Target
from planner.contracts.capabilities import Capability


def score_of(capability: Capability, draft: Draft) -> dict[str, Any]:
    """Return the score with its parts, the runners-up with what they lost on, and who was left out and why."""
    choice = draft.choice
    winner = choice.score(capability)
    beside = {c.capability_id for c in draft.branches.cast} if draft.branches else set()
    rivals = [rival for rival in choice.rivals(capability) if rival.capability_id not in beside]
    refused = choice.refused(sorted(set(capability.output_facets) & choice.wanted))
    return {
        **winner.as_json(),
        "runnersUp": [
            {"capabilityId": r.capability_id, "total": r.total, "lostOn": r.lost_on(winner) or ["plan_cost"]}
            for r in rivals
        ],
        "refused": [{"capabilityId": name, "reason": reason} for name, reason in refused],
    }


def rationale_of(
    step: Step, capability: Capability, asked: list[Target], draft: Draft, score: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return why the capability stands at this step, a sentence for each reason; `score` is its `score_of`."""
    request = draft.request
    sentences = [
        f"Makes {t.facet}, which the contract asks for{f' at {t.pointer}' if t.pointer else ''}." for t in asked
    ]
    sentences += [
        f"Makes {goal.facet}, of which a goal condition speaks."
        for goal in request.goals
        if goal.facet in capability.output_facets and all(goal.facet != t.facet for t in asked)
    ]
    if step.reviews:
        sentences.append(f"Reviews {', '.join(step.reviews)} before it reaches the result.")
    if step.fit is not None:
        sentences.append(_why_fit(step))
    used = [f for f in capability.output_facets if any(f in takes(s) and s is not step for s in draft.sight.steps)]
    if used and not sentences:
        sentences.append(f"Makes {', '.join(used)}, which later steps need.")
    if capability.capability_id in (request.policy.require or ()):
        sentences.append("Required by policies.planner.selection.require.")
    if request.routing and capability.capability_id in request.routing.ways:
        sentences.append("One of the ways of policies.planner.directives.routing.")
    if step.branch is not None and draft.branches and draft.branches.varied and step.kind == "execution":
        sentences.append("The objective is diversity, so the branches are the work of different capabilities.")
    if original := draft.choice.derived.get(capability.capability_id):
        made = ", ".join(capability.output_facets)
        sentences.append(f"Derived: {original} supports {made} without declaring it, and nothing declared fits.")
    rivals = score["runnersUp"][:3]
    sentences += [f"Chosen over {r['capabilityId']}, which lost on {', '.join(r['lostOn'])}." for r in rivals]
    return tuple(sentences)


def _why_fit(step: Step) -> str:
    fit = step.fit
    return "" if fit is None else f"Makes {fit.facet} fit what {' and '.join(fit.sources)} asks of it."


def alternatives_to(capability: Capability, visible: frozenset[str], draft: Draft) -> tuple[str, ...]:
    """Return who could do the same work on the same inputs, best first; a candidate too bad to choose is none."""
    return draft.choice.substitutes(capability, visible)


def takes(step: Step) -> tuple[str, ...]:
    """Return the facets that a step reads."""
    if step.capability is None:
        return step.facets
    return (*step.capability.input_facets, *step.capability.optional_input_facets)


def instructions_for(step: Step, asked: list[Target], draft: Draft) -> tuple[str, ...]:
    """Return what the caller tells this node; a branch hears what is shared and what is its own."""
    branches, told = draft.branches, draft.request.instructions
    rule = channel_instructions(draft.request) if asked else ()
    if branches is None or step.branch is None:
        return (*told, *rule)
    own = divide_instructions(told, branches.labels)[step.branch]
    if step.branch < len(branches.told):
        own = (*own, branches.told[step.branch])
    if step.kind != "execution":
        return own
    count = branches.items[step.branch]
    makes = "exactly one item" if count == 1 else f"exactly {count} items"
    which = f"This is variant {branches.labels[step.branch].upper()} of {len(branches.labels)}: make {makes}."
    return (*own, *rule, which)
