"""What Celery and its tools get to see of a plan: chords of lanes, their errors, and tasks that Flower finds by run."""

from __future__ import annotations

import base64
import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import httpx2
import pytest
import redis

from app.programs import wait_until
from tasks.dispatch import CORRELATION
from tests.support.crew import CELERY, QUIET, Crew, Member, crew_in
from tests.support.invariants import assert_sound
from tests.support.servers import make_data_dir
from tests.support.stack import Stack, example
from tests.support.visitor import Visitor, told

AI_NODES = {"briefing", "linkedinVariants~a", "linkedinVariants~b", "contentReview~a", "contentReview~b"}
QUEUE = "flex:nodes"


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    folder = make_data_dir()
    with crew_in(folder) as one:
        yield one
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def caller(crew: Crew) -> Iterator[Visitor]:
    with Visitor(f"http://127.0.0.1:{crew.port}") as one:
        yield one


def one_by_one(crew: Crew, **settings: str) -> Member:
    """Start a worker of one thread, which leaves on the queue what it publishes, and gives each node its own task."""
    options = ("-Q", "nodes,bulk", "-P", "threads", "-c", "1", "-n", f"w{len(crew.members)}@%h", *QUIET)
    member = crew.start("worker", *CELERY, "worker", *options, FLEX_LANE_NODES="1", **settings)
    assert wait_until(lambda: " ready." in member.said(), 60), member.said()
    return member


def retire(member: Member) -> None:
    member.send(signal.SIGKILL)
    member.process.wait()


def lanes_on_the_queue(crew: Crew, run_id: str) -> list[dict[str, Any]]:
    """Return the messages of a run's lanes that nobody has taken yet, with their bodies read."""
    with closing(redis.Redis.from_url(crew.servers.redis_url)) as client:
        messages = [json.loads(raw) for raw in client.lrange(QUEUE, 0, -1)]
    found = []
    for message in messages:
        raw = base64.b64decode(message["body"])
        args, kwargs, embedded = json.loads(raw)
        if message["headers"]["task"] == "tasks.walk_lane" and kwargs["run_id"] == run_id:
            found.append({**message, "args": args, "kwargs": kwargs, "embedded": embedded, "size": len(raw)})
    return found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("meanwhile", ["nothing", "a flush"])
def test_the_branches_are_one_chord_whose_join_is_closed_once(
    crew: Crew, caller: Visitor, tmp_path: Any, meanwhile: str
) -> None:
    # Given a worker that dies when it has published the branches of the sample's plan, one task per node,
    # and no sweep that would publish anything beside it
    crew.beat.send(signal.SIGSTOP)
    dying = one_by_one(crew, FLEX_FAULT="after_publish:kill9:2", FLEX_DATA_DIR=str(tmp_path))
    headers = {"X-Correlation-Id": "of the chord"}
    reply = caller.post("/api/v1/flex/runs", example("linkedin"), headers)
    run_id = reply.json()["runId"]
    assert dying.died(60)
    lanes = sorted(lanes_on_the_queue(crew, run_id), key=lambda lane: lane["kwargs"]["node_ids"])
    crew.beat.send(signal.SIGCONT)

    # Then both stand on the queue as members of one chord with one body
    assert [lane["kwargs"]["node_ids"] for lane in lanes] == [["linkedinVariants~a"], ["linkedinVariants~b"]]
    # A lane of two links is a chain, whose last link is the chord's member.
    members = [lane["embedded"]["chain"][0]["options"] for lane in lanes]
    assert [member["chord"]["task"] for member in members] == ["tasks.advance_run"] * 2
    assert len({member["group_id"] for member in members}) == 1
    for lane in lanes:
        embedded = lane["embedded"]
        assert [call["task"] for call in embedded["errbacks"]] == ["tasks.lane_failed"]
        # And each carries ids only, and the correlation id
        assert lane["args"] == []
        assert set(lane["kwargs"]) == {"run_id", "epoch", "node_ids"}
        assert lane["headers"][CORRELATION] == "of the chord"
        assert lane["size"] < 2048

    # When another worker goes on, with the broker's memory or without it
    if meanwhile == "a flush":
        crew.servers.flush_redis()
    worker = one_by_one(crew)
    try:
        caller.wait(run_id, "completed", seconds=60)
    finally:
        retire(worker)

    # Then every node ran once, and the body went on once
    frames = caller.frames(run_id)
    assert_sound(frames)
    assert [f["nodeId"] for f in told(frames, "node_start") if f["nodeId"] == "output"] == ["output"]
    assert len(told(frames, "node_complete")) == 7


@pytest.mark.timeout(180)
@pytest.mark.parametrize("how", ["raise", "memory", "exit"])
def test_a_branch_whose_task_breaks_is_noted_and_the_run_goes_on(
    crew: Crew, caller: Visitor, tmp_path: Any, how: str
) -> None:
    # Given a worker that breaks outside the agent when it has claimed the second branch
    fault = f"after_claim@linkedinVariants~b:{how}"
    worker = one_by_one(crew, FLEX_FAULT=fault, FLEX_DATA_DIR=str(tmp_path))
    try:
        # When the sample runs
        run_id = caller.start(example("linkedin"))
        caller.wait(run_id, "completed", seconds=30)
        # And one more, which finds the worker's only thread free
        caller.wait(caller.start(example("linkedin")), "completed", seconds=30)
        assert worker.alive
    finally:
        retire(worker)

    # Then the lane's error callback has said so, and the branch was done in another attempt
    frames = caller.frames(run_id)
    assert_sound(frames)
    noted = [f["payload"] for f in told(frames, "log") if "nodeIds" in (f.get("payload") or {})]
    assert [payload["nodeIds"] for payload in noted] == [["linkedinVariants~b"]]
    retried = told(frames, "node_retry", "linkedinVariants~b")
    assert [frame["payload"]["reason"] for frame in retried] == ["lease_lost"]


def flower_tasks(stack: Stack, run_id: str) -> dict[str, dict[str, Any]]:
    state = stack.state()
    login = (state["flowerUser"], state["flowerPassword"])
    reply = httpx2.get(
        f"{state['flowerUrl']}/api/tasks", params={"search": run_id}, auth=login, trust_env=False, timeout=20
    )
    assert reply.status_code == 200, reply.text
    return {task: about for task, about in reply.json().items() if about["state"] == "SUCCESS"}


def test_flower_lets_nobody_in_without_the_password(flex_up: Stack) -> None:
    address = f"{flex_up.state()['flowerUrl']}/api/tasks"

    assert httpx2.get(address, trust_env=False).status_code == 401
    assert httpx2.get(address, trust_env=False, auth=("flex", "guess")).status_code == 401


def test_flower_finds_the_tasks_of_a_run_by_its_id(flex_up: Stack, visitor: Visitor) -> None:
    # Given a finished run and another one
    run_id = visitor.start(example("linkedin"))
    visitor.start(example("linkedin"))
    visitor.wait(run_id, "completed")

    # Then Flower finds its plan and its published branch, and nothing of the other
    def names() -> list[str]:
        return sorted(about["name"] for about in flower_tasks(flex_up, run_id).values())

    assert wait_until(lambda: {"tasks.plan_run", "tasks.walk_lane"} <= set(names()), 20), names()
    for about in flower_tasks(flex_up, run_id).values():
        assert run_id in about["kwargs"]


@pytest.mark.timeout(180)
def test_with_one_task_per_node_flower_shows_every_node(start_stack: Callable[..., Stack]) -> None:
    # Given a stack that gives each node a task of its own
    stack = start_stack(FLEX_LANE_NODES="1")

    # When the sample has run
    with Visitor(stack.url) as visitor:
        _, frames = visitor.stream(example("linkedin"))
    assert_sound(frames)

    # Then each AI node stands in the arguments of exactly one task
    def lanes() -> list[str]:
        tasks = flower_tasks(stack, frames[0]["runId"]).values()
        return [about["kwargs"] for about in tasks if about["name"] == "tasks.walk_lane"]

    assert wait_until(lambda: len(lanes()) >= len(AI_NODES), 20), lanes()
    for node in AI_NODES:
        assert len([kwargs for kwargs in lanes() if f"'{node}'" in kwargs]) == 1, (node, lanes())
