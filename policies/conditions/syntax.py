"""The tree of a condition: frozen nodes that compare by what they say, not by where they stand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from policies.conditions.errors import Span

NOWHERE: Span = (0, 0)

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Literal:
    value: Value
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """A name to be found in the catalogue, as the author wrote it."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class AliasReference:
    """A name whose first segment is the alias of an enclosing quantifier."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    operand: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Junction:
    """`&&` or `||` over two or more operands, none of which is a junction of the same operator."""

    operator: str
    operands: tuple[Node, ...]
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    operator: str
    left: Node
    right: Node
    operator_span: Span = field(default=NOWHERE, compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Membership:
    """`operand in [literal, ...]`."""

    operand: Node
    options: tuple[Literal, ...]
    operator_span: Span = field(default=NOWHERE, compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Contains:
    """`contains(text, part)`."""

    text: Node
    part: Node
    operator_span: Span = field(default=NOWHERE, compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Between:
    """`between(value, low, high)`, both ends included."""

    value: Node
    low: Node
    high: Node
    operator_span: Span = field(default=NOWHERE, compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Length:
    """`length(path)`: characters of a text, entries of a list."""

    operand: Variable | AliasReference
    operator_span: Span = field(default=NOWHERE, compare=False, repr=False)
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Exists:
    operand: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Quantifier:
    """`some` or `all` over a list; `named` tells whether the author wrote the alias."""

    kind: str
    collection: Node
    alias: str
    named: bool
    predicate: Node
    span: Span = field(default=NOWHERE, compare=False, repr=False)


Node: TypeAlias = (
    Literal
    | Variable
    | AliasReference
    | Not
    | Junction
    | Comparison
    | Membership
    | Contains
    | Between
    | Length
    | Exists
    | Quantifier
)


def children(node: Node) -> tuple[Node, ...]:  # noqa: PLR0911 - one for each kind of node
    """Return the operands of a node in the order in which they are written."""
    match node:
        case Literal() | Variable() | AliasReference():
            return ()
        case Junction():
            return node.operands
        case Comparison():
            return (node.left, node.right)
        case Membership():
            return (node.operand, *node.options)
        case Contains():
            return (node.text, node.part)
        case Between():
            return (node.value, node.low, node.high)
        case Quantifier():
            return (node.collection, node.predicate)
        case Not() | Length() | Exists():
            return (node.operand,)
