"""Which way a routing node takes, and what is passed over with the others."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planner.plan.graph import Edge, PlanGraph
from planner.progress.routing import conditions_payload, route
from tests.support.factories import make_plan, make_virtual


def condition(facet: str, value: Any) -> dict[str, Any]:
    path = f"metadata.runContextSnapshot.facets.{facet}.value"
    return {"dsl": f"facets.{facet} == {value!r}", "jsonLogic": {"==": [{"var": path}, value]}}


def plan_with(routes: list[tuple[str, Any]], else_to: str | None = None) -> PlanGraph:
    """Return a plan that routes on the facet `tone` to a, b and c; b leads on through d; all meet in z."""
    told = {"routes": [{"to": to, "condition": condition("tone", value)} for to, value in routes], "elseTo": else_to}
    routing = make_virtual("way", kind="routing", routing=told, metadata={})
    edges = [("way", "a"), ("way", "b"), ("way", "c"), ("b", "d"), ("a", "z"), ("d", "z"), ("c", "z")]
    return make_plan([routing, "a", "b", "c", "d", "z"], edges)


def test_the_first_route_whose_condition_holds_is_taken() -> None:
    plan = plan_with([("a", "bold"), ("b", "calm"), ("c", "calm")])
    routed = route(plan, "way", {"tone": "calm"}, {})
    assert (routed.selected, routed.resolution) == ("b", "match")
    assert [trace["matched"] for trace in routed.traces] == [False, True, True]


def test_what_only_a_way_not_taken_leads_to_is_passed_over_too() -> None:
    routed = route(plan_with([("a", "bold")], else_to="c"), "way", {"tone": "bold"}, {})
    assert routed.skipped == ("b", "c", "d")


def test_where_no_condition_holds_the_other_way_is_taken() -> None:
    routed = route(plan_with([("a", "bold")], else_to="c"), "way", {"tone": "calm"}, {})
    assert (routed.selected, routed.resolution, routed.skipped) == ("c", "else", ("a", "b", "d"))


def test_without_another_way_the_plan_is_to_be_made_anew() -> None:
    routed = route(plan_with([("a", "bold")]), "way", {}, {})
    assert (routed.selected, routed.resolution, routed.skipped) == (None, "replan", ())


def test_conditions_may_look_at_the_run() -> None:
    cheap = {"to": "a", "condition": {"dsl": "run.cost < 1", "jsonLogic": {"<": [{"var": "run.cost"}, 1]}}}
    routing = make_virtual("way", kind="routing", routing={"routes": [cheap], "elseTo": "b"}, metadata={})
    plan = make_plan([routing, "a", "b"], [("way", "a"), ("way", "b")])
    assert route(plan, "way", {}, {"cost": 0.5}).selected == "a"
    assert route(plan, "way", {}, {"cost": 2}).selected == "b"
    assert conditions_payload({}, {"cost": 2})["run"] == {"cost": 2}


@given(values=st.dictionaries(st.just("tone"), st.sampled_from(["bold", "calm", 3, None])), other=st.booleans())
def test_a_node_is_taken_or_passed_over_and_what_is_joined_stays(values: dict[str, Any], *, other: bool) -> None:
    plan = plan_with([("a", "bold"), ("b", "calm")], else_to="c" if other else None)
    routed = route(plan, "way", values, {})
    if routed.selected is None:
        assert routed.skipped == ()
        return
    assert routed.selected not in routed.skipped
    assert "z" not in routed.skipped
    assert {"a", "b", "c"} - set(routed.skipped) == {routed.selected}


def test_an_edge_more_to_the_chosen_way_changes_nothing() -> None:
    plan = plan_with([("a", "bold")], else_to="c")
    doubled = PlanGraph(1, plan.nodes, (*plan.edges, Edge("way", "a", "bold")), plan.metadata)
    assert route(doubled, "way", {"tone": "bold"}, {}) == route(plan, "way", {"tone": "bold"}, {})
