"""From the caller's contract to target facets: which facet fills which part of the result, and what that asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from planner.assembly.diagnostics import Diagnostic
from planner.assembly.request import PlanRequest
from planner.contracts.conjunction import UnsatisfiableError, conjoin
from planner.contracts.mapping import Candidate, Place, demand, find_places
from planner.contracts.shapes import merged, types_of
from policies.legacy import MAX_VARIANTS


@dataclass(frozen=True, slots=True)
class Target:
    """A facet that the result is made of. `place` and `candidate` are None where the contract names facets itself.

    `produced` is False for a facet that the envelope gives and no usable capability makes: it is passed on.
    """

    facet: str
    place: Place | None = None
    candidate: Candidate | None = None
    required: bool = True
    produced: bool = True

    @property
    def pointer(self) -> str:
        return "" if self.place is None else self.place.pointer

    @property
    def branchable(self) -> bool:
        """Whether the contract takes the items, or the values, of several branches here."""
        return self.candidate is None or self.candidate.form in {"items", "collect"}

    @property
    def collected(self) -> bool:
        """Whether each item of the list is a whole value of the facet, made by a branch of its own."""
        return self.candidate is not None and self.candidate.form == "collect"

    @property
    def bounds(self) -> tuple[int, int | None]:
        """The least and the greatest number of items that the contract takes here; no greatest where it sets none."""
        return self.place.bounds if self.place else (0, None)

    def demand(self, *, items: int | None = None, start: int = 0) -> dict[str, Any]:
        """Return the schema that the facet's value has to meet; see `mapping.demand`."""
        if self.place is None or self.candidate is None:
            return {} if items is None else {"type": "array", "minItems": items, "maxItems": items}
        return demand(self.place, self.candidate, items=items, start=start)


@dataclass(frozen=True, slots=True)
class Targets:
    """The chosen targets, those that may be filled when their facet is there anyway, and what could not be matched."""

    chosen: tuple[Target, ...]
    optional: tuple[Target, ...] = ()
    unmet: tuple[Diagnostic, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    """(facet, pointer) pairs that the contract needs and nothing can produce."""


def choose_targets(request: PlanRequest, producible: frozenset[str]) -> Targets:
    """Return the targets of the request's contract, given which facets the usable capabilities can produce."""
    if request.contract.mode == "json_schema":
        return _from_schema(request, producible)
    if request.contract.mode == "facets":
        return _from_facets(request, request.contract.facets, producible)
    if not request.expected:
        return Targets((), unmet=(_nothing_expected(),))
    return _from_facets(request, request.expected[:1], producible)


def takes_branches(target: Target, request: PlanRequest) -> bool:
    """Whether several branches could fill the target side by side."""
    if not target.produced or not target.branchable:
        return False
    return target.candidate is not None or is_list_facet(request, target.facet)


def variant_count(target: Target, request: PlanRequest) -> int:
    """Return how many branches fill a target that takes branches: what was asked for, else what the contract needs.

    Nobody asked for as many directions as an upstream node returned: those beyond what the contract takes are left out.
    """
    if request.variants is not None:
        most = target.bounds[1] if request.situation.directions is not None else None
        return request.variants if most is None else min(request.variants, most)
    return max(1, min(target.bounds[0], MAX_VARIANTS)) if _holds_documents(target, request) else 1


def is_list_facet(request: PlanRequest, facet: str) -> bool:
    return types_of(request.catalogue.get(facet).schema) == {"array"}


def _holds_documents(target: Target, request: PlanRequest) -> bool:
    """Whether the list's items are things made one by one; a list of tags is written in one go."""
    if target.place is None:
        return False
    items = merged(target.place.schema).get("items", {})
    return types_of(items) == {"object"} or "deliverable" in request.catalogue.get(target.facet).catalog_tags


def _from_facets(request: PlanRequest, names: Sequence[str], producible: frozenset[str]) -> Targets:
    chosen, missing = [], []
    for index, name in enumerate(names):
        if name in producible or name in request.given:
            chosen.append(Target(name, produced=name in producible))
        else:
            missing.append((name, f"/outputContract/facets/{index}" if request.contract.facets else "/outputContract"))
    return Targets(tuple(chosen), missing=tuple(missing))


def _from_schema(request: PlanRequest, producible: frozenset[str]) -> Targets:
    facets = request.catalogue.list()
    chosen: list[Target] = []
    optional: list[Target] = []
    unmet: list[Diagnostic] = []
    missing: list[tuple[str, str]] = []
    for place in find_places(request.contract.schema, facets, request.expected):
        fitting = [c for c in place.candidates if not _clash(request, place, c)]
        best = _first_there(fitting, request, producible)
        if best is not None:
            made = best.facet in producible
            target = Target(best.facet, place, best, required=place.required, produced=made)
            (chosen if place.required else optional).append(target)
        elif place.required:
            missing += [(c.facet, _at(place)) for c in fitting]
            if not fitting:
                unmet.append(_unmatched(request, place))
    return Targets(tuple(chosen), tuple(optional), tuple(unmet), tuple(missing))


def _first_there(fitting: Sequence[Candidate], request: PlanRequest, producible: frozenset[str]) -> Candidate | None:
    """Return the best candidate that can be had; what is only given counts for less unless the place bears its name."""
    named = [c for c in fitting if c.facet in producible or (c.facet in request.given and c.match in {"name", "key"})]
    return next(iter((*named, *(c for c in fitting if c.facet in request.given))), None)


def _clash(request: PlanRequest, place: Place, candidate: Candidate) -> UnsatisfiableError | None:
    """Return why no value of the facet can satisfy the place, None when one may."""
    try:
        conjoin(request.catalogue.get(candidate.facet).schema, demand(place, candidate))
    except UnsatisfiableError as error:
        return error
    return None


def _unmatched(request: PlanRequest, place: Place) -> Diagnostic:
    where = f"the property {place.key!r}" if place.key is not None else "the root"
    clashes = [(c.facet, clash) for c in place.candidates if (clash := _clash(request, place, c))]
    if clashes:
        facet, clash = clashes[0]
        return Diagnostic(
            "facet_contract_conflict",
            f"{where} of the contract fits the facet {facet}, but no value satisfies both: {clash.reason}.",
            facet=facet,
            pointer=_at(place) + clash.pointer,
            suggestion="Change the contract so that it agrees with the facet's schema.",
        )
    return Diagnostic(
        "contract_part_unmatched",
        f"No facet of the catalogue fills {where} of the contract, neither by name nor by shape.",
        pointer=_at(place),
        suggestion="Name the property after a facet (GET /api/v1/flex/facets), or give it the shape of one.",
    )


def _nothing_expected() -> Diagnostic:
    return Diagnostic(
        "no_deliverable",
        "Neither format and instructions of the freeform contract nor channel and objective say what is to be made.",
        pointer="/outputContract",
        suggestion="Set outputContract.expectedFormat or inputs.channel, or use a contract of facets.",
    )


def _at(place: Place) -> str:
    return "/outputContract/schema" + ("" if place.key is None else f"/properties{place.pointer}")
