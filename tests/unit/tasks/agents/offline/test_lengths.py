"""Texts are made to fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tasks.agents.offline.lengths import fit, shortened
from tasks.agents.offline.themes import MORE


def test_the_first_candidate_that_fits_is_taken() -> None:
    assert fit(("a long headline", "short"), MORE, 0, 8) == "short"


def test_a_text_is_cut_at_a_sentence_where_one_ends_late_enough() -> None:
    assert shortened("One sentence here. Another one follows.", 0, 25) == "One sentence here."


def test_a_text_is_cut_at_a_word_and_leaves_nothing_dangling() -> None:
    assert shortened("Meet the people behind the robots", 0, 27) == "Meet the people"


def test_a_short_text_goes_on_with_whole_sentences() -> None:
    text = fit(("Come and see",), MORE, 100, None)
    assert text.startswith("Come and see. ")
    assert text.endswith(".")


@given(st.text(max_size=80), st.integers(0, 300), st.integers(0, 300))
def test_the_bounds_hold_for_any_text(text: str, minimum: int, room: int) -> None:
    found = fit((text,), MORE, minimum, minimum + room)
    assert minimum <= len(found) <= minimum + room
