"""The root of what can go wrong while planning, and while reading what a caller sent."""

from __future__ import annotations

from policies.errors import FlexError


class PlannerError(FlexError):
    """A plan could not be made, read or followed."""

    code = "planner_error"
