"""What a run knows beyond its envelope, as the planner takes it: choices that people made, directions, measurements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.repositories.runs import Run
from models.unit_of_work import UnitOfWork
from planner.assembly.request import Directions, Situation


def situation_of(unit: UnitOfWork, run: Run, known: Mapping[str, Any], finished: Iterable[str] = ()) -> Situation:
    """Return the situation of a run from what it has stored about it (see `situation_after`).

    `finished` are the capabilities of nodes whose work is to be kept.
    """
    return Situation(
        measured=unit.measured.snapshot(),
        finished=frozenset(finished),
        accepted=frozenset(known.get("accepted", ())),
        directions=_directions(unit, run, known.get("directions")),
        unrouted=bool(known.get("unrouted")),
    )


def _directions(unit: UnitOfWork, run: Run, place: Mapping[str, Any] | None) -> Directions | None:
    """Return what an upstream node returned; None once its work is to be done again."""
    if place is None:
        return None
    output = unit.nodes.outputs(run.run_id, [place["nodeId"]]).get(place["nodeId"])
    if output is None:
        return None
    return Directions(place["facet"], place["nodeId"], tuple(output[place["facet"]]))
