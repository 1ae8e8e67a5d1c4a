"""From JSON-Logic to a closure: scopes are settled while compiling, running only reads and compares.

What is not JSON-Logic compiles to a part that answers `Unknown` with the reason, and counts only if it is reached.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from policies.conditions.limits import MAX_QUANTIFIERS
from policies.conditions.lookup import MISSING
from policies.conditions.parts import (
    Part,
    Reader,
    compared,
    compared_with,
    constant,
    entry_value,
    first_of,
    junction,
    listing,
    observed_value,
    or_default,
    ordered,
    ordered_with,
    payload_value,
    quantified,
    sketch,
    slot,
    tell,
    unknown,
)
from policies.conditions.values import NUMBERS, SCALARS, contain, measure, negate, within

MAX_DEPTH = 100
MAX_PARTS = 5000


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
        if type(operands[1]) in SCALARS:
            return compared_with(left, operands[1], wanted=operator == "==")
        return compared(left, right, wanted=operator == "==")

    def ordering(self, operator: str, operands: Any) -> Part:
        count = len(operands) if isinstance(operands, list) else 1
        if count == 2:
            left, right = self.operands(operands)
            if type(operands[1]) in NUMBERS:
                return ordered_with(operator, left, operands[1], tell(operator, operands))
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
