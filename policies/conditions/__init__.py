"""The condition language: text to JSON-Logic and back, checked against a catalogue, evaluated without surprises."""

from policies.conditions.catalog import Catalog, Entry, build_catalog
from policies.conditions.condition import Condition, from_json_logic, parse, reconcile
from policies.conditions.errors import ConditionError, Diagnostic, Position, Range, Warning, draw_caret  # noqa: A004 - ours
from policies.conditions.evaluate import Verdict, bare_payload, evaluate

__all__ = [
    "Catalog",
    "Condition",
    "ConditionError",
    "Diagnostic",
    "Entry",
    "Position",
    "Range",
    "Verdict",
    "Warning",
    "bare_payload",
    "build_catalog",
    "draw_caret",
    "evaluate",
    "from_json_logic",
    "parse",
    "reconcile",
]
