"""Version n+1 from version n: what stays, what goes on, what is made anew."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from planner.plan.delta import ENDED, FINISHED, Delta, is_new, next_version, waiting_counts
from planner.plan.diff import diff_plans
from planner.plan.graph import PlanGraph
from planner.plan.identity import Identity
from planner.progress.state import NODE_STATUSES
from tests.support.factories import make_chain, make_diamond, make_node, make_plan, make_virtual, plans
from tests.support.planning import linkedin, plan_for


@st.composite
def changes(draw: st.DrawFn) -> tuple[PlanGraph, PlanGraph, dict[str, str]]:
    """Draw a plan, a proposal that shares some of its nodes, and the rows of the run, earlier versions' too."""
    previous, proposed = draw(plans()), draw(plans())
    rows = {f"n{index}": draw(st.sampled_from(NODE_STATUSES)) for index in range(7)}
    known = {name: rows[name] for name in rows if previous.find(name) or draw(st.booleans())}
    # A row of an earlier version that this version dropped has ended there.
    return previous, proposed, {n: s if previous.find(n) else "cancelled" for n, s in known.items()}


def statuses_of(plan: PlanGraph, **others: str) -> dict[str, str]:
    return {node.id: others.get(node.id, "pending") for node in plan.nodes}


@given(changes())
def test_finished_work_stands_as_it_was(drawn: tuple[PlanGraph, PlanGraph, dict[str, str]]) -> None:
    previous, proposed, statuses = drawn

    delta = next_version(previous, proposed, statuses)

    for node in previous.nodes:
        if statuses[node.id] == "completed" and not node.virtual:
            assert delta.plan.find(node.id) == node
            assert node.id in delta.locked
    assert all(delta.plan.node(name) == previous.node(name) for name in delta.locked)


@given(changes())
def test_what_has_ended_never_comes_back(drawn: tuple[PlanGraph, PlanGraph, dict[str, str]]) -> None:
    previous, proposed, statuses = drawn

    held = {node.id for node in next_version(previous, proposed, statuses).plan.nodes}

    assert not held & {name for name, status in statuses.items() if status in ENDED}
    assert not held & (statuses.keys() - {node.id for node in previous.nodes})


@given(changes(), st.randoms())
def test_a_delta_depends_on_nothing_but_what_the_plans_say(
    drawn: tuple[PlanGraph, PlanGraph, dict[str, str]], random: Random
) -> None:
    previous, proposed, statuses = drawn
    nodes, edges = list(proposed.nodes), list(proposed.edges)
    random.shuffle(nodes)
    random.shuffle(edges)
    shuffled = replace(proposed, nodes=tuple(nodes), edges=tuple(edges))

    first, second = next_version(previous, proposed, statuses), next_version(previous, proposed, statuses)
    moved = next_version(previous, shuffled, statuses)

    assert (first.plan, first.diff, first.waiting) == (second.plan, second.diff, second.waiting)
    assert not is_new(first.plan, moved.plan)
    assert (moved.locked, moved.replaced) == (first.locked, first.replaced)


@given(changes())
def test_every_open_node_waits_for_its_unsettled_parents(drawn: tuple[PlanGraph, PlanGraph, dict[str, str]]) -> None:
    previous, proposed, statuses = drawn

    delta = next_version(previous, proposed, statuses)

    assert delta.waiting.keys() == {node.id for node in delta.plan.nodes}
    for name, count in delta.waiting.items():
        assert count == sum(parent not in delta.locked for parent in delta.plan.parents(name))
    # And somebody can start, unless all is done
    assert delta.locked == delta.waiting.keys() or any(
        not count for name, count in delta.waiting.items() if name not in delta.locked
    )


@given(changes())
def test_a_version_accounts_for_every_node_of_the_one_before_it(
    drawn: tuple[PlanGraph, PlanGraph, dict[str, str]],
) -> None:
    previous, proposed, statuses = drawn

    delta = next_version(previous, proposed, statuses)

    held = {node.id for node in delta.plan.nodes}
    assert {node.id for node in previous.nodes} == (held & {n.id for n in previous.nodes}) | set(delta.retired)
    assert set(delta.replaced) <= set(delta.retired)
    assert set(delta.replaced.values()) <= held
    assert delta.plan.version == previous.version + 1
    assert set(delta.diff.removed) == set(delta.retired)


@given(plans(), st.data())
def test_the_same_plan_again_is_not_new(plan: PlanGraph, data: st.DataObject) -> None:
    # Given any plan of which parents finish before their children
    done: dict[str, str] = {}
    for name in plan.order:
        ready = all(done[parent] == "completed" for parent in plan.parents(name))
        done[name] = data.draw(st.sampled_from(["completed", "pending", "running"])) if ready else "pending"

    delta = next_version(plan, plan, done)

    assert not is_new(plan, delta.plan)
    assert delta.diff.empty
    assert not delta.retired


def test_a_finished_node_does_not_run_again_because_its_position_moved() -> None:
    # Given a chain of which two are done, and a proposal that lists a further node first
    previous = make_chain("brief", "write", "review")
    more = make_plan(
        ["research", "review", "write", "brief"],
        [("research", "write"), ("brief", "write"), ("write", "review")],
        output=["review_text"],
    )
    # When the proposal becomes the next version
    delta = next_version(previous, more, statuses_of(previous, brief="completed", write="completed"))
    # Then those two are locked, the new one runs, the last one waits for the one that it waits for
    assert delta.locked == {"brief", "write"}
    assert delta.diff.added == ("research",)
    assert delta.waiting == {"research": 0, "brief": 0, "write": 1, "review": 0}


def test_a_cancelled_node_that_is_wanted_again_is_another_generation() -> None:
    previous = make_chain("brief", "write")

    delta = next_version(previous, previous, statuses_of(previous, brief="completed", write="cancelled"))

    assert delta.replaced == {"write": "write.r2"}
    assert delta.retired == ("write",)
    assert delta.plan.parents("write.r2") == ("brief",)
    # And a row of an even earlier version is never taken for it
    rows = {"brief": "completed", "write.r2": "error", "write": "cancelled"}
    further = next_version(delta.plan, previous, rows)
    assert [node.id for node in further.plan.nodes] == ["brief", "write.r3"]


def test_a_node_that_an_earlier_version_dropped_comes_back_under_a_new_id() -> None:
    previous, wanted = make_chain("brief"), make_chain("brief", "write")

    delta = next_version(previous, wanted, {"brief": "completed", "write": "cancelled"})

    assert delta.diff.added == ("write.r2",)


def test_what_is_to_be_done_again_takes_its_readers_with_it() -> None:
    # Given a brief, two texts of which one reads it, all done, and the loop's own result
    nodes = [
        make_node("brief", makes=["outline"]),
        make_node("write", makes=["post"], needs=["outline"]),
        make_node("draw", makes=["picture"]),
        make_virtual("output", kind="transformation", input_facets=("post", "picture")),
    ]
    edges = [("brief", "write"), ("brief", "draw"), ("write", "output"), ("draw", "output")]
    plan = make_plan(nodes, edges, output=["post"])
    done = dict.fromkeys((node.id for node in nodes), "completed")
    # When the brief is to be done again
    delta = next_version(plan, plan, done, redo=["brief"])
    # Then what read it, and the result, are made again too; what merely came after it stands
    assert delta.replaced == {"brief": "brief.r2", "write": "write.r2", "output": "output.r2"}
    assert delta.locked == {"draw"}
    assert is_new(plan, delta.plan)


def test_references_follow_the_nodes_that_they_name() -> None:
    # Given the LinkedIn plan, run to its end, of which one writer is to write again
    plan = plan_for(linkedin())
    done = dict.fromkeys(plan.order, "completed")

    delta = next_version(plan, plan, done, redo=["linkedinVariants~a"])

    # Then branch, review and result are those of the new generation, and say so
    assert delta.replaced["linkedinVariants~a"] == "linkedinVariants~a.r2"
    output = delta.plan.node(delta.plan.metadata["output"]["nodeId"])
    assert output.id == "output.r2"
    assert output.transform is not None
    sources = [source["nodeIds"] for source in output.transform["provenance"].values()]
    assert sources == [["linkedinVariants~a.r2", "linkedinVariants~b"]]
    # And the sibling and the brief are left alone
    assert {"briefing", "linkedinVariants~b", "contentReview~b"} <= delta.locked


def test_a_route_that_was_passed_over_stays_so_while_its_routing_stands() -> None:
    # Given a routing that took the left way
    fork = make_virtual("fork", kind="routing", routing={"routes": [{"to": "left"}], "elseTo": "right"})
    plan = make_plan([fork, "left", "right"], [("fork", "left"), ("fork", "right")], output=["left_text"])
    states = {"fork": "completed", "left": "running", "right": "skipped"}

    # Then another version leaves it there, and one whose routing changed decides anew
    assert {"fork", "right"} == next_version(plan, plan, states).locked
    turned = make_plan(
        [replace(fork, routing={"routes": [{"to": "right"}], "elseTo": "left", "why": "x"}), "left", "right"],
        [("fork", "left"), ("fork", "right")],
        output=["left_text"],
    )
    delta = next_version(plan, turned, states)
    assert delta.replaced == {"fork": "fork.r2", "right": "right.r2"}
    assert delta.plan.node("fork.r2").routing == {"routes": [{"to": "right.r2"}], "elseTo": "left", "why": "x"}


def test_equals_on_one_path_are_matched_one_by_one() -> None:
    # Given two nodes of the same kind of which the first is gone
    base = make_node("write", makes=["post"])
    second = replace(base, identity=replace(base.identity, ordinal=2))
    previous = make_plan([second], output=["post"])

    delta = next_version(previous, make_plan([base], output=["post"]), {"write-2": "completed"})

    assert delta.locked == {"write-2"}
    assert delta.diff.empty


def test_a_changed_promise_of_a_node_that_has_not_run_is_taken_over() -> None:
    old = make_node("write", makes=["post"])
    schema = {**old.output_schema, "properties": {"post": {"type": "string", "minLength": 30}}}
    previous, proposed = make_plan([old], output=["post"]), make_plan([replace(old, output_schema=schema)])

    delta = next_version(previous, proposed, {"write": "pending"})

    assert delta.plan.node("write").output_schema == schema
    assert [change.as_json() for change in delta.diff.changed] == [
        {"nodeId": "write", "members": [], "contracts": {"output": "strengthened"}}
    ]
    assert delta.as_json()["locked"] == []


def test_other_facets_make_another_node_whatever_its_id() -> None:
    old = make_node("write", makes=["post"])
    new = replace(old, identity=Identity("write", output_facets=("post", "title")), output_facets=("post", "title"))

    delta = next_version(make_plan([old]), make_plan([new]), {"write": "completed"})

    assert delta.locked == {"write"}
    assert delta.diff.added == ("write.r2",)


def test_counts_are_of_parents_that_have_not_settled() -> None:
    plan = make_diamond(("a", "b", "c"))

    assert waiting_counts(plan, {"first", "b"}) == {"first": 0, "a": 0, "b": 0, "c": 0, "last": 2}


def test_statuses_are_the_run_loops_own() -> None:
    assert set(NODE_STATUSES) >= FINISHED | ENDED


def test_a_version_stands_on_the_one_before_it() -> None:
    plan: PlanGraph = make_chain("a", "b")
    deltas: list[Delta] = []
    for _ in range(3):
        deltas.append(next_version(plan, plan, statuses_of(plan)))
        plan = deltas[-1].plan

    assert [delta.plan.version for delta in deltas] == [2, 3, 4]
    assert all(diff_plans(a.plan, b.plan).empty for a, b in pairwise(deltas))
