"""The run loop from envelope to `complete` when nothing goes wrong."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from models.settings import get_settings
from planner.contracts.json_schema import validator_for
from tests.support.envelopes import linkedin_envelope, variants_contract
from tests.support.factories import make_chain, make_diamond, make_node, make_plan, make_virtual
from tests.support.invariants import assert_sound
from tests.support.loop import Loop


def types_of(loop: Loop, run_id: str) -> list[str]:
    return [frame["type"] for frame in loop.frames(run_id)]


def starts(loop: Loop, run_id: str) -> list[str]:
    return [frame["nodeId"] for frame in loop.told(run_id, "node_start")]


@pytest.mark.parametrize("name", ["copyVariants", "variants"])
def test_an_envelope_ends_in_a_result_that_fits_its_contract(loop: Loop, name: str) -> None:
    # Given an envelope that names its list as the caller likes
    contract = variants_contract(name)
    run_id = loop.submit(linkedin_envelope(outputContract=contract))
    # When the messages are delivered
    loop.drain()
    # Then the run is completed and its log is sound, in the order of a happy path
    frames = loop.frames(run_id)
    assert_sound(frames)
    assert types_of(loop, run_id)[:4] == ["start", "plan_requested", "plan_generated", "plan_branch"]
    assert set(types_of(loop, run_id)[4:-1]) == {"node_start", "node_complete"}
    # And the result fits, in the frame and in the store alike
    output = frames[-1]["payload"]["output"]
    assert validator_for(contract["schema"]).is_valid(output)
    assert len(output[name]) == 2
    # And the run says so and waits for nothing
    run = loop.run(run_id)
    assert (run.status, run.reason, run.wake_at, run.waiting_for) == ("completed", None, None, None)
    assert run.finished_at is not None
    assert run.last_seq == len(frames)


def test_every_frame_carries_run_correlation_and_version(loop: Loop) -> None:
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    frames = loop.frames(run_id)
    assert {(f["runId"], f["correlationId"]) for f in frames} == {(run_id, "corr-1")}
    assert [f["planVersion"] for f in frames[:2]] == [0, 0]
    assert {f["planVersion"] for f in frames[2:]} == {1}
    assert all(left["timestamp"] <= right["timestamp"] for left, right in pairwise(frames))


def test_a_linear_plan_costs_one_message(loop: Loop) -> None:
    run_id = loop.install(make_chain("a", "b", "c", "d"))
    loop.drain()
    assert loop.run(run_id).status == "completed"
    assert [message.task for message in loop.published] == ["tasks.advance_run"]


def test_a_node_sees_what_came_before_it_and_what_the_envelope_gave(loop: Loop) -> None:
    edges = [("first", "left"), ("first", "right"), ("left", "last"), ("right", "last")]
    nodes = [
        make_node("first", makes=["start"], needs=["brief"]),
        make_node("left", makes=["text"], needs=["start"], branch="a"),
        make_node("right", makes=["text"], needs=["start"], branch="b"),
        make_node("last", makes=["end"], needs=["text", "brief"]),
    ]
    run_id = loop.install(make_plan(nodes, edges, output=["end"]), values={"brief": "be short", "secret": "x"})
    loop.drain()
    inputs = {bundle.node_id: dict(bundle.inputs) for bundle in loop.agents.bundles}
    written = {node_id: node["output"] for node_id, node in loop.nodes(run_id).items()}
    assert inputs["first"] == {"brief": "be short"}
    assert inputs["left"] == inputs["right"] == {"start": written["first"]["start"]}
    assert inputs["last"]["brief"] == "be short"
    assert [entry["branch"] for entry in inputs["last"]["text"]] == ["a", "b"]


def test_a_worker_keeps_one_ready_lane_and_publishes_the_others(loop: Loop) -> None:
    run_id = loop.install(make_diamond(("b1", "b2", "b3")))
    loop.drain()
    assert loop.run(run_id).status == "completed"
    walked = [message.ids["node_ids"] for message in loop.published if message.task == "tasks.walk_lane"]
    assert walked == [["b2"], ["b3"]]


@pytest.mark.parametrize("limit", [1, 2])
def test_a_long_lane_is_walked_link_by_link_with_one_message_per_link(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    # Given lanes of at most so many nodes
    monkeypatch.setenv("FLEX_LANE_NODES", str(limit))
    get_settings.cache_clear()
    names = [f"n{number}" for number in range(8)]
    # When a plan of eight nodes in a row runs
    run_id = loop.install(make_chain(*names))
    loop.drain()
    # Then each node ran once, in order, and no message was published twice
    assert_sound(loop.frames(run_id))
    assert starts(loop, run_id) == names
    walked = [message.ids["node_ids"] for message in loop.published if message.task == "tasks.walk_lane"]
    assert walked == [names[at : at + limit] for at in range(0, 8, limit)]


def test_workers_side_by_side_close_every_join_once(loop: Loop) -> None:
    # Given three stages of four branches each, walked by six workers at once
    nodes: list[Any] = [make_virtual("fork")]
    edges: list[tuple[str, str]] = []
    before = "fork"
    for stage in range(3):
        branches = [f"s{stage}b{number}" for number in range(4)]
        nodes += [*branches, f"join{stage}"]
        edges += [(before, b) for b in branches] + [(b, f"join{stage}") for b in branches]
        before = f"join{stage}"
    run_id = loop.install(make_plan(nodes, edges, output=["join2_text"]))
    # When everybody takes what is there
    loop.drain_in_threads(6)
    # Then the run is completed, its log without gaps, and every node has one result
    assert_sound(loop.frames(run_id))
