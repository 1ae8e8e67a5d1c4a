"""A plan as a tree of reasons, drawn and in plain text."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from app.cli.explain import explanation_lines, explanation_tree
from planner.assembly.explain import explanation
from tests.support.goldens import goldens


def test_each_node_says_why_it_is_there_and_what_its_score_is_made_of() -> None:
    lines = list(explanation_lines(explanation(goldens()["linkedin"].plan())))
    assert lines[0].startswith("Version 1: 1 structuring, 1 branch")
    assert "  briefing [structuring] StrategyManagerAgent.briefing" in lines
    assert "      Makes writerBrief, which later steps need." in lines
    assert any(line.strip().startswith("Score 0.") and "(channel 1" in line for line in lines)
    # And what hangs under its first parent names all that it waits for
    assert any(line.strip() == "Waits for contentReview~a, contentReview~b." for line in lines)


def test_a_question_is_asked_of_a_person() -> None:
    lines = list(explanation_lines(explanation(goldens()["fallback"].plan())))
    assert "  fallback [fallback] a person" in lines


def test_a_terminal_gets_the_same_as_a_tree() -> None:
    screen = Console(file=StringIO(), force_terminal=True, width=160, highlight=False)
    screen.print(explanation_tree(explanation(goldens()["routing"].plan())))
    drawn = screen.file.getvalue()  # type: ignore[attr-defined] - a StringIO
    assert "└── " in drawn
    assert all(f"{name}" in drawn for name in ("briefing", "routing", "Bold", "Calm", "output"))
