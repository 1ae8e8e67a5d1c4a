"""Take one of a routing node's ways: the first whose condition holds, else its other way, else none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from planner.plan.graph import PlanGraph
from policies.conditions import evaluate


@dataclass(frozen=True, slots=True)
class Routed:
    """The way taken, None when there is none; `skipped` are the nodes that only lead on from ways not taken.

    `traces` say of every route whether it matched and which values its condition looked at.
    """

    selected: str | None
    resolution: Literal["match", "else", "replan"]
    traces: tuple[Mapping[str, Any], ...]
    skipped: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "resolution": self.resolution,
            "selectedTarget": self.selected,
            "traces": [dict(trace) for trace in self.traces],
            "skipped": list(self.skipped),
        }


def route(plan: PlanGraph, node_id: str, values: Mapping[str, Any], run: Mapping[str, Any]) -> Routed:
    """Return which way is taken, given the facet values that the node sees and what conditions may read of the run.

    Every condition is evaluated, so that the traces are whole; one that cannot be decided does not hold.
    """
    routing = plan.node(node_id).routing or {"routes": []}
    payload = conditions_payload(values, run)
    traces: list[dict[str, Any]] = []
    selected: str | None = None
    for entry in routing["routes"]:
        verdict = evaluate(entry["condition"]["jsonLogic"], payload)
        selected = entry["to"] if selected is None and verdict.satisfied else selected
        told = {"to": entry["to"], "matched": verdict.satisfied, "dsl": entry["condition"].get("dsl")}
        reason = {"error": verdict.reason} if verdict.reason else {}
        label = {"label": entry["label"]} if "label" in entry else {}
        traces.append({**told, **label, **reason, "resolvedVariables": verdict.observed})
    if selected is not None:
        return Routed(selected, "match", tuple(traces), _passed_over(plan, node_id, selected))
    otherwise = routing.get("elseTo")
    if otherwise is not None:
        return Routed(otherwise, "else", tuple(traces), _passed_over(plan, node_id, otherwise))
    return Routed(None, "replan", tuple(traces))


def conditions_payload(values: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what conditions look into: facets under the run's context snapshot, signals of the run under `run`."""
    facets = {facet: {"value": value} for facet, value in values.items()}
    return {"run": dict(run), "metadata": {"runContextSnapshot": {"facets": facets}}}


def _passed_over(plan: PlanGraph, node_id: str, selected: str) -> tuple[str, ...]:
    """Return the ways not taken and every node all of whose parents are passed over, parents first."""
    skipped = {child for child in plan.children(node_id) if child != selected}
    for later in plan.order:
        parents = plan.parents(later)
        if later not in skipped and parents and skipped.issuperset(parents):
            skipped.add(later)
    return tuple(node for node in plan.order if node in skipped)
