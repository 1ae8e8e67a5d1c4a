"""How the Celery application speaks, and how little beat says while Redis is away."""

from __future__ import annotations

import logging

from tasks.celery_app import BriefKnocks


def test_a_knock_that_was_not_sent_is_one_short_line() -> None:
    # Given what beat says of it: the error, the whole stack, and a traceback
    error = ConnectionError("away")
    told = ("Message Error: %s\n%s", (error, ["a stack of", "a thousand lines"]), (ConnectionError, error, None))
    record = logging.LogRecord("celery.beat", logging.ERROR, "beat.py", 290, *told)

    # When it is filtered
    kept = BriefKnocks().filter(record)

    # Then the error is left, and nothing else
    assert kept
    assert record.getMessage() == "knock_not_sent: away"
    assert record.exc_info is None


def test_other_lines_of_beat_stay_as_they_are() -> None:
    record = logging.LogRecord("celery.beat", logging.INFO, "beat.py", 1, "beat: Starting...", None, None)
    assert BriefKnocks().filter(record)
    assert record.getMessage() == "beat: Starting..."
