"""Numbers of the language: read exactly, printed as the shortest decimal that reads back the same."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite

EXACT_LIMIT = 10**21
"""From here on a number is written with an exponent, as the clients' own formatting does."""


def read_number(text: str) -> int | float | None:
    """Return the value of a number literal, whole numbers as int; None when it is too large to be a JSON number."""
    try:
        value = float(text)
    except OverflowError:
        return None
    if not isfinite(value):
        return None
    return int(text) if text.lstrip("-").isdigit() else simplify(value)


def simplify(value: int | float) -> int | float:  # noqa: PYI041 - the two are told apart here
    """Return a whole number as int, so that 1.0, 1e0 and 1 are one value in every form of a condition."""
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT_LIMIT:
        return int(Decimal(repr(value)))
    return value


def print_number(value: float) -> str:
    """Return the shortest decimal; only below 0.000001 and from 10^21 on with an exponent."""
    value = simplify(value)
    if isinstance(value, int):
        return str(value)
    minus = "-" if value < 0 else ""
    body, _, exponent = f"{Decimal(repr(abs(value))).normalize():e}".partition("e")
    body = body.replace(".", "")
    magnitude = int(exponent) + 1
    if -6 < magnitude <= 0:
        return f"{minus}0.{'0' * -magnitude}{body}"
    if 0 < magnitude < len(body):
        return f"{minus}{body[:magnitude]}.{body[magnitude:]}"
    fraction = f".{body[1:]}" if len(body) > 1 else ""
    return f"{minus}{body[0]}{fraction}e{magnitude - 1}"
