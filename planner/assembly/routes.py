"""Routing that an envelope asks for: several ways to the result, of which the first whose condition holds is taken.

`policies.planner.directives.routing` is {routes: [{to, condition | if, label?}], elseTo?}; `to` and `elseTo` name
capabilities, a condition is a text or {dsl, jsonLogic}. Without `elseTo` a run that no route fits plans anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.assembly.diagnostics import Diagnostic, PlanRejectedError
from planner.contracts.facets import FacetCatalogue
from planner.vocabulary import vocabulary_of
from policies.clauses import Clause, check_clause
from policies.errors import Problem
from policies.policy import PlannerPolicy
from policies.shape import ObjectReader

PLACE = "/policies/planner/directives/routing"


@dataclass(frozen=True, slots=True)
class Route:
    """Take `to` when the condition holds."""

    to: str
    condition: Clause
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """Routes in the order in which they are tried, and where to go when none fits."""

    routes: tuple[Route, ...]
    else_to: str | None = None

    @property
    def ways(self) -> tuple[str, ...]:
        """The capabilities that the routes lead to, each once."""
        named = [route.to for route in self.routes]
        return tuple(dict.fromkeys([*named, self.else_to] if self.else_to else named))

    def as_json(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """Return the routing of a node; `ids` gives the node of each way."""
        return {
            "routes": [
                {
                    "to": ids[route.to],
                    "condition": {
                        "dsl": route.condition.dsl,
                        "canonicalDsl": route.condition.canonical_dsl,
                        "jsonLogic": route.condition.json_logic,
                        "warnings": [dict(w) for w in route.condition.warnings],
                        "variables": list(route.condition.variables),
                    },
                    **({"label": route.label} if route.label else {}),
                }
                for route in self.routes
            ],
            "elseTo": ids[self.else_to] if self.else_to else None,
        }


def read_routing(policy: PlannerPolicy, catalogue: FacetCatalogue) -> Routing | None:
    """Return the routing that the directives ask for, None if they ask for none.

    Raises PlanRejectedError with everything that is wrong with it.
    """
    raw = policy.directives.get("routing")
    if raw is None:
        return None
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, PLACE, problems)
    routes = tuple(_routes(reader, catalogue)) if reader else ()
    else_to = reader.text("elseTo") if reader else None
    if reader is not None:
        reader.close()
        if not routes and not problems:
            reader.report("routes", "needs at least one route", "required")
    if problems:
        raise PlanRejectedError(_told(problem) for problem in problems)
    return Routing(routes, else_to)


def _routes(reader: ObjectReader, catalogue: FacetCatalogue) -> Iterator[Route]:
    for raw, at in reader.items("routes"):
        one = ObjectReader.of(_spelled_out(raw), at, reader.problems)
        if one is None:
            continue
        to, label = one.text("to", required=True), one.text("label")
        condition = check_clause(one, "condition", vocabulary=vocabulary_of(catalogue), required=True)
        one.close()
        if to is not None and condition is not None:
            yield Route(to, condition, label)


def _spelled_out(raw: Any) -> Any:
    """Return a route with `condition` for `if`, and {dsl} for a bare text."""
    if not isinstance(raw, dict):
        return raw
    body = {("condition" if key == "if" and "condition" not in raw else key): value for key, value in raw.items()}
    if isinstance(body.get("condition"), str):
        body["condition"] = {"dsl": body["condition"]}
    return body


def _told(problem: Problem) -> Diagnostic:
    return Diagnostic(
        "routing_invalid",
        f"The routing that the directives ask for is not valid: {problem.message}",
        pointer=problem.pointer,
        suggestion="Give routes: [{to, condition}] and, if you like, elseTo.",
    )
