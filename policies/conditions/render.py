"""From the tree to canonical text: one blank round binary operators, double quotes, no parenthesis too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from policies.conditions.numerals import print_number
from policies.conditions.syntax import (
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
    Value,
    Variable,
    children,
)

ESCAPES = str.maketrans(
    {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"},
)
WORDS = {True: "true", False: "false", None: "null"}

OR, AND, COMPARISON, NOT, CLOSED = 1, 2, 3, 4, 5


def render(tree: Node, spell: Callable[[str], str] = str) -> str:  # noqa: PLR0911 - one for each kind of node
    """Return the canonical text of a tree; `spell` gives the shortest name of a variable."""
    match tree:
        case Literal():
            return print_literal(tree.value)
        case Variable():
            return spell(tree.name)
        case AliasReference():
            return tree.name
        case Not():
            return f"!{enclose(tree.operand, tree, spell)}"
        case Junction():
            return f" {tree.operator} ".join(enclose(operand, tree, spell) for operand in tree.operands)
        case Comparison():
            return f"{enclose(tree.left, tree, spell)} {tree.operator} {enclose(tree.right, tree, spell)}"
        case Membership():
            options = ", ".join(print_literal(option.value) for option in tree.options)
            return f"{enclose(tree.operand, tree, spell)} in [{options}]"
        case Contains() | Between() | Length() | Exists():
            arguments = ", ".join(render(argument, spell) for argument in children(tree))
            return f"{type(tree).__name__.lower()}({arguments})"
        case Quantifier():
            alias = f" as {tree.alias}" if tree.named else ""
            return f"{tree.kind}({render(tree.collection, spell)}{alias}, {render(tree.predicate, spell)})"


def enclose(child: Node, parent: Node, spell: Callable[[str], str]) -> str:
    text = render(child, spell)
    return f"({text})" if is_enclosed(child, parent) else text


def is_enclosed(child: Node, parent: Node) -> bool:
    """Tell whether a child needs parentheses: it is weaker, or as strong and not written side by side."""
    own, outer = strength(child), strength(parent)
    return own < outer or own == outer == COMPARISON


def strength(node: Node) -> int:
    match node:
        case Junction():
            return OR if node.operator == "||" else AND
        case Comparison() | Membership():
            return COMPARISON
        case Not():
            return NOT
        case _:
            return CLOSED


def print_literal(value: Value) -> str:
    if isinstance(value, str):
        return f'"{value.translate(ESCAPES)}"'
    if value is None or isinstance(value, bool):
        return WORDS[value]
    return print_number(value)


def nesting(tree: Node) -> int:
    """Return how deep the canonical text nests: parentheses, calls and `!` each count one."""
    deepest = 0
    pending = [(tree, 0)]
    while pending:
        node, depth = pending.pop()
        deepest = max(deepest, depth)
        pending.extend(deeper(node, depth))
    return deepest


def deeper(node: Node, depth: int) -> Iterator[tuple[Node, int]]:
    inside = depth if isinstance(node, Junction | Comparison | Membership) else depth + 1
    for child in children(node):
        called = isinstance(node, Contains | Between | Length | Exists | Quantifier)
        yield child, inside + (0 if called else is_enclosed(child, node))
