"""From a tree to everything that is wrong with its meaning: names, types, operators, enumerations, quantifiers.

One walk over the tree. `visit` returns the typed terms (variables, lengths) found in a subtree, because a comparison
is checked against every term of both its sides; alias references are free and yield none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

from policies.conditions.catalog import Catalog, Entry
from policies.conditions.errors import Fault, Span
from policies.conditions.render import print_literal
from policies.conditions.schemas import ANY, type_of
from policies.conditions.suggestions import nearest
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
)

MAX_SUGGESTIONS = 20
"""A search for a near name costs about a millisecond; beyond this many the names are listed without one."""


@dataclass(frozen=True, slots=True)
class Term:
    """Something with a type that stands in an operand."""

    type: str
    span: Span
    name: str
    enum: tuple[Any, ...] | None = None
    operators: tuple[str, ...] = ()


@dataclass(slots=True)
class Scope:
    alias: str
    used: bool = False


@dataclass(slots=True)
class Findings:
    """What the checks found: the faults, and the entries named, in the order in which they stand."""

    faults: list[Fault] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)


def check(tree: Node, catalog: Catalog) -> Findings:
    """Return all faults of a tree at once, and the catalogue entry of each name in it."""
    checker = Checker(catalog)
    checker.visit(tree)
    checker.require_boolean(tree)
    return checker.found


class Checker:
    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.found = Findings()
        self.scopes: list[Scope] = []
        self.suggestions: dict[str, str | None] = {}

    def report(self, code: str, message: str, span: Span, suggestion: str | None = None) -> None:
        self.found.faults.append(Fault(code, message, span, suggestion))

    def visit(self, node: Node) -> list[Term]:
        return self.VISITS[type(node)](self, node)

    # -- names

    def visit_literal(self, _node: Literal) -> list[Term]:
        return []

    def visit_variable(self, node: Variable) -> list[Term]:
        entry = self.find(node)
        if entry is None:
            suggestion = self.suggest(node.name)
            self.report("unknown_variable", f"there is no variable {node.name}", node.span, suggestion)
            return []
        return [Term(entry.type, node.span, node.name, entry.enum, entry.operators)]

    def visit_alias(self, node: AliasReference) -> list[Term]:
        alias = node.name.partition(".")[0]
        for scope in reversed(self.scopes):
            if scope.alias == alias:
                scope.used = True
                break
        return []

    def find(self, node: Variable) -> Entry | None:
        entry = self.found.entries.get(node.name) or self.catalog.lookup(node.name)
        if entry is None:
            return None
        self.found.entries[node.name] = entry
        self.found.variables.append(node)
        if self.scopes:
            self.refuse_hidden(node, entry)
        return entry

    def refuse_hidden(self, node: Variable, entry: Entry) -> None:
        """Report an alias that spells the root of a variable: it would capture the variable in the canonical forms."""
        roots = {entry.path.partition(".")[0], entry.dsl_path.partition(".")[0]}
        for scope in self.scopes:
            if scope.alias in roots:
                message = f"the alias {scope.alias} hides {entry.dsl_path}: choose another alias"
                self.report("invalid_quantifier", message, node.span)
                return

    def suggest(self, name: str) -> str | None:
        if name not in self.suggestions and len(self.suggestions) < MAX_SUGGESTIONS:
            self.suggestions[name] = self.catalog.suggest(name)
        return self.suggestions.get(name)

    # -- logic

    def visit_not(self, node: Not) -> list[Term]:
        return self.visit(node.operand)

    def visit_junction(self, node: Junction) -> list[Term]:
        return [term for operand in node.operands for term in self.visit(operand)]

    def visit_exists(self, node: Exists) -> list[Term]:
        operand = node.operand
        entry = self.find(operand) if isinstance(operand, Variable) else None
        if entry is not None:
            return [Term(entry.type, operand.span, entry.dsl_path, None, entry.operators)]
        suggestion = self.suggest(operand.name) if isinstance(operand, Variable) else None
        self.report("invalid_condition_exists", "exists takes the name of a variable", operand.span, suggestion)
        return []

    def visit_quantifier(self, node: Quantifier) -> list[Term]:
        terms = self.visit_collection(node)
        self.scopes.append(Scope(node.alias))
        terms = terms + self.visit(node.predicate)
        if not self.scopes.pop().used:
            message = f"the predicate never mentions {node.alias}, the entry of the list"
            self.report("invalid_quantifier", message, node.predicate.span)
        return terms

    def visit_collection(self, node: Quantifier) -> list[Term]:
        terms = self.visit(node.collection) if isinstance(node.collection, Variable | AliasReference) else []
        if isinstance(node.collection, AliasReference):
            return terms
        if not isinstance(node.collection, Variable):
            self.report("invalid_quantifier", f"{node.kind} takes the name of a list", node.collection.span)
        elif terms and terms[0].type not in {"array", ANY}:
            message = f"{node.kind} takes a list, and {terms[0].name} is of type {terms[0].type}"
            self.report("invalid_quantifier", message, node.collection.span)
        return terms

    # -- operators

    def visit_comparison(self, node: Comparison) -> list[Term]:
        left, right = self.visit(node.left), self.visit(node.right)
        self.check_operator(node.operator, node.operator_span, left + right)
        self.check_types(node.left, left, node.right, right)
        if node.operator in {"==", "!="}:
            self.check_enum(node.left, right)
            self.check_enum(node.right, left)
        return left + right

    def visit_membership(self, node: Membership) -> list[Term]:
        terms = self.visit(node.operand)
        self.check_operator("in", node.operator_span, terms)
        for option in node.options:
            self.check_types(node.operand, terms, option, [])
            self.check_enum(option, terms)
        return terms

    def visit_contains(self, node: Contains) -> list[Term]:
        text, part = self.visit(node.text), self.visit(node.part)
        self.check_operator("contains", node.operator_span, text + part)
        self.check_types(node.text, text, node.part, part)
        return text + part

    def visit_between(self, node: Between) -> list[Term]:
        value, low, high = self.visit(node.value), self.visit(node.low), self.visit(node.high)
        self.check_operator("between", node.operator_span, value + low + high)
        known = len(self.found.faults)
        self.check_types(node.value, value, node.low, low)
        if len(self.found.faults) == known or not isinstance(node.value, Literal):
            self.check_types(node.value, value, node.high, high)
        return value + low + high

    def visit_length(self, node: Length) -> list[Term]:
        self.check_operator("length", node.operator_span, self.visit(node.operand))
        return [Term("number", node.span, f"length({node.operand.name})", None, self.NUMERIC)]

    NUMERIC: ClassVar[tuple[str, ...]] = ("==", "!=", "<", "<=", ">", ">=", "in", "between")

    def check_operator(self, operator: str, span: Span, terms: Sequence[Term]) -> None:
        refused = [term for term in terms if operator not in term.operators]
        if refused:
            told = " and ".join(dict.fromkeys(f"{term.name} ({term.type})" for term in refused))
            allowed = " ".join(refused[0].operators)
            self.report("operator_not_allowed", f"{operator} is not for {told}: allowed are {allowed}", span)

    def check_types(self, left: Node, left_terms: Sequence[Term], right: Node, right_terms: Sequence[Term]) -> None:
        if isinstance(left, Literal):
            self.check_literal(left, right_terms)
        elif isinstance(right, Literal):
            self.check_literal(right, left_terms)
        else:
            for one, other in product(left_terms, right_terms):
                if ANY not in {one.type, other.type} and one.type != other.type:
                    message = f"{other.name} is of type {other.type}, {one.name} of type {one.type}"
                    self.report("type_mismatch", message, other.span)
                    return

    def check_literal(self, literal: Literal, terms: Sequence[Term]) -> None:
        if literal.value is None:
            return
        kind = type_of(literal.value)
        for term in terms:
            if term.type not in {kind, ANY}:
                message = f"{term.name} is of type {term.type}, {print_literal(literal.value)} of type {kind}"
                self.report("type_mismatch", message, literal.span)
                return

    def check_enum(self, literal: Node, terms: Sequence[Term]) -> None:
        """Compare a literal with the allowed values of the one variable on the other side."""
        if not isinstance(literal, Literal) or literal.value is None or len(terms) != 1 or terms[0].enum is None:
            return
        term = terms[0]
        allowed = [value for value in term.enum or () if type_of(value) == type_of(literal.value)]
        if type_of(literal.value) == term.type and literal.value not in allowed:
            values = ", ".join(print_literal(value) for value in allowed)
            message = f"{term.name} is never {print_literal(literal.value)}: it is one of {values}"
            self.report("enum_mismatch", message, literal.span, near_value(literal.value, allowed))

    # -- the root

    def require_boolean(self, tree: Node) -> None:
        if isinstance(tree, Literal):
            kind = "null" if tree.value is None else type_of(tree.value)
        elif isinstance(tree, Length):
            kind = "number"
        elif isinstance(tree, Variable):
            entry = self.found.entries.get(tree.name)
            kind = ANY if entry is None else entry.type
        else:
            return
        if kind not in {"boolean", ANY}:
            self.report("not_boolean", f"a condition must be true or false, this is of type {kind}", tree.span)

    VISITS: ClassVar[dict[type, Callable[[Checker, Any], list[Term]]]] = {
        Literal: visit_literal,
        Variable: visit_variable,
        AliasReference: visit_alias,
        Not: visit_not,
        Junction: visit_junction,
        Comparison: visit_comparison,
        Membership: visit_membership,
        Contains: visit_contains,
        Between: visit_between,
        Length: visit_length,
        Exists: visit_exists,
        Quantifier: visit_quantifier,
    }


def near_value(value: Value, allowed: Sequence[Any]) -> str | None:
    texts = [str(option) for option in allowed if isinstance(option, str)]
    return nearest(value, texts) if isinstance(value, str) else None
