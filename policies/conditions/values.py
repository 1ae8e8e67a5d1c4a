"""How values compare: equality by value, order within one type, one truthiness, and a third truth for the rest."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

NUMBERS = frozenset((int, float))
SCALARS = frozenset((int, float, str, bool, type(None)))

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Unknown:
    """Neither true nor false, with the reason why."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


Truth = bool | Unknown


def kind_of(value: Any) -> str:
    """Return the JSON type of a value; what JSON does not know is called by its own class."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "list"
    return "object" if isinstance(value, dict) else f"Python {type(value).__name__}"


def truth(value: Any) -> Truth:
    """Return the truth of any value: null, false, 0, an empty text and an empty list are false, all else is true."""
    if value is True or value is False or isinstance(value, Unknown):
        return value
    if value is None:
        return False
    if isinstance(value, int | float):
        return value != 0 and value == value  # noqa: PLR0124 - NaN is false
    return len(value) > 0 if isinstance(value, str | list) else True


def negate(value: Any) -> Truth:
    known = truth(value)
    return known if isinstance(known, Unknown) else not known


def same(left: Any, right: Any) -> bool:
    """Tell whether two JSON values are equal: no type is converted, 1 equals 1.0, true does not equal 1."""
    pending = [(left, right)]
    while pending:
        one, other = pending.pop()
        kind = kind_of(one)
        if kind != kind_of(other):
            return False
        if kind == "list":
            if len(one) != len(other):
                return False
            pending.extend(zip(one, other, strict=True))
        elif kind == "object":
            if one.keys() != other.keys():
                return False
            pending.extend((one[key], other[key]) for key in one)
        elif one is not other and not (kind in {"number", "string", "boolean"} and one == other):
            return False
    return True


def equal(left: Any, right: Any) -> Truth:
    if isinstance(left, Unknown):
        return left
    return right if isinstance(right, Unknown) else same(left, right)


def order(sign: str, left: Any, right: Any, told: str) -> Truth:
    """Compare two numbers, two texts or two booleans; any other pair has no order. `told` is the comparison as text."""
    for value in (left, right):
        if isinstance(value, Unknown):
            return value
    one, other = kind_of(left), kind_of(right)
    if one == other and one in {"number", "string", "boolean"}:
        return ORDERS[sign](left, right)
    return Unknown(f"{told}: {one} and {other} have no order")


def within(sign: str, low: Any, value: Any, high: Any, told: str) -> Truth:
    """Tell whether `low`, `value` and `high` stand in order: false if either pair does not, else unknown if one is."""
    lower, upper = order(sign, low, value, told), order(sign, value, high, told)
    if lower is False or upper is False:
        return False
    return upper if lower is True else lower


def contain(place: Any, part: Any, told: str) -> Truth:
    """Tell whether a list has an equal entry, or a text holds another text; other pairs have no answer."""
    for value in (place, part):
        if isinstance(value, Unknown):
            return value
    if isinstance(place, list):
        return any(same(entry, part) for entry in place)
    if isinstance(place, str) and isinstance(part, str):
        return part in place
    return Unknown(f"{told}: {kind_of(place)} cannot contain {kind_of(part)}")


def measure(value: Any, told: str) -> int | Unknown:
    if isinstance(value, Unknown):
        return value
    if isinstance(value, str | list):
        return len(value)
    return Unknown(f"{told}: {kind_of(value)} has no length")
