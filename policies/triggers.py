"""The moments at which a policy may fire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from policies.clauses import Clause, Vocabulary, check_clause
from policies.errors import Problem
from policies.selectors import Selector, check_selector
from policies.shape import ObjectReader

# Each kind of trigger with the members that it takes besides `kind` and `condition`.
TRIGGERS: dict[str, tuple[str, ...]] = {
    "onStart": (),
    "onNodeComplete": ("selector",),
    "onNodeError": ("selector",),
    "onValidationFail": ("selector",),
    "onPreConditionFailed": ("selector", "maxRetries"),
    "onPostConditionFailed": ("selector", "maxRetries"),
    "onTimeout": ("selector", "ms"),
    "onMetricBelow": ("selector", "metric", "threshold"),
    "onMetricAbove": ("selector", "metric", "threshold"),
    "onBudget": ("maxTokens", "maxCost", "maxSeconds"),
    "onHitlTimeout": ("selector",),
    "onHitlResolved": ("selector",),
    "manual": (),
}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger; `TRIGGERS` says which fields count for which `kind`. `ms` are milliseconds."""

    kind: str
    selector: Selector | None = None
    condition: Clause | None = None
    ms: int | None = None
    metric: str | None = None
    threshold: float | None = None
    max_retries: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    max_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "kind": self.kind,
            "selector": None if self.selector is None else self.selector.as_json(),
            "condition": self.condition and self.condition.as_json(),
            "ms": self.ms,
            "metric": self.metric,
            "threshold": self.threshold,
            "maxRetries": self.max_retries,
            "maxTokens": self.max_tokens,
            "maxCost": self.max_cost,
            "maxSeconds": self.max_seconds,
        }
        return {name: value for name, value in parts.items() if value is not None}


def check_trigger(raw: Any, at: str, *, vocabulary: Vocabulary, problems: list[Problem]) -> Trigger | None:
    """Return the trigger that a JSON value describes; what is wrong is added to `problems`."""
    reader = ObjectReader.of(raw, at, problems)
    if reader is None:
        return None
    kind = reader.choice("kind", tuple(TRIGGERS), required=True)
    if kind is None:
        return None
    takes = TRIGGERS[kind]
    trigger = Trigger(
        kind,
        selector=_selector(reader, vocabulary) if "selector" in takes else None,
        condition=check_clause(reader, "condition", vocabulary=vocabulary),
        ms=reader.integer("ms", 1, required=True) if "ms" in takes else None,
        metric=reader.text("metric", required=True) if "metric" in takes else None,
        threshold=reader.number("threshold", required=True) if "threshold" in takes else None,
        max_retries=reader.integer("maxRetries", 0) if "maxRetries" in takes else None,
        max_tokens=reader.integer("maxTokens", 1) if "maxTokens" in takes else None,
        max_cost=reader.number("maxCost", above=0) if "maxCost" in takes else None,
        max_seconds=reader.number("maxSeconds", above=0) if "maxSeconds" in takes else None,
    )
    reader.close()
    return trigger


def _selector(reader: ObjectReader, vocabulary: Vocabulary) -> Selector | None:
    if not reader.has("selector"):
        return None
    place = reader.place("selector")
    return check_selector(reader.raw["selector"], place, facets=vocabulary.schemas, problems=reader.problems)
