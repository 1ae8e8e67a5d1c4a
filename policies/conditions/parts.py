"""What compiled conditions are made of: small closures that read, compare and decide.

A part takes a *frame*, the tuple `(payload, observed, entry, entry, ...)` with one entry for each enclosing quantifier,
and returns a JSON value or `Unknown`. It never raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from policies.conditions.lookup import MISSING, finder, search
from policies.conditions.values import NUMBERS, ORDERS, SCALARS, Unknown, equal, kind_of, order, truth

Frame = tuple[Any, ...]
Part = Callable[[Frame], Any]
Reader = Callable[[Frame], Any]
"""Like a part, but answers `MISSING` where nothing lies."""


def tell(operator: str, operands: list[Any]) -> str:
    return f" {operator} ".join(sketch(operand) for operand in operands)


def sketch(logic: Any) -> str:
    """Return an operand in a few words, for reasons."""
    match logic:
        case {"var": str(path)} | {"var": [str(path), *_]}:
            return path or "the entry"
        case {"length": inner} | [inner]:
            return f"length({sketch(inner)})" if isinstance(logic, dict) else sketch(inner)
        case str():
            return json.dumps(logic if len(logic) <= 40 else logic[:40] + "…", ensure_ascii=False)
        case None | bool():
            return {None: "null", True: "true", False: "false"}[logic]
        case int() | float():
            return str(logic) if abs(logic) < 10**17 else "a large number"
        case _:
            return "(...)"


def constant(value: Any) -> Part:
    return lambda _frame: value


def unknown(reason: str) -> Part:
    return constant(Unknown(reason))


def listing(parts: list[Part]) -> Part:
    def gather(frame: Frame) -> Any:
        values = [part(frame) for part in parts]
        return next((value for value in values if isinstance(value, Unknown)), values)

    return gather


def payload_value(path: str) -> Part:
    """Read the payload and note what was seen; nothing there is seen as null."""
    segments = tuple(path.split("."))

    def read(frame: Frame) -> Any:
        value = root = frame[0]
        try:  # the plain way stands here once more, without a call, because every condition spends its time here
            for segment in segments:
                value = value[segment]
        except (KeyError, TypeError):
            value = search(root, segments)
            if value is MISSING:
                value = None
        frame[1][path] = value
        return value

    return read


def observed_value(path: str) -> Reader:
    find = finder(path)

    def read(frame: Frame) -> Any:
        value = find(frame[0])
        frame[1][path] = None if value is MISSING else value
        return value

    return read


def slot(place: int) -> Reader:
    return lambda frame: frame[place]


def entry_value(place: int, path: str) -> Reader:
    find = finder(path)
    return lambda frame: find(frame[place])


def first_of(readers: list[Reader]) -> Reader:
    if len(readers) == 1:
        return readers[0]

    def read(frame: Frame) -> Any:
        for reader in readers:
            value = reader(frame)
            if value is not MISSING:
                return value
        return MISSING

    return read


def or_default(read: Reader, default: Any) -> Part:
    def value_of(frame: Frame) -> Any:
        value = read(frame)
        return default if value is MISSING else value

    return value_of


def junction(parts: list[Part], *, decisive: bool) -> Part:
    """`and` is decided by the first false, `or` by the first true; failing that an unknown part leaves it unknown."""
    neutral = not decisive

    def decide(frame: Frame) -> Any:
        doubt = None
        for part in parts:
            value = part(frame)
            if value is neutral:
                continue
            value = truth(value)
            if value is decisive:
                return decisive
            if doubt is None and value is not neutral:
                doubt = value
        return neutral if doubt is None else doubt

    return decide


def compared(left: Part, right: Part, *, wanted: bool) -> Part:
    def decide(frame: Frame) -> Any:
        one, other = left(frame), right(frame)
        kind = type(one)
        if kind is type(other) and kind in SCALARS:
            return (one == other) is wanted
        verdict = equal(one, other)
        return verdict if isinstance(verdict, Unknown) else verdict is wanted

    return decide


def compared_with(left: Part, other: Any, *, wanted: bool) -> Part:
    """Compare with a literal, the common case: one call less."""
    kind = type(other)

    def decide(frame: Frame) -> Any:
        one = left(frame)
        if type(one) is kind:
            return (one == other) is wanted
        verdict = equal(one, other)
        return verdict if isinstance(verdict, Unknown) else verdict is wanted

    return decide


def ordered(sign: str, left: Part, right: Part, told: str) -> Part:
    compare = ORDERS[sign]

    def decide(frame: Frame) -> Any:
        one, other = left(frame), right(frame)
        if type(one) in NUMBERS and type(other) in NUMBERS:
            return compare(one, other)
        return order(sign, one, other, told)

    return decide


def ordered_with(sign: str, left: Part, limit: float, told: str) -> Part:
    """Compare with a number literal, the common case: one call less."""
    compare = ORDERS[sign]

    def decide(frame: Frame) -> Any:
        one = left(frame)
        return compare(one, limit) if type(one) in NUMBERS else order(sign, one, limit, told)

    return decide


def quantified(kind: str, collection: Part, predicate: Part, told: str) -> Part:
    """Decide `some` by the first true, `all` by the first false; over nothing both are false."""
    decisive = kind == "some"

    def decide(frame: Frame) -> Any:
        entries = collection(frame)
        if entries is None or isinstance(entries, Unknown):
            return False if entries is None else entries
        if not isinstance(entries, list):
            return Unknown(f"{kind}({told}, ...): {kind_of(entries)} is no list")
        if not entries:
            return False
        doubt = None
        for entry in entries:
            value = truth(predicate((*frame, entry)))
            if value is decisive:
                return decisive
            if doubt is None and isinstance(value, Unknown):
                doubt = value
        return not decisive if doubt is None else doubt

    return decide
