"""What a condition says about a payload: true, false or unknown, with the values that it looked at."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from policies.conditions.catalog import BARE_NAME
from policies.conditions.condition import Condition
from policies.conditions.parts import Part
from policies.conditions.program import compile_logic
from policies.conditions.values import Unknown, truth

CACHED_PROGRAMS = 4096

TOO_DEEP = "the condition or the payload nests too deep to evaluate"


class Verdict(NamedTuple):
    """The answer. `reason` is set when it is unknown; `observed` maps each path read to its value (absent: null)."""

    value: bool | Literal["unknown"]
    reason: str | None
    observed: dict[str, Any]

    @property
    def satisfied(self) -> bool:
        """Tell whether the condition holds: unknown does not."""
        return self.value is True

    def as_json(self) -> dict[str, Any]:
        reason = {} if self.reason is None else {"reason": self.reason}
        return {"value": self.value, **reason, "observed": self.observed}


def evaluate(condition: Condition | Any, payload: Any) -> Verdict:
    """Return the verdict of a condition, or of any JSON-Logic, on a JSON payload. Never raises."""
    observed: dict[str, Any] = {}
    try:
        run = _program(condition.logic_text) if type(condition) is Condition else program_of(condition)
        value = run((payload, observed))
    except RecursionError:
        return Verdict("unknown", TOO_DEEP, observed)
    if value is not True and value is not False:
        value = truth(value)
        if isinstance(value, Unknown):
            return Verdict("unknown", value.reason, observed)
    return Verdict(value, None, observed)


def bare_payload(value: Any) -> dict[str, Any]:
    """Return what bare names look into: an object itself, any other value under its one name."""
    return value if isinstance(value, dict) else {BARE_NAME: value}


def program_of(logic: Any) -> Part:
    try:
        text = json.dumps(logic)
    except (TypeError, ValueError):
        return compile_logic(logic)
    return _program(text)


@lru_cache(maxsize=CACHED_PROGRAMS)
def _program(logic_text: str) -> Part:
    return compile_logic(json.loads(logic_text))
