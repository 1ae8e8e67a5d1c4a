"""Decide whether a plan has branches: how many, of which capability, what each makes and what each is told."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from planner.assembly.choice import Choice
from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.assembly.request import PlanRequest
from planner.assembly.targets import Target, takes_branches, variant_count
from planner.contracts.capabilities import Capability
from planner.plan.identity import branch_label

_VARIANT_NAME = re.compile(r"\b(?:variant|version|option)\s+([a-z]|\d{1,2})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Branches:
    """N copies of one capability side by side; `items[i]` is how many list items branch i makes.

    `cast[i]` works in branch i: the capability itself, or under the objective `diversity` another that does the same.
    """

    capability_id: str
    target: Target
    labels: tuple[str, ...]
    items: tuple[int, ...]
    reason: str
    cast: tuple[Capability, ...]
    told: tuple[str, ...] = ()
    """What branch i alone is told, beyond the instructions that name it."""

    @property
    def varied(self) -> bool:
        """Whether not all branches are the work of one capability."""
        return len({capability.capability_id for capability in self.cast}) > 1

    def further_cost(self, choice: Choice) -> int:
        """Return what the branches cost beyond copies of the one capability that the search reckoned with."""
        planned = next(c for c in choice.capabilities if c.capability_id == self.capability_id)
        return sum(choice.price(capability) - choice.price(planned) for capability in self.cast)

    def start(self, index: int) -> int:
        """Return the position in the whole list of the first item of branch `index`."""
        return sum(self.items[:index])


def plan_branches(request: PlanRequest, choice: Choice) -> tuple[Branches | None, tuple[str, ...]]:
    """Return the branches of the plan, if any, and notes on what was asked for and not done.

    Raises PlanRejectedError when more variants are asked for than the contract takes.
    """
    found = next(((t, c) for t in choice.targets if (c := _brancher(t, request, choice))), None)
    asked = request.variants
    if found is None:
        return None, (_NO_LIST,) if (asked or 1) > 1 else ()
    target, capability = found
    if capability.capability_id in (request.routing.ways if request.routing else ()):
        return None, (_A_WAY,) if (asked or 1) > 1 else ()
    least, most = target.bounds
    if asked is not None and most is not None and asked > most and request.situation.directions is None:
        raise PlanRejectedError([_too_many(asked, most, target)])
    count = variant_count(target, request)
    alone = count <= 1 or request.forbids("branch")
    if target.collected and (1 if alone else count) < least:
        raise PlanRejectedError([_too_few(1 if alone else count, least, target)])
    if count <= 1:
        return None, ()
    if alone:
        return None, (f"{count} variants come from one node: policies.planner.topology.forbiddenKinds names branch",)
    return Branches(
        capability.capability_id,
        target,
        tuple(branch_label(i) for i in range(count)),
        share_out(max(least, count), count),
        _reason(request),
        _cast(capability, count, request, choice),
        _told(request),
    ), ()


def _cast(capability: Capability, count: int, request: PlanRequest, choice: Choice) -> tuple[Capability, ...]:
    """Return who works in each branch.

    Under `diversity` each branch goes to another capability as far as there are any that reach the minimum score, make
    exactly the same, and need nothing else; then the round begins anew. The one that the search chose comes first.
    """
    name = capability.capability_id
    if request.wish.objective != "diversity" or name in choice.asks or name in choice.derived:
        return (capability,) * count
    read = {*request.given, *capability.input_facets}
    seen = {*read, *capability.optional_input_facets}
    made_elsewhere = {facet for c in choice.capabilities for facet in c.output_facets} - seen
    by_id = choice.stock.index.by_id
    others = (by_id[other].capability for other in choice.substitutes(capability, read))
    alike = [
        c
        for c in others
        if c.kind == capability.kind
        and set(c.output_facets) == set(capability.output_facets)
        and made_elsewhere.isdisjoint(c.optional_input_facets)
    ]
    cast = (capability, *alike)[:count]
    return tuple(cast[index % len(cast)] for index in range(count))


def share_out(items: int, branches: int) -> tuple[int, ...]:
    """Return how many items each branch makes: as equal as can be, the first ones taking what is left over."""
    each, over = divmod(items, branches)
    return tuple(each + (index < over) for index in range(branches))


def divide_instructions(instructions: Sequence[str], labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Return the instructions of each branch, in order.

    One that names a variant (`Variant A …`, `option 2 …`) goes to that branch; where none does and there are as many as
    branches, each gets its own; all others are shared.
    """
    named = [_named_branch(text, labels) for text in instructions]
    if not any(index is not None for index in named) and len(instructions) == len(labels):
        named = list(range(len(labels)))
    return tuple(
        tuple(text for text, owner in zip(instructions, named, strict=True) if owner is None or owner == index)
        for index in range(len(labels))
    )


_A_WAY = "variantCount is not acted on: a routing decides who fills the list"
_NO_LIST = "variantCount is not acted on: the contract has no list that an execution capability fills"


def _reason(request: PlanRequest) -> str:
    if request.situation.directions is not None:
        return "upstream_output"
    return "directive" if request.directed else "variant_count"


def _told(request: PlanRequest) -> tuple[str, ...]:
    """Return what each branch is told by a directive, or by the direction that it follows."""
    directions = request.situation.directions
    if directions is None:
        return request.directed
    return tuple(f"Follow this direction ({directions.facet}): {_in_words(value)}" for value in directions.values)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_in_words(part)}" for name, part in value.items())
    return ", ".join(map(_in_words, value)) if isinstance(value, list) else str(value)


def expansion_of(request: PlanRequest, choice: Choice) -> str | None:
    """Return the facet whose value may open branches once it is there, None when branches are settled or ruled out.

    It is a list facet with the tag `branching`, made upstream of the capability that the branches would copy.
    """
    target = next((t for t in choice.targets if _brancher(t, request, choice)), None)
    if target is None or request.variants is not None or request.forbids("branch") or request.routing is not None:
        return None
    if target.bounds[0] > 1 or target.bounds[1] == 1:
        return None
    writer = choice.makers(target.facet)[-1]
    before = choice.capabilities[: choice.capabilities.index(writer)]
    made = (facet for capability in before for facet in capability.output_facets)
    return next((f for f in made if "branching" in request.catalogue.get(f).catalog_tags), None)


def _brancher(target: Target, request: PlanRequest, choice: Choice) -> Capability | None:
    """Return the capability whose copies would fill the target, None when the target takes no branches."""
    if not takes_branches(target, request):
        return None
    makers = [c for c in choice.makers(target.facet) if c.kind == "execution"]
    return makers[-1] if makers else None


def _named_branch(text: str, labels: Sequence[str]) -> int | None:
    names = {name.lower() for name in _VARIANT_NAME.findall(text)}
    if len(names) != 1:
        return None
    name = names.pop()
    index = int(name) - 1 if name.isdigit() else (labels.index(name) if name in labels else -1)
    return index if 0 <= index < len(labels) else None


def _too_few(count: int, least: int, target: Target) -> Diagnostic:
    return Diagnostic(
        "variant_count_conflict",
        f"The contract takes at least {least} items at {target.pointer or '/'}, each made by a branch of its own, and "
        f"the plan may have {count}.",
        facet=target.facet,
        pointer="/inputs/variantCount",
        suggestion="Raise variantCount, allow branch nodes, or lower minItems.",
    )


def _too_many(asked: int, most: int, target: Target) -> Diagnostic:
    return Diagnostic(
        "variant_count_conflict",
        f"{asked} variants are asked for, and the contract takes at most {most} items at {target.pointer or '/'}.",
        facet=target.facet,
        pointer="/inputs/variantCount",
        suggestion="Lower variantCount, or raise maxItems.",
    )
