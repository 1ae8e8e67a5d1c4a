"""What a request can get from the capabilities that it may use: targets, what is reachable, and what is in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from planner.assembly.diagnostics import Diagnostic
from planner.assembly.index import Codes, Entry, RegistryIndex
from planner.assembly.reachability import Reach
from planner.assembly.refusal import explain_missing, explain_named, explain_pin
from planner.assembly.request import PlanRequest
from planner.assembly.rows import reach, toward
from planner.assembly.substitutes import original_of
from planner.assembly.targets import Targets, choose_targets

SEARCHED_KINDS = ("structuring", "execution")
"""Kinds that a plan can be asked to hold by choosing a capability; the others are added around the choice."""


@dataclass(frozen=True)
class Outlook:
    """Targets and bits for the search. `counting` are the bits that matter; `problems` rule every plan out."""

    targets: Targets
    given: int
    goals: int
    counting: int
    pins: frozenset[str]
    path: tuple[Entry, ...]
    wanted: frozenset[str]
    reachable: frozenset[str]
    reach: Reach
    missing: tuple[str, ...]
    """The facets that a person would have to supply: of each place that nobody fills the best candidate."""
    problems: tuple[Diagnostic, ...]
    stuck: bool
    """Whether a problem is none that a person could settle by supplying a facet."""
    warnings: tuple[Diagnostic, ...]


class _Shape(NamedTuple):
    """Entries that need and make the same: large registries have few shapes, so walks go over these."""

    needs: int
    makes: int
    entries: list[Entry]


def _shapes(entries: Iterable[Entry]) -> list[_Shape]:
    found: dict[tuple[int, int], list[Entry]] = {}
    for entry in entries:
        found.setdefault((entry.needs, entry.makes), []).append(entry)
    return [_Shape(needs, makes, alike) for (needs, makes), alike in found.items()]


def look(request: PlanRequest, codes: Codes, index: RegistryIndex, entries: Sequence[Entry]) -> Outlook:
    """Return what the request can get from the entries."""
    given = codes.facets(request.given)
    had, alive = reach(_shapes(entries), given)
    running = [entry for shape in alive for entry in shape.entries]
    producible = frozenset().union(*(shape.entries[0].capability.output_facets for shape in alive))
    reached = producible | request.given.keys()
    targets = choose_targets(request, producible)
    aims = frozenset(goal.facet for goal in request.goals if goal.facet not in request.given)
    pins = request.pins
    names = frozenset(entry.capability.capability_id for entry in running)
    produced = frozenset(t.facet for t in targets.chosen if t.produced) | aims & producible
    kinds = [kind for kind in SEARCHED_KINDS if request.requires(kind)]
    goals = (
        codes.facets(produced - request.given.keys()) | codes.made(produced & request.given.keys()) | codes.kinds(kinds)
    )
    missing = (*targets.missing, *_unreached(request, reached))
    problems = [
        *targets.unmet,
        *(d for facet, at in missing for d in explain_missing(facet, at, index, request, reached)),
        *(explain_pin(pin, i, index, request, reached) for i, pin in enumerate(pins) if pin not in names),
        *(_no_kind(kind) for kind in kinds if not codes.kinds([kind]) & had),
    ]
    pinned = [entry for entry in running if entry.capability.capability_id in pins]
    needs = goals
    for entry in pinned:
        needs |= entry.needs
    wanted, leading = toward(alive, needs)
    path = [entry for shape in leading for entry in shape.entries]
    on_path = {entry.capability.capability_id for entry in path}
    return Outlook(
        targets=targets,
        given=given,
        goals=goals,
        counting=wanted | goals,
        pins=frozenset(pins) & names,
        path=(*path, *(e for e in pinned if e.capability.capability_id not in on_path)),
        wanted=produced | codes.names(wanted),
        reachable=names,
        reach=Reach(
            frozenset(name for name in on_path if original_of(name) is None),
            frozenset(name for name in (*pins, *request.named) if name in names),
            frozenset(
                e.capability.capability_id for e in (running if aims else ()) if aims & {*e.capability.output_facets}
            ),
            tuple(name for name in dict.fromkeys((*pins, *request.named)) if name not in names),
            considered=len(entries),
        ),
        missing=tuple(dict.fromkeys(_first_of_each_place(missing))),
        problems=tuple(problems),
        stuck=bool(targets.unmet) or any(pin not in names for pin in pins),
        warnings=tuple(explain_named(name, index) for name in request.named if name not in names),
    )


def _unreached(request: PlanRequest, reached: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield (facet, pointer) for each goal that speaks of something that cannot be had."""
    for index, goal in enumerate(request.goals):
        if goal.facet not in reached:
            yield goal.facet, f"/goal_condition/{index}/facet"


def _first_of_each_place(missing: Sequence[tuple[str, str]]) -> Iterator[str]:
    seen: set[str] = set()
    for facet, at in missing:
        if at not in seen:
            seen.add(at)
            yield facet


def _no_kind(kind: str) -> Diagnostic:
    return Diagnostic(
        "required_kind_missing",
        f"No usable capability of kind {kind} can run on what is given.",
        pointer="/policies/planner/topology/requiredKinds",
        suggestion=f"Register an active AI capability of kind {kind}, or take the kind off the list.",
    )
