"""The keywords of JSON Schema whose library versions could hang, fetch or say too little, written with limits.

A validation spends from a budget: each keyword costs a step and each pattern its time, so that neither a clever schema
nor a large value can hold a worker. The budget lives in a context variable, hence one per thread or greenlet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError

from planner.contracts.schema_lint import compile_pattern

MAX_STEPS = 100_000
PATTERN_SECONDS = 0.05
ALL_PATTERNS_SECONDS = 0.5
MAX_FORMATTED = 2_000
Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


class ExhaustedError(Exception):
    """The check cost more than one validation may cost."""


@dataclass(slots=True)
class Budget:
    """What is left for one validation: keyword steps and seconds of pattern matching."""

    steps: int = MAX_STEPS
    seconds: float = ALL_PATTERNS_SECONDS

    def step(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise ExhaustedError(
                f"the value takes more than {MAX_STEPS} steps to check: send less, or a simpler schema"
            )

    def search(self, pattern: str, text: str) -> bool:
        """Tell whether the pattern occurs in the text; raise TimeoutError or ExhaustedError when it takes too long."""
        # The clock measures cost only: no result depends on the time of day.
        began = time.perf_counter()
        try:
            return compile_pattern(pattern).search(text, timeout=PATTERN_SECONDS) is not None
        finally:
            self.seconds -= time.perf_counter() - began
            if self.seconds < 0:
                raise ExhaustedError("the patterns of the schema take too long on this value: simplify them")


BUDGET: ContextVar[Budget] = ContextVar("schema_budget")


def counted(keyword: Keyword) -> Keyword:
    """Return the keyword with a price of one step."""

    def spend_and_check(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        BUDGET.get().step()
        yield from keyword(validator, value, instance, schema) or ()

    return spend_and_check


def identity(value: Any) -> Any:
    """Return a hashable twin that is equal exactly when JSON Schema calls the values equal: 1 is 1.0, true is not 1."""
    if isinstance(value, bool) or value is None:
        return ("literal", value)
    if isinstance(value, list):
        return ("array", tuple(identity(member) for member in value))
    if isinstance(value, dict):
        return ("object", frozenset((key, identity(member)) for key, member in value.items()))
    return value


def check_pattern(_validator: Any, text: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, str):
        return
    try:
        if not BUDGET.get().search(text, instance):
            yield ValidationError(f"does not match {text}")
    except TimeoutError:
        yield ValidationError(f"could not be matched with {text} within {PATTERN_SECONDS * 1000:.0f} ms: simplify it")


def check_pattern_properties(validator: Any, patterns: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for text, subschema in patterns.items():
        for name, member in instance.items():
            if _matches(text, name):
                yield from validator.descend(member, subschema, path=name, schema_path=text)


def check_additional_properties(validator: Any, allowed: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, member in instance.items():
        if name in known or any(_matches(text, name) for text in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"“{name}” is not allowed here: remove it", path=(name,))
        else:
            yield from validator.descend(member, allowed, path=name)


def check_required(_validator: Any, names: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError(f"“{name}” is missing", path=(name,))


def check_dependent_required(_validator: Any, names: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for present, wanted in names.items():
            for name in wanted if present in instance else ():
                if name not in instance:
                    yield ValidationError(f"“{name}” is missing: “{present}” asks for it", path=(name,))


def check_unique_items(_validator: Any, wanted: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if not wanted or not isinstance(instance, list):
        return
    first: dict[Any, int] = {}
    for index, member in enumerate(instance):
        earlier = first.setdefault(identity(member), index)
        if earlier != index:
            yield ValidationError(f"items {earlier} and {index} are equal: each may stand here once")
            return


def check_enum(_validator: Any, values: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    wanted = identity(instance)
    if not any(identity(value) == wanted for value in values):
        yield ValidationError("is none of the listed values")


def check_const(_validator: Any, value: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if identity(value) != identity(instance):
        yield ValidationError("is not the one value allowed")


def check_multiple(_validator: Any, step: Any, instance: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, int | float) and not isinstance(instance, bool) and exact(instance) % exact(step):
        yield ValidationError(f"is not a multiple of {step}")


def exact(number: float) -> Fraction:
    """Return the number as it is written in decimal, so that 0.3 is three times 0.1."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def _matches(text: str, name: str) -> bool:
    try:
        return BUDGET.get().search(text, name)
    except TimeoutError as error:
        message = f"the pattern {text} could not be matched with a name within {PATTERN_SECONDS * 1000:.0f} ms"
        raise ExhaustedError(message) from error


def _guarded(check: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Return the format check with a limit on length; whatever it raises means that the text has not the format."""

    def holds(value: Any) -> bool:
        if not isinstance(value, str):
            return True
        try:
            return len(value) <= MAX_FORMATTED and bool(check(value))
        except Exception:  # noqa: BLE001  # checks come from many libraries, which raise what they like on odd texts
            return False

    return holds


def _build_formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    known = {name: check for name, (check, _) in Draft202012Validator.FORMAT_CHECKER.checkers.items()}
    # The library's checks of international addresses take minutes on long ones; their ASCII form says the same.
    known["iri"] = lambda value: known["uri"](quote(value, safe=_URI_CHARACTERS))
    known["iri-reference"] = lambda value: known["uri-reference"](quote(value, safe=_URI_CHARACTERS))
    known["regex"] = compile_pattern
    for name, check in known.items():
        checker.checks(name)(_guarded(check))
    return checker


_URI_CHARACTERS = "".join(chr(c) for c in range(128))
FORMATS = _build_formats()
GUARDED: dict[str, Keyword] = {
    "pattern": check_pattern,
    "patternProperties": check_pattern_properties,
    "additionalProperties": check_additional_properties,
    "required": check_required,
    "dependentRequired": check_dependent_required,
    "uniqueItems": check_unique_items,
    "enum": check_enum,
    "const": check_const,
    "multipleOf": check_multiple,
}
