"""The offline provider as an agent: the bundle's story, told in the shape of its output schema."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from planner.progress.bundle import AgentBundle
from policies.strict_json import dumps
from tasks.agents.base import AgentResult, CancelToken
from tasks.agents.offline.composer import compose
from tasks.agents.offline.story import read_story
from tasks.agents.pricing import estimated_tokens, priced
from tasks.agents.prompts import user_text

MODEL = "offline-1"
_BOUNDS = {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum"}


class OfflineAgent:
    """Stands in for a model: equal bundles give equal outputs, and every output says who wrote it."""

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        cancel.raise_if_cancelled()
        output = compose(heeding(bundle.output_schema, bundle.findings), read_story(bundle))
        prompt = bundle.capability.system_prompt + user_text(bundle)
        usage = priced(estimated_tokens(prompt), estimated_tokens(dumps(output)), None)
        return AgentResult(output, usage, {"provider": "offline", "model": MODEL})


def heeding(schema: Mapping[str, Any], findings: tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Return the schema narrowed by what the last attempt was told: bounds and members that others demanded.

    A finding about the caller's contract speaks of the final output, whose outer path may differ from this node's, so
    a bound is applied to every property that bears the name of the finding's last segment.
    """
    narrowed: dict[str, Any] = copy.deepcopy(dict(schema))
    for finding in findings:
        keyword = str(finding.get("keyword", ""))
        names = [part for part in str(finding.get("pointer", "")).split("/") if part and not part.isdigit()]
        number = re.search(r"-?\d+(?:\.\d+)?", str(finding.get("message", "")))
        if keyword in _BOUNDS and names and number:
            text = number.group()
            _narrow(narrowed, names[-1], keyword, float(text) if "." in text else int(text))
    return narrowed


def _narrow(schema: Any, name: str, keyword: str, bound: float) -> None:
    """Put the bound, when it is tighter, on every property of that name, in place."""
    if isinstance(schema, list):
        for part in schema:
            _narrow(part, name, keyword, bound)
    if not isinstance(schema, dict):
        return
    inner = schema.get("properties", {}).get(name) if isinstance(schema.get("properties"), dict) else None
    if isinstance(inner, dict):
        tighter = max if keyword.startswith("min") else min
        inner[keyword] = tighter(inner.get(keyword, bound), bound)
    for part in schema.values():
        _narrow(part, name, keyword, bound)
