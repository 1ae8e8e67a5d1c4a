"""A run in plain text and on a terminal."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console

from app.cli.display import RunView, describe, error_lines, output_lines, plan_lines, simple_table

PLAN = {
    "version": 1,
    "nodes": [
        {"id": "briefing", "kind": "structuring", "label": "Briefing", "capabilityId": "Strategist"},
        {"id": "write~a", "kind": "execution", "label": "Write", "capabilityId": "Writer"},
        {"id": "compose", "kind": "transformation", "label": "Compose", "capabilityId": None},
    ],
    "edges": [{"from": "briefing", "to": "write~a"}, {"from": "write~a", "to": "compose"}],
}


def frame(kind: str, seq: int = 1, node: str | None = None, **payload: Any) -> dict[str, Any]:
    return {"type": kind, "id": str(seq), "runId": "r1", "payload": payload} | ({"nodeId": node} if node else {})


def test_the_view_follows_the_nodes_of_the_plan() -> None:
    # Given a view that has seen a plan
    view = RunView()
    view.take(frame("plan_generated", plan=PLAN))

    # When its nodes move
    view.take(frame("node_start", node="briefing"))
    view.take(frame("node_complete", node="briefing", durationMs=1500))
    view.take(frame("node_start", node="write~a"))
    view.take(frame("node_retry", node="write~a", reason="invalid_output"))

    # Then each row tells where it stands
    assert {row.node_id: row.state for row in view.rows.values()} == {
        "briefing": "completed",
        "write~a": "retrying",
        "compose": "pending",
    }
    assert view.rows["briefing"].seconds == 1.5
    assert view.run_id == "r1"


def test_a_new_version_keeps_what_is_finished() -> None:
    view = RunView()
    view.take(frame("plan_generated", plan=PLAN))
    view.take(frame("node_complete", node="briefing", durationMs=10))

    nodes = [*PLAN["nodes"], {"id": "write~b", "kind": "execution", "label": "Write", "capabilityId": "Writer"}]
    view.take(frame("plan_updated", version=2, nodes=nodes, edges=[]))

    assert view.version == 2
    assert view.rows["briefing"].state == "completed"
    assert view.rows["write~b"].state == "pending"
    # And what follows what is that of the new version
    assert view.rows["write~a"].after == ()


def test_a_frame_is_one_line_of_plain_text() -> None:
    assert describe(frame("plan_generated", 3, plan=PLAN)) == "   3 plan_generated version 1, 3 nodes"
    assert describe(frame("node_complete", 5, "write~a", durationMs=12)) == "   5 node_complete write~a in 12 ms"
    assert describe(frame("complete", 9, status="failed", reason="no_plan")) == "   9 complete failed no_plan"
    updated = frame("plan_updated", 4, version=2, nodes=[], trigger={"reason": "upstream_output"})
    assert describe(updated) == "   4 plan_updated version 2 because of upstream_output, 0 nodes"
    branches = [{"label": "a"}, {"label": "b"}]
    branch = frame("plan_branch", 5, "branch", reason="directive", branches=branches)
    assert describe(branch) == "   5 plan_branch branch into a, b because of directive"
    assert describe(frame("plan_fallback", 5, "ask", reason="no_candidate")).endswith("ask no_candidate")
    rejected = frame("plan_rejected", 6, diagnostics=[{"message": "nobody makes it"}])
    assert describe(rejected) == "   6 plan_rejected nobody makes it"
    errors = [{"pointer": "/headline", "message": "is too short"}]
    assert describe(frame("validation_error", 6, "w", errors=errors)).endswith("w /headline: is too short")


def test_the_plan_in_plain_text_says_what_follows_what() -> None:
    view = RunView()
    view.take(frame("plan_generated", plan=PLAN))

    assert list(plan_lines(view.rows.values())) == [
        "  briefing [structuring] Strategist",
        "  write~a [execution] Writer after briefing",
        "  compose [transformation] built in after write~a",
    ]


def test_a_result_shows_each_variant_with_its_field_names() -> None:
    output = {
        "copyVariants": [{"headline": "One", "body": "A\nB", "callToAction": "Go"}, {"headline": "Two"}],
        "summary": {"tone": "plain"},
        "score": 0.5,
    }

    assert list(output_lines(output)) == [
        "copyVariants 1 of 2",
        "  headline      One",
        "  body          A",
        "                B",
        "  callToAction  Go",
        "copyVariants 2 of 2",
        "  headline  Two",
        "summary",
        "  tone  plain",
        "score: 0.5",
    ]
    assert list(output_lines("text")) == ["output: text"]


def test_long_texts_are_wrapped_beside_their_fields_on_a_terminal() -> None:
    output = {"post": {"body": "Safety before speed shapes how we plan.\n\nCome and meet us."}}

    assert list(output_lines(output, 32)) == [
        "post",
        "  body  Safety before speed",
        "        shapes how we plan.",
        "",
        "        Come and meet us.",
    ]


def test_a_failure_shows_its_code_and_message_or_at_least_its_reason() -> None:
    assert list(error_lines({"error": {"code": "no_plan", "message": "nobody writes poems"}})) == [
        "no_plan: nobody writes poems"
    ]
    assert list(error_lines({"error": "broken"})) == ["broken"]
    assert list(error_lines({"reason": "cancelled"})) == ["reason: cancelled"]


def test_a_terminal_gets_a_table_and_a_pipe_gets_tabs() -> None:
    view = RunView()
    view.take(frame("plan_generated", plan=PLAN))
    screen = Console(file=StringIO(), force_terminal=True, width=120)
    pipe = Console(file=StringIO())

    screen.print(view.renderable())
    simple_table(("run", "status"), [("r1", "running")], screen)
    simple_table(("run", "status"), [("r1", "[running]")], pipe)

    assert "briefing" in screen.file.getvalue()  # type: ignore[attr-defined] - a StringIO
    assert pipe.file.getvalue() == "r1\t[running]\n"  # type: ignore[attr-defined] - a StringIO


def test_the_view_knows_what_is_asked_until_it_is_answered() -> None:
    view = RunView()
    view.take(frame("plan_generated", plan=PLAN))
    view.take(frame("hitl_request", node="briefing", request={"id": "hitl_1", "payload": {"kind": "approval"}}))
    assert (list(view.asked), view.rows["briefing"].state) == (["hitl_1"], "awaiting_hitl")
    view.take(frame("hitl_resolved", node="briefing", request={"id": "hitl_1"}))
    assert view.asked == {}


def test_a_question_to_a_person_is_not_shown_as_built_in() -> None:
    view = RunView()
    view.take(frame("plan_generated", plan={"version": 1, "nodes": [{"id": "ask", "kind": "fallback"}], "edges": []}))
    assert view.rows["ask"].capability == "a person"
