"""What a node sees: nearest ancestors first, strangers never, joins as lists with labels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planner.plan.graph import Node, PlanGraph
from planner.progress.bundle import inputs_for, inputs_of, source_ids, visible_values
from tests.support.bundles import bundle_for
from tests.support.factories import make_node, make_plan, plans


def maker(name: str, facet: str = "text", branch: str | None = None) -> Node:
    return make_node(name, makes=[facet], branch=branch)


def seen(plan: PlanGraph, node_id: str, given: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what a node sees when every node has written its own id under each of its facets."""
    outputs = {n.id: dict.fromkeys(n.output_facets, n.id) for n in plan.nodes}
    return visible_values(plan, node_id, given or {}, outputs)


def test_a_root_sees_what_the_envelope_gave() -> None:
    assert seen(make_plan([maker("a")]), "a", {"brief": "x"}) == {"brief": "x"}


def test_an_ancestor_is_nearer_than_the_envelope() -> None:
    plan = make_plan([maker("a"), maker("b", "other")], [("a", "b")])
    assert seen(plan, "b", {"text": "given", "brief": "x"}) == {"text": "a", "brief": "x"}


def test_the_nearest_ancestor_wins() -> None:
    plan = make_plan([maker("a"), maker("b"), maker("c", "other")], [("a", "b"), ("b", "c")])
    assert seen(plan, "c") == {"text": "b"}


def test_a_later_value_hides_an_earlier_one_even_where_both_have_an_edge_to_the_node() -> None:
    plan = make_plan([maker("a"), maker("b"), maker("c", "other")], [("a", "b"), ("b", "c"), ("a", "c")])
    assert seen(plan, "c") == {"text": "b"}


def test_siblings_do_not_see_each_other() -> None:
    nodes = [maker("root", "brief"), maker("a", branch="a"), maker("b", branch="b")]
    plan = make_plan(nodes, [("root", "a"), ("root", "b")])
    assert seen(plan, "a") == {"brief": "root"}
    assert seen(plan, "b") == {"brief": "root"}


def test_a_join_sees_a_list_with_the_labels_of_the_branches() -> None:
    # Given branches that are declared in one order and joined in another
    nodes = [maker("a", branch="a"), maker("b", branch="b"), maker("join", "whole")]
    plan = make_plan(nodes, [("b", "join"), ("a", "join")])
    # Then the join sees them in the order of the plan
    assert seen(plan, "join") == {"text": [{"branch": "a", "value": "a"}, {"branch": "b", "value": "b"}]}


def test_what_each_branch_mended_replaces_what_it_wrote_first() -> None:
    nodes = [maker(n, branch=n[0]) for n in ("a1", "a2", "b1")]
    plan = make_plan([*nodes, maker("join", "whole")], [("a1", "a2"), ("a2", "join"), ("b1", "join")])
    assert [entry["value"] for entry in seen(plan, "join")["text"]] == ["a2", "b1"]


def test_a_value_from_before_the_fork_is_no_list_behind_the_join() -> None:
    nodes = [maker("root"), maker("a", "left"), maker("b", "right"), maker("join", "whole")]
    plan = make_plan(nodes, [("root", "a"), ("root", "b"), ("a", "join"), ("b", "join")])
    assert seen(plan, "join") == {"text": "root", "left": "a", "right": "b"}


def test_a_facet_that_one_branch_left_out_is_seen_from_the_other() -> None:
    plan = make_plan(
        [maker("a", branch="a"), maker("b", branch="b"), maker("join", "whole")], [("a", "join"), ("b", "join")]
    )
    assert visible_values(plan, "join", {}, {"a": {"text": "a"}, "b": {}}) == {"text": "a"}


def test_a_node_gets_the_inputs_that_it_declares_and_no_others() -> None:
    node = make_node("n", needs=["brief", "absent"], optional_input_facets=("tone", "missing"))
    assert inputs_for(node, {"brief": 1, "tone": 2, "secret": 3}) == {"brief": 1, "tone": 2}


def test_what_gives_nothing_that_a_node_takes_is_none_of_its_sources() -> None:
    nodes = [maker("a", "brief"), maker("b", "text"), make_node("c", needs=["text"], optional_input_facets=("tone",))]
    plan = make_plan(nodes, [("a", "b"), ("b", "c")])
    assert source_ids(plan, "c") == ("b",)
    assert source_ids(plan, "b") == ()
    assert inputs_of(plan, "c", {"tone": "calm", "brief": "x"}, {"b": {"text": "b"}}) == {"tone": "calm", "text": "b"}


@st.composite
def plans_with_outputs(draw: st.DrawFn) -> tuple[PlanGraph, dict[str, dict[str, Any]]]:
    """Draw a plan whose nodes take and make a few facets, and what they made of them."""
    facets = st.lists(st.sampled_from("abc"), unique=True, max_size=3)
    names = [f"n{index}" for index in range(draw(st.integers(1, 6)))]
    pairs = [(a, b) for position, b in enumerate(names) for a in names[:position]]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    nodes = [
        make_node(n, makes=draw(facets), needs=draw(facets), optional_input_facets=tuple(draw(facets))) for n in names
    ]
    outputs = {n.id: dict.fromkeys(draw(st.sets(st.sampled_from(n.output_facets or [""]))), n.id) for n in nodes}
    return make_plan(nodes, edges), outputs


@given(plans_with_outputs(), st.sets(st.sampled_from("abc")))
def test_a_node_takes_the_same_whether_all_is_read_or_its_sources_alone(
    made: tuple[PlanGraph, dict[str, dict[str, Any]]], names: set[str]
) -> None:
    (plan, outputs), envelope = made, dict.fromkeys(names, "given")
    for node in plan.nodes:
        read = {source: outputs[source] for source in source_ids(plan, node.id)}
        of_all = inputs_for(node, visible_values(plan, node.id, envelope, outputs))
        assert inputs_of(plan, node.id, envelope, read) == inputs_of(plan, node.id, envelope, outputs) == of_all


@given(plans())
def test_only_ancestors_are_ever_seen(plan: PlanGraph) -> None:
    for node_id in plan.order:
        producers = {value for value in seen(plan, node_id).values() if isinstance(value, str)}
        assert producers <= set(plan.ancestors(node_id))


def test_a_crash_repeats_the_idempotency_key_and_a_repair_changes_it() -> None:
    first = bundle_for()
    assert first.idempotency_key == "run_1:linkedinVariants~a:1:0"
    assert replace(first, attempt=2).idempotency_key == first.idempotency_key
    assert replace(first, attempt=2, repair=1).idempotency_key == "run_1:linkedinVariants~a:1:1"
