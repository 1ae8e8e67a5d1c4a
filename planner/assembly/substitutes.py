"""What stands in where no declared capability will do: derived capabilities, candidates to ask about, and blanks.

All three look like capabilities to the search and the layout. Their ids hold a sign that no registered id may hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from planner.assembly.index import Codes, Entry, RegistryIndex, Shape
from planner.assembly.request import PlanRequest
from planner.assembly.rows import reach, toward
from planner.assembly.scoring import Score
from planner.contracts.capabilities import Capability

DERIVED_SIGN, ASK_SIGN = "+", "?"
TARGET_WEIGHT = 1000
"""Asking for a whole result weighs as much as asking for so many inputs."""
AskReason = Literal["below_minimum_score", "no_candidate", "empty_registry"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a person that stands in a plan where a capability would: a value, this candidate, or stop."""

    capability: Capability
    reason: AskReason
    minimum: float
    best: Score | None = None
    weight: int = 1

    @property
    def facets(self) -> tuple[str, ...]:
        return self.capability.output_facets

    def entry(self, codes: Codes) -> Entry:
        return codes.entry(self.capability)

    def as_json(self) -> dict[str, Any]:
        """Return what a fallback node and its `plan_fallback` tell."""
        best = None if self.best is None else {"capabilityId": self.best.capability_id, "score": self.best.total}
        return {"reason": self.reason, "facets": list(self.facets), "best": best, "minimumScore": self.minimum}


def derived_entries(
    request: PlanRequest, codes: Codes, index: RegistryIndex, fits: frozenset[str]
) -> tuple[Entry, ...]:
    """Return entries for facets that registrations support without declaring, and that nothing declared makes well.

    Only facets of the catalogue that can be made count; nothing is guessed.
    """
    found = []
    for entry in index.supporters:
        capability = entry.capability
        if capability.capability_id in (request.policy.forbid or ()) or request.forbids(capability.kind):
            continue
        known = {*capability.output_facets, *fits}
        mix = tuple(f for f in capability.supported_facets if f not in known and _may_be_made(f, request))
        if mix:
            found.append(codes.entry(_derived(capability, mix)))
    return tuple(found)


def original_of(capability_id: str) -> str | None:
    """Return the id of the registration that a derived capability comes from, None for one that is declared."""
    name, sign, _ = capability_id.partition(DERIVED_SIGN)
    return name if sign else None


def stand_in(capability: Capability, score: Score, wanted: frozenset[str], minimum: float) -> Ask:
    """Return the question whether a candidate below the minimum score may be used after all."""
    made = tuple(f for f in capability.output_facets if f in wanted) or capability.output_facets
    asked = _question(f"{ASK_SIGN}{capability.capability_id}", made, needs=capability.input_facets)
    return Ask(asked, "below_minimum_score", minimum, best=score)


def blanks(
    request: PlanRequest, codes: Codes, missing: Iterable[str], shapes: Sequence[Shape], *, empty: bool
) -> tuple[Ask, ...]:
    """Return the questions for what nobody makes: each missing target, and each input that would lead to one."""
    targets = tuple(dict.fromkeys(missing))
    minimum = request.wish.minimum
    if empty:
        asked = _question(ASK_SIGN + "result", targets)
        return (Ask(asked, "empty_registry", minimum, weight=TARGET_WEIGHT),) if targets else ()
    had, _ = reach(shapes, codes.facets(request.given))
    wanted, _ = toward(shapes, codes.facets(targets))
    inputs = sorted(codes.names(wanted & ~had) - set(targets))
    weights: Mapping[str, int] = {**dict.fromkeys(inputs, 1), **dict.fromkeys(targets, TARGET_WEIGHT)}
    return tuple(
        Ask(_question(ASK_SIGN + facet, (facet,)), "no_candidate", minimum, weight=weight)
        for facet, weight in weights.items()
    )


def _derived(capability: Capability, mix: tuple[str, ...]) -> Capability:
    name = f"{capability.capability_id}{DERIVED_SIGN}{','.join(mix)}"
    return replace(capability, capability_id=name, output_facets=mix, output_schema={}, supported_facets=())


def _may_be_made(facet: str, request: PlanRequest) -> bool:
    known = request.catalogue.try_get(facet)
    return known is not None and known.direction != "input"


def _question(name: str, makes: tuple[str, ...], needs: tuple[str, ...] = ()) -> Capability:
    return Capability(
        name,
        version="",
        display_name="Ask a person",
        summary="Asks a person for what no capability makes well enough.",
        kind="fallback",
        agent_type="human",
        input_facets=needs,
        output_facets=makes,
    )
