"""A frame is described for its observers only where one of them would look at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest

from models.events.frames import FrameType
from models.telemetry.observe import observe_frame, observed
from models.telemetry.traces import trace_frame, use_tracer
from tests.support.lines import captured

LOUD: dict[str, Any] = {
    "plan": {"metadata": {"crcs": {"totalRows": 1, "missingPinnedCapabilityIds": ["a.b"]}}},
    "metadata": {"crcs": {"totalRows": 1, "missingPinnedCapabilityIds": ["a.b"]}},
    "diagnostics": [
        {"code": "no_producer", "facet": "x"},
        {"code": "required_capability_missing", "capabilityId": "a"},
    ],
    "reason": "no_candidate",
    "facets": ["x"],
    "code": "agent_error",
    "capabilityId": "a.b",
    "attempt": 2,
    "request": {"originAgent": "a.b", "payload": {"additionalContext": {"attempts": 2, "reason": "agent_error"}}},
}
"""A payload that has whatever any further line is written for."""


@pytest.fixture
def tracer() -> Iterator[None]:
    use_tracer(object())
    yield
    use_tracer(None)


@pytest.fixture
def no_tracer() -> None:
    """A process that has asked for its tracer, and has none."""
    use_tracer(None)
    trace_frame({}, "default")


@pytest.mark.usefixtures("no_tracer")
@pytest.mark.parametrize("kind", get_args(FrameType))
@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_what_nobody_looks_at_would_have_told_nothing(kind: str, level: str) -> None:
    frame = {"type": kind, "id": "1", "runId": "flex_1", "correlationId": "c", "planVersion": 1, "payload": LOUD}
    with captured(FLEX_LOG_LEVEL=level) as lines:
        looked_at = observed(kind)
        observe_frame(frame, "default")
    assert looked_at or not lines.all()
    assert looked_at or level in {"warning", "error"}


@pytest.mark.usefixtures("no_tracer")
def test_at_level_warning_the_steps_of_a_run_that_goes_well_are_not_looked_at() -> None:
    with captured(FLEX_LOG_LEVEL="warning"):
        assert not any(observed(kind) for kind in ("start", "node_start", "node_complete", "log", "complete"))


@pytest.mark.usefixtures("tracer")
def test_with_traces_every_frame_is_looked_at() -> None:
    with captured(FLEX_LOG_LEVEL="warning"):
        assert all(observed(kind) for kind in get_args(FrameType))
