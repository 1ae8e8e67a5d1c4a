"""Between the tree and JSON-Logic: every tree has a JSON-Logic, some JSON-Logic has a tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

from policies.conditions.catalog import ROOTS, Catalog
from policies.conditions.errors import Fault, FaultError
from policies.conditions.limits import MAX_NESTING
from policies.conditions.numerals import read_number, simplify
from policies.conditions.parser import CONSTANTS, EQUALITY, ORDERING, flat
from policies.conditions.syntax import (
    NOWHERE,
    AliasReference,
    Between,
    Comparison,
    Contains,
    Exists,
    Junction,
    Length,
    Literal,
    Membership,
    Node,
    Not,
    Quantifier,
    Variable,
    children,
)
from policies.conditions.tokens import IDENTIFIER

JUNCTIONS = {"&&": "and", "||": "or"}
MAX_READ_DEPTH = 5 * MAX_NESTING
"""JSON-Logic nests a level per operator where text only does so for parentheses."""


def to_logic(tree: Node, path_of: Callable[[str], str]) -> Any:  # noqa: PLR0911 - one for each kind of node
    """Return the JSON-Logic of a tree; `path_of` gives the payload path of a variable as written."""
    parts = [to_logic(child, path_of) for child in children(tree)]
    match tree:
        case Literal():
            return tree.value
        case Variable() | AliasReference():
            return {"var": path_of(tree.name) if isinstance(tree, Variable) else tree.name}
        case Not():
            return {"!": parts[0]}
        case Junction():
            return {JUNCTIONS[tree.operator]: parts}
        case Comparison():
            return {tree.operator: parts}
        case Membership():
            return {"in": [parts[0], parts[1:]]}
        case Contains():
            return {"in": [parts[1], parts[0]]}
        case Between():
            return {"<=": [parts[1], parts[0], parts[2]]}
        case Length():
            return {"length": parts}
        case Exists():
            return {"!": [{"missing": [parts[0]["var"]]}]}
        case Quantifier():
            return {tree.kind: [*parts, tree.alias] if tree.named else parts}


def read_logic(logic: Any, catalog: Catalog) -> Node:
    """Return the tree that says the same as a JSON-Logic, its names spelt as the catalogue writes them.

    Raises `FaultError` with `invalid_json_logic` where the language has no words for it, and with `unknown_variable`
    for a path that is not in the catalogue. Types are left to the checks of the text.
    """
    return LogicReader(catalog).read(logic)


class LogicReader:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.aliases: list[str] = []
        self.depth = 0

    def read(self, logic: Any) -> Node:
        if logic is None or isinstance(logic, str | int | float):
            return self.read_literal(logic)
        if not isinstance(logic, dict) or len(logic) != 1:
            refuse("an operation is an object with exactly one key")
        ((operator, operands),) = logic.items()
        self.depth += 1
        if self.depth > MAX_READ_DEPTH:
            raise FaultError(Fault("too_deep", "this JSON-Logic nests too deep", NOWHERE))
        node = self.read_operation(operator, operands)
        self.depth -= 1
        return node

    def read_literal(self, value: Any) -> Literal:
        if isinstance(value, float) and read_number(repr(value)) is None:
            refuse(f"{value} is no JSON number")
        return Literal(simplify(value) if isinstance(value, float) else value)

    def read_operation(self, operator: str, operands: Any) -> Node:
        read = self.OPERATIONS.get(operator)
        if read is None:
            refuse(f"the language has no operator {operator!r}")
        return read(self, operator, operands)

    def read_variable(self, _operator: str, operand: Any) -> Variable | AliasReference:
        path = operand[0] if isinstance(operand, list) and operand else operand
        if not isinstance(path, str):
            refuse("var takes a path")
        entry = self.catalog.lookup(path)
        if self.aliases and (path == "" or path.partition(".")[0] in self.aliases):
            return AliasReference(path or self.aliases[-1])
        if self.aliases and (entry is None or self.catalog.is_open) and path.partition(".")[0] not in ROOTS:
            return AliasReference(spell(f"{self.aliases[-1]}.{path}"))
        if entry is None:
            suggestion = self.catalog.suggest(path)
            raise FaultError(Fault("unknown_variable", f"there is no variable {path}", NOWHERE, suggestion))
        return Variable(spell(entry.dsl_path))

    def read_junction(self, operator: str, operands: Any) -> Node:
        if not isinstance(operands, list) or not operands:
            refuse(f"{operator} takes a list of at least one condition")
        sign = "&&" if operator == "and" else "||"
        parts = [part for operand in operands for part in flat(sign, self.read(operand))]
        return parts[0] if len(parts) == 1 else Junction(sign, tuple(parts))

    def read_not(self, _operator: str, operand: Any) -> Node:
        if not isinstance(operand, list):
            return Not(self.read(operand))
        match operand:
            case [{"missing": [str(path)], **rest}] | [{"missing": str(path), **rest}] if not rest:
                return Exists(self.read_variable("var", path))
        return refuse("! takes one condition that is no list")

    def read_comparison(self, operator: str, operands: Any) -> Node:
        if operator == "<=" and isinstance(operands, list) and len(operands) == 3:
            low, value, high = map(self.read, operands)
            return Between(value, low, high)
        left, right = self.pair(operator, operands)
        return Comparison(operator, self.read(left), self.read(right))

    def read_in(self, _operator: str, operands: Any) -> Node:
        needle, place = self.pair("in", operands)
        if not isinstance(place, list):
            part = self.read(needle)
            return Contains(self.read(place), part)
        if any(isinstance(option, dict | list) for option in place):
            refuse("a list may hold texts, numbers, true, false and null")
        return Membership(self.read(needle), tuple(self.read_literal(option) for option in place))

    def read_length(self, _operator: str, operand: Any) -> Node:
        inner = operand[0] if isinstance(operand, list) and len(operand) == 1 else operand
        if not isinstance(inner, dict) or list(inner) != ["var"]:
            refuse("length takes one variable")
        return Length(self.read_variable("var", inner["var"]))

    def read_quantifier(self, kind: str, operands: Any) -> Node:
        if not isinstance(operands, list) or len(operands) not in {2, 3}:
            refuse(f"{kind} takes a list, a predicate and perhaps an alias")
        named = len(operands) == 3
        alias = operands[2] if named else "item"
        if not isinstance(alias, str) or "." in alias or not is_word(alias):
            refuse("an alias is a name without a dot")
        collection = self.read(operands[0])
        self.aliases.append(alias)
        predicate = self.read(operands[1])
        self.aliases.pop()
        return Quantifier(kind, collection, alias, named, predicate)

    OPERATIONS: ClassVar[dict[Any, Callable[[LogicReader, str, Any], Node]]] = {
        "var": read_variable,
        "and": read_junction,
        "or": read_junction,
        "!": read_not,
        "in": read_in,
        "length": read_length,
        "some": read_quantifier,
        "all": read_quantifier,
        **dict.fromkeys(sorted(EQUALITY | ORDERING), read_comparison),
    }

    @staticmethod
    def pair(operator: str, operands: Any) -> Sequence[Any]:
        if not isinstance(operands, list) or len(operands) != 2:
            refuse(f"{operator} takes two operands")
        return operands


def is_word(name: str) -> bool:
    return IDENTIFIER.fullmatch(name) is not None and name not in CONSTANTS


def spell(name: str) -> str:
    """Return a name that can be written, or refuse it."""
    if not is_word(name) or name == "exists":
        refuse(f"{name!r} cannot be written as a name")
    return name


def refuse(message: str) -> NoReturn:
    raise FaultError(Fault("invalid_json_logic", message, NOWHERE))
