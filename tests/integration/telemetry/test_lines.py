"""What a run leaves in the log: the same lines each time, in the order of its frames, and nobody's words.

The files in `snapshots/` fix the lines. After a change that is meant, delete the file; the test then writes it anew and
fails once, so that somebody looks at it. What else changes with a line: docs/howto/dashboards.md.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from models.catalogue import catalogue
from models.events.frames import Draft
from models.telemetry import observe
from models.unit_of_work import open_unit
from planner.contracts.capabilities import check_registration
from planner.plan.delta import next_version
from planner.plan.graph import NodeContract
from tasks.agents.base import AgentRefusedError, AgentResult, HitlAsk
from tests.support.envelopes import NEVER_ASK, linkedin_envelope, writer_registration
from tests.support.factories import make_chain, make_node, make_plan
from tests.support.lines import Line, Lines, captured
from tests.support.loop import Loop, dies, gives, raises

SNAPSHOTS = Path(__file__).parent / "snapshots"
CHANGING = (
    "timestamp",
    "run_id",
    "request_id",
    "duration_ms",
    "score",
    "prompt_tokens",
    "completion_tokens",
)
NODE_FACTS = {"correlation_id": "corr-1", "tenant": "default", "kind": "execution", "level": "info"}
FRAMES = re.compile(r"flex_(?!run_status|hitl_pause|capability_|metric|telemetry_)")


def assert_as_before(name: str, lines: Lines) -> None:
    """Hold the lines of `flex` against the snapshot, with what differs from run to run left out."""
    told = [
        json.dumps(_steady(line), sort_keys=True, ensure_ascii=False)
        for line in lines.all()
        if line["logger"] == "flex"
    ]
    text = "\n".join(told) + "\n"
    path = SNAPSHOTS / f"{name}.jsonl"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} did not exist and has been written; look at it")
    assert text.splitlines() == path.read_text(encoding="utf-8").splitlines()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: "…" if k in CHANGING and v is not None else _steady(v) for k, v in value.items()}
    return [_steady(one) for one in value] if isinstance(value, list) else value


def of_frames(lines: Lines) -> list[Line]:
    return [line for line in lines.all() if "seq" in line]


def test_the_lines_of_a_happy_run(loop: Loop, lines: Lines) -> None:
    # Given two writers of which one is better, and nobody else
    with open_unit(None) as unit:
        unit.capabilities.retire_builtins(set())
    with open_unit() as unit:
        for name, tier in (("yard.writer", "low"), ("yard.rival", "high")):
            registration = writer_registration(capabilityId=name, cost={"tier": tier})
            unit.capabilities.register(check_registration(registration, catalogue()))
    # When a run for two posts goes its way
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    assert loop.run(run_id).status == "completed"
    assert_as_before("happy", lines)


def test_the_lines_of_a_refusal(loop: Loop, lines: Lines) -> None:
    # Given a registry in which nobody makes what is asked for
    with open_unit(None) as unit:
        unit.capabilities.retire_builtins(set())
    run_id = loop.submit(linkedin_envelope(policies=NEVER_ASK))
    loop.drain()
    assert loop.run(run_id).reason == "no_plan"
    assert_as_before("refusal", lines)


def test_the_lines_of_a_failed_run(loop: Loop, lines: Lines) -> None:
    # Given a second node whose agent first errs, then refuses, and nobody to ask
    plan = make_plan(
        [
            make_node("a", makes=["a_text"]),
            make_node("b", makes=["b_text"], contract=NodeContract(2, "abort")),
        ],
        [("a", "b")],
        output=["b_text"],
    )
    loop.agents.on("a", gives(a_text="first"))
    loop.agents.on("b", gives(b_text="x"), raises(AgentRefusedError("It does not want to.")))
    run_id = loop.install(plan)
    loop.drain()
    assert loop.run(run_id).status == "failed"
    assert_as_before("failed", lines)


def test_the_lines_of_a_question_and_its_answers(loop: Loop, lines: Lines) -> None:
    # Given an agent that asks, and then one whose output nobody accepts
    asks = AgentResult({}, hitl=HitlAsk("clarify", "How formal shall it be?"))
    loop.agents.on("a", lambda _b, _c: asks, gives(a_text="x"), gives(a_text="x"))
    run_id = loop.install(make_chain("a"))
    loop.drain()
    loop.answer(run_id, responseType="freeform", freeformText="Not at all.")
    loop.drain()
    loop.answer(run_id, responseType="rejection", freeformText="No.")
    loop.drain()
    assert loop.run(run_id).status == "failed"
    assert_as_before("person", lines)


def test_every_frame_has_one_line_with_its_number(loop: Loop, lines: Lines) -> None:
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    stored = [(frame["id"], frame["type"]) for frame in loop.frames(run_id)]
    assert [(str(line["seq"]), line["run_id"]) for line in of_frames(lines)] == [(seq, run_id) for seq, _ in stored]
    assert all(FRAMES.match(line["event"]) for line in of_frames(lines))
    assert {line["correlation_id"] for line in of_frames(lines)} == {"corr-1"}
    assert {line["tenant"] for line in of_frames(lines)} == {"default"}


def test_every_change_of_status_is_told_once_with_what_it_was(loop: Loop, lines: Lines) -> None:
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    told = [(line.get("previous"), line["status"]) for line in lines.named("flex_run_status")]
    assert told == [(None, "pending"), ("pending", "planning"), ("planning", "running"), ("running", "completed")]
    assert loop.run(run_id).status == "completed"


def test_a_cancel_is_told_when_it_is_asked_for_and_when_it_is_done(loop: Loop, lines: Lines) -> None:
    run_id = loop.install(make_chain("a"))
    loop.cancel(run_id)
    loop.drain()
    told = [line["status"] for line in lines.named("flex_run_status")]
    assert told == ["pending", "running", "cancelling", "cancelled"]
    (end,) = lines.named("flex_run_complete")
    assert (end["outcome"], end["nodes_stopped"]) == ("cancelled", 1)
    # And the node that it stopped has a line, since it has no frame
    (node,) = lines.named("flex_node_cancelled")
    assert NODE_FACTS.items() <= node.items()
    assert (node["run_id"], node["node_id"], node["node_status"]) == (run_id, "a", "cancelled")
    assert (node["capability_id"], node["plan_version"], node["attempt"]) == ("acme.a", 1, 0)


def test_a_node_that_a_new_version_does_without_is_told(loop: Loop, lines: Lines) -> None:
    # Given a run whose first node is at work
    run_id = loop.install(make_chain("a", "b"))
    previous = make_chain("a", "b")

    def take_over(_bundle: Any, _cancel: Any) -> AgentResult:
        with open_unit(None) as unit:
            run = unit.runs.lock(run_id)
            delta = next_version(previous, make_chain("c"), unit.nodes.statuses(run_id))
            unit.plans.add(run, delta.plan, intake=unit.plans.stored(run_id, 1).intake)
            unit.nodes.follow(run, delta)
            unit.runs.change(run_id, plan_version=2)
        return AgentResult({"a_text": "nobody wants this"})

    loop.agents.on("a", take_over)
    # When a version takes over that holds neither of its nodes
    loop.drain()
    # Then each has a line with what it was, under the version that it belonged to
    told = lines.named("flex_node_superseded")
    found = {(n["node_id"], n["capability_id"], n["node_status"], n["plan_version"], n["attempt"]) for n in told}
    assert found == {("a", "acme.a", "superseded", 1, 1), ("b", "acme.b", "superseded", 1, 0)}
    assert all(NODE_FACTS.items() <= node.items() for node in told)


def test_a_node_whose_change_is_rolled_back_is_not_told(loop: Loop, lines: Lines) -> None:
    run_id = loop.install(make_chain("a"))

    def give_up() -> None:
        with open_unit(None) as unit:
            unit.runs.lock(run_id)
            unit.nodes.change(run_id, ["a"], status="cancelled")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_up()
    assert lines.named("flex_node_cancelled") == []


def test_a_failed_attempt_is_told_with_how_long_it_took(loop: Loop, lines: Lines) -> None:
    # Given a worker that dies, an agent that is slow to say no, and nobody else
    def slow(_bundle: Any, cancel: Any) -> AgentResult:
        cancel.wait(0.05)
        raise AgentRefusedError("No.")

    loop.agents.on("a", dies(), slow)
    run_id = loop.install(make_plan([make_node("a", contract=NodeContract(2, "abort"), makes=["t"])], output=["t"]))
    loop.settle(run_id)
    # Then both ends of an attempt say so, and their frames too
    (retry,), (error,) = lines.named("flex_node_retry"), lines.named("flex_node_error")
    assert (retry["reason"], error["code"]) == ("lease_lost", "agent_refused")
    assert retry["duration_ms"] > 0
    assert 50 <= error["duration_ms"] < 60_000
    told = [frame["payload"]["durationMs"] for frame in loop.told(run_id, "node_retry", "node_error")]
    assert told == [retry["duration_ms"], error["duration_ms"]]


def test_what_is_missing_is_told_by_name(loop: Loop, lines: Lines) -> None:
    # Given a policy that requires somebody whom nobody knows
    selection = {"planner": {"selection": {"require": ["acme.ghost"]}}}
    run_id = loop.submit(linkedin_envelope(policies=selection))
    loop.drain()
    assert loop.run(run_id).reason == "no_plan"
    (rejected,) = lines.named("flex_plan_rejected")
    (pin,) = lines.named("flex_planner_missing_pinned_capabilities")
    assert (pin["missing"], pin["codes"]) == (["acme.ghost"], ["pinned_capability_unknown"])
    assert (pin["of_seq"], pin["run_id"]) == (rejected["seq"], run_id)


def test_a_transaction_that_is_rolled_back_is_not_told(loop: Loop, lines: Lines) -> None:
    run_id = loop.install(make_chain("a"))
    before = lines.text

    def give_up() -> None:
        with open_unit(None) as unit:
            unit.runs.lock(run_id)
            unit.runs.change(run_id, status="cancelling")
            unit.events.append(run_id, Draft("log", {"level": "info"}))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        give_up()
    assert lines.text == before


@pytest.mark.parametrize("broken", ["write_line", "note_frame_updates"])
def test_an_observer_that_breaks_harms_no_other_and_no_run(
    loop: Loop, lines: Lines, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    # Given an observer that always breaks, with a client's words in its error
    def breaks(_frame: Any, _tenant: str) -> None:
        raise ValueError("confidential")

    breaks.__name__ = broken
    told: list[str] = []
    others = [observer for observer in observe.FRAME_OBSERVERS if observer.__name__ != broken]
    observers = [breaks, *others, lambda frame, _tenant: told.append(frame["type"])]
    monkeypatch.setattr(observe, "FRAME_OBSERVERS", observers)
    # When a run goes its way
    run_id = loop.install(make_chain("a"))
    loop.drain()
    # Then it ends well, the other observers know of it, and the fault is named without its words
    assert loop.run(run_id).status == "completed"
    assert told[-1] == "complete"
    assert ("flex_run_complete" in lines.names()) == (broken != "write_line")
    faults = lines.named("flex_telemetry_process_error")
    assert {(line["observer"], line["error"]) for line in faults} == {(broken, "ValueError")}
    assert "confidential" not in lines.text


def test_nobodys_words_reach_the_log(loop: Loop) -> None:
    # Given words that must not be told, wherever a client, an agent or a person can put them
    word = "canaria-7f3a"
    said = f"Tell nobody of {word}, please"
    envelope = linkedin_envelope(objective=said, specialInstructions=[said], metadata={"note": said})
    envelope["inputs"] |= {"audience": said, "goal": said}
    with captured(FLEX_API_KEY="key-0123456789", OPENAI_API_KEY="sk-key-0123456789") as lines:
        loop.submit(envelope)
        loop.drain()
        asked = AgentResult({}, hitl=HitlAsk("clarify", said))
        broken = raises(RuntimeError(said))
        loop.agents.on("a", lambda _b, _c: asked, gives(a_text=said, more=[said]), broken, broken, broken)
        run_id = loop.install(make_chain("a", "b"), values={"brief": said})
        loop.drain()
        with open_unit() as unit:
            (request,) = loop.requests(run_id)
            unit.hitl.resolve(request["id"], [{"responseType": "freeform", "freeformText": said}], note=said)
        loop.settle(run_id)
        loop.agents.always("c", broken)
        loop.settle(loop.install(make_plan([make_node("c", makes=["c_text"])], output=["c_text"])))
        loop.agents.always("d", raises(AgentRefusedError(said)))
        loop.settle(loop.install(make_plan([make_node("d", makes=["d_text"])], output=["d_text"])))
    # Then they are in the frames and in no line, although all of it was told
    assert word in json.dumps(loop.frames(run_id))
    assert {"flex_run_complete", "flex_hitl_request", "flex_hitl_resolved", "agent_crashed"} <= set(lines.names())
    assert word not in lines.text
