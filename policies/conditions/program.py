"""From JSON-Logic to a closure: scopes are settled while compiling, running only reads and compares.

A compiled part takes a *frame*, the tuple `(payload, observed, entry, entry, ...)` with one entry for each enclosing
quantifier, and returns a JSON value or `Unknown`. It never raises. What is not JSON-Logic compiles to a part that
answers `Unknown` with the reason, and counts only if it is reached.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from policies.conditions.lookup import MISSING, finder, search
from policies.conditions.values import (
    NUMBERS,
    ORDERS,
    SCALARS,
    Unknown,
    contain,
    equal,
    kind_of,
    measure,
    negate,
    order,
    truth,
    within,
)

Frame = tuple[Any, ...]
Part = Callable[[Frame], Any]
Reader = Callable[[Frame], Any]
"""Like a part, but answers `MISSING` where nothing lies."""

MAX_DEPTH = 100
MAX_PARTS = 5000
MAX_QUANTIFIERS = 3


def compile_logic(logic: Any) -> Part:
    return Compiler().part(logic)


class Compiler:
    def __init__(self) -> None:
        self.aliases: tuple[str, ...] = ()
        self.depth = 0
        self.parts = 0

    def part(self, logic: Any) -> Part:
        self.parts += 1
        if self.depth >= MAX_DEPTH or self.parts > MAX_PARTS:
            return unknown("the condition is too large to evaluate")
        self.depth += 1
        compiled = self.any_part(logic)
        self.depth -= 1
        return compiled

    def any_part(self, logic: Any) -> Part:
        if isinstance(logic, list):
            return listing([self.part(entry) for entry in logic])
        if not isinstance(logic, dict):
            return constant(logic)
        if len(logic) != 1:
            return unknown("an operation is an object with exactly one key")
        ((operator, operands),) = logic.items()
        build = self.OPERATIONS.get(operator)
        return unknown(f"there is no operator {operator!r}") if build is None else build(self, operator, operands)

    # -- reading

    def var(self, _operator: str, operands: Any) -> Part:
        path, default = operands, None
        if isinstance(operands, list):
            path = operands[0] if operands else ""
            default = operands[1] if len(operands) > 1 else None
        if isinstance(default, dict | list):
            return unknown("var takes a plain default")
        read = self.reader(path)
        if read is None:
            return unknown("var takes a path")
        if not self.aliases and isinstance(path, str) and path and default is None:
            return payload_value(path)
        return or_default(read, default)

    def reader(self, path: Any) -> Reader | None:
        """Return the reader of a path: an alias and what lies under it, a bare member of an entry, then the payload."""
        if path is None or (isinstance(path, int) and not isinstance(path, bool)):
            path = "" if path is None else str(path)
        if not isinstance(path, str):
            return None
        last = len(self.aliases) + 1
        if path == "":
            return slot(last if self.aliases else 0)
        root, _, rest = path.partition(".")
        for place, alias in reversed(tuple(enumerate(self.aliases, start=2))):
            if root == alias:
                return slot(place) if not rest else first_of([entry_value(place, rest), entry_value(place, path)])
        inner = [entry_value(place, path) for place in range(last, 1, -1)]
        return first_of([*inner, observed_value(path)])

    def missing(self, _operator: str, operands: Any) -> Part:
        paths = operands if isinstance(operands, list) else [operands]
        if len(paths) == 1 and isinstance(paths[0], list):
            paths = paths[0]
        readers = [(path, self.reader(path)) for path in paths]
        if any(read is None for _, read in readers):
            return unknown("missing takes paths")
        known = [(path, read) for path, read in readers if read is not None]
        return lambda frame: [path for path, read in known if read(frame) is MISSING]

    # -- logic

    def negation(self, _operator: str, operands: Any) -> Part:
        if isinstance(operands, list):
            if len(operands) != 1:
                return unknown("! takes one operand")
            operands = operands[0]
        operand = self.part(operands)
        return lambda frame: negate(operand(frame))

    def conjunction(self, _operator: str, operands: Any) -> Part:
        return junction(self.operands(operands), decisive=False)

    def disjunction(self, _operator: str, operands: Any) -> Part:
        return junction(self.operands(operands), decisive=True)

    def operands(self, operands: Any) -> list[Part]:
        return [self.part(operand) for operand in (operands if isinstance(operands, list) else [operands])]

    # -- comparing

    def equality(self, operator: str, operands: Any) -> Part:
        if not isinstance(operands, list) or len(operands) != 2:
            return unknown(f"{operator} takes two operands")
        left, right = self.operands(operands)
        return compared(left, right, wanted=operator == "==")

    def ordering(self, operator: str, operands: Any) -> Part:
        count = len(operands) if isinstance(operands, list) else 1
        if count == 2:
            left, right = self.operands(operands)
            return ordered(operator, left, right, tell(operator, operands))
        if count == 3 and operator in {"<", "<="}:
            low, value, high = self.operands(operands)
            told = tell(operator, operands)
            return lambda frame: within(operator, low(frame), value(frame), high(frame), told)
        return unknown(f"{operator} takes two operands")

    def membership(self, operator: str, operands: Any) -> Part:
        if not isinstance(operands, list) or len(operands) != 2:
            return unknown(f"{operator} takes two operands")
        part, place = self.operands(operands)
        told = f"contains({sketch(operands[1])}, {sketch(operands[0])})"
        return lambda frame: contain(place(frame), part(frame), told)

    def length(self, operator: str, operands: Any) -> Part:
        if isinstance(operands, list):
            if len(operands) != 1:
                return unknown(f"{operator} takes one operand")
            operands = operands[0]
        operand = self.part(operands)
        told = f"length({sketch(operands)})"
        return lambda frame: measure(operand(frame), told)

    # -- quantifiers

    def quantifier(self, operator: str, operands: Any) -> Part:
        if not isinstance(operands, list) or len(operands) not in {2, 3}:
            return unknown(f"{operator} takes a list, a predicate and perhaps an alias")
        alias = operands[2] if len(operands) == 3 else "item"
        if not isinstance(alias, str) or len(self.aliases) >= MAX_QUANTIFIERS:
            return unknown("an alias is a name" if not isinstance(alias, str) else "quantifiers nest too deep")
        collection = self.part(operands[0])
        outer = self.aliases
        self.aliases = (*outer, alias)
        predicate = self.part(operands[1])
        self.aliases = outer
        return quantified(operator, collection, predicate, sketch(operands[0]))

    OPERATIONS: dict[Any, Callable[[Compiler, str, Any], Part]] = {  # noqa: RUF012 - a table of methods, never written to
        "var": var,
        "missing": missing,
        "!": negation,
        "and": conjunction,
        "or": disjunction,
        "==": equality,
        "!=": equality,
        "<": ordering,
        "<=": ordering,
        ">": ordering,
        ">=": ordering,
        "in": membership,
        "length": length,
        "some": quantifier,
        "all": quantifier,
    }


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


def ordered(sign: str, left: Part, right: Part, told: str) -> Part:
    compare = ORDERS[sign]

    def decide(frame: Frame) -> Any:
        one, other = left(frame), right(frame)
        if type(one) in NUMBERS and type(other) in NUMBERS:
            return compare(one, other)
        return order(sign, one, other, told)

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
