"""Drafts of plans as a model would write them, and a process whose planner asks `FakeOpenAI`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

BRIEFING = "StrategyManagerAgent.briefing"
LINKEDIN = "ContentGeneratorAgent.linkedinVariants"
BLOG = "ContentGeneratorAgent.blogPost"
REVIEW = "QualityAssuranceAgent.contentReview"


def step(capability_id: str | None, **members: Any) -> dict[str, Any]:
    """Return a node of a draft."""
    return {
        "stage": (capability_id or "step").rsplit(".", 1)[-1],
        "status": "pending",
        "capabilityId": capability_id,
    } | members


def draft(*nodes: str | dict[str, Any]) -> str:
    """Return a draft as text, of capability ids or whole nodes."""
    return json.dumps({"nodes": [step(node) if isinstance(node, str) else node for node in nodes]})


def codes(diagnostics: Iterable[Any]) -> set[str]:
    """Return the codes of diagnostics, as values or as JSON."""
    return {one["code"] if isinstance(one, dict) else one.code for one in diagnostics}
