"""What a request can get from the capabilities that it may use: targets, what is reachable, and what is in the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from planner.assembly.diagnostics import Diagnostic
from planner.assembly.index import Codes, Entry, RegistryIndex, Shape
from planner.assembly.reachability import Reach
from planner.assembly.refusal import explain_missing, explain_named, explain_pin
from planner.assembly.request import PlanRequest
from planner.assembly.rows import reach, toward
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
    path: tuple[Shape, ...]
    pinned: tuple[Entry, ...]
    """The entries of the pins; those of their shape that are none may lie on the path or not."""
    wanted: frozenset[str]
    alive: frozenset[int]
    """The numbers of the shapes that can run."""
    reach: Reach
    missing: tuple[str, ...]
    """The facets that a person would have to supply: of each place that nobody fills the best candidate."""
    problems: tuple[Diagnostic, ...]
    stuck: bool
    """Whether a problem is none that a person could settle by supplying a facet."""
    warnings: tuple[Diagnostic, ...]


def look(request: PlanRequest, codes: Codes, index: RegistryIndex, shapes: Sequence[Shape]) -> Outlook:
    """Return what the request can get from the shapes."""
    given = codes.facets(request.given)
    had, running = reach(shapes, given)
    alive = frozenset(shape.place for shape in running)
    producible = codes.makeable(had)
    reached = producible | request.given.keys()
    targets = choose_targets(request, producible)
    aims = frozenset(goal.facet for goal in request.goals if goal.facet not in request.given)
    pins = request.pins
    named = {e.name: e for name in dict.fromkeys((*pins, *request.named)) for e in _able(name, index, shapes, alive)}
    produced = frozenset(t.facet for t in targets.chosen if t.produced) | aims & producible
    kinds = [kind for kind in SEARCHED_KINDS if request.requires(kind)]
    goals = (
        codes.facets(produced - request.given.keys()) | codes.made(produced & request.given.keys()) | codes.kinds(kinds)
    )
    missing = (*targets.missing, *_unreached(request, reached))
    problems = [
        *targets.unmet,
        *(d for facet, at in missing for d in explain_missing(facet, at, index, request, reached)),
        *(explain_pin(pin, i, index, request, reached) for i, pin in enumerate(pins) if pin not in named),
        *(_no_kind(kind) for kind in kinds if not codes.kinds([kind]) & had),
    ]
    pinned = tuple(named[pin] for pin in dict.fromkeys(pins) if pin in named)
    needs = goals
    for entry in pinned:
        needs |= entry.needs
    wanted, path = toward(running, needs)
    aimed = codes.made(aims)
    pursued = frozenset(n for shape in running if shape.makes & aimed for n in shape.names) if aims else frozenset()
    pinning = pursued | named.keys()
    leading = {shape.place for shape in path} if pinning else set()
    return Outlook(
        targets=targets,
        given=given,
        goals=goals,
        counting=wanted | goals,
        pins=frozenset(pins) & named.keys(),
        path=tuple(path),
        pinned=pinned,
        wanted=produced | codes.names(wanted),
        alive=alive,
        reach=Reach(
            tuple(shape.names for shape in path if shape.place >= 0),
            frozenset(named),
            pursued,
            frozenset(name for name in pinning if index.place(name) not in leading),
            tuple(name for name in dict.fromkeys((*pins, *request.named)) if name not in named),
            considered=sum([len(shape.names) for shape in shapes if shape.place >= 0]),
        ),
        missing=tuple(dict.fromkeys(_first_of_each_place(missing))),
        problems=tuple(problems),
        stuck=bool(targets.unmet) or any(pin not in named for pin in pins),
        warnings=tuple(explain_named(name, index) for name in request.named if name not in named),
    )


def _able(name: str, index: RegistryIndex, shapes: Sequence[Shape], alive: frozenset[int]) -> Iterator[Entry]:
    """Yield the entry of a capability that is allowed and can run."""
    place = index.place(name)
    if place in alive:
        yield from (e for shape in shapes if shape.place == place for e in shape.entries if e.name == name)


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
