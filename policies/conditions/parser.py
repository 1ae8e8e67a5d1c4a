"""From tokens to the tree: one method per grammar rule, the rule above it, names left to the checks.

Precedence, weakest first: `||`, `&&`, `== !=`, `< <= > >= in`, `!`. Binary operators group to the left. The words
`some`, `all`, `length`, `contains` and `between` call only before a parenthesis and are ordinary names elsewhere;
`in` is an operator only behind an operand; `exists` always calls.
"""

from __future__ import annotations

from collections.abc import Callable

from policies.conditions.errors import Fault, FaultError, Span
from policies.conditions.limits import MAX_NESTING, MAX_QUANTIFIERS, refuse_large, refuse_long
from policies.conditions.numerals import read_number
from policies.conditions.render import nesting
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
    Variable,
)
from policies.conditions.tokens import Token, is_blank, tokenize, unquote

EQUALITY = frozenset(("==", "!="))
ORDERING = frozenset((">", ">=", "<", "<="))
CONSTANTS = {"true": True, "false": False, "null": None}


def parse_tree(text: str) -> Node:
    """Return the tree of a text, or raise `FaultError` with the first thing that is wrong with its form."""
    if is_blank(text):
        raise FaultError(Fault("empty_expression", "there is no condition here", (0, len(text))))
    refuse_long(text)
    tokens = tokenize(text)
    parser = Parser(tokens, len(text))
    tree = parser.condition()
    refuse_large(tokens)
    if parser.chained and nesting(tree) > MAX_NESTING:
        raise FaultError(Fault("too_deep", f"written out, this nests deeper than {MAX_NESTING} levels", tree.span))
    return tree


class Parser:
    """Reads one condition; `chained` tells that an unparenthesised comparison stands inside another."""

    def __init__(self, tokens: list[Token], length: int) -> None:
        self.tokens = tokens
        self.token = tokens[0]
        self.index = 0
        self.length = length
        self.depth = 0
        self.aliases: list[str] = []
        self.chained = False

    # condition = or ;
    def condition(self) -> Node:
        tree = self.disjunction()
        if self.token.kind != "end":
            raise self.unexpected("an operator or the end of the condition")
        return tree

    # or = and { "||" and } ;
    def disjunction(self) -> Node:
        return self.junction("||", self.conjunction)

    # and = equality { "&&" equality } ;
    def conjunction(self) -> Node:
        return self.junction("&&", self.equality)

    def junction(self, operator: str, operand: Callable[[], Node]) -> Node:
        start = self.token.start
        first = operand()
        if self.token.kind != operator:
            return first
        operands = flat(operator, first)
        while self.token.kind == operator:
            self.advance()
            operands += flat(operator, operand())
        return Junction(operator, tuple(operands), self.span_from(start))

    # equality = comparison { ("==" | "!=") comparison } ;
    def equality(self) -> Node:
        start = self.token.start
        left = self.comparison()
        while self.token.kind in EQUALITY:
            operator = self.advance()
            right = self.comparison()
            left = self.compare(operator, left, right, start)
        return left

    # comparison = unary { (">" | ">=" | "<" | "<=") unary | "in" list } ;
    def comparison(self) -> Node:
        start = self.token.start
        left = self.unary()
        while True:
            if self.token.kind in ORDERING:
                operator = self.advance()
                left = self.compare(operator, left, self.unary(), start)
            elif self.token.kind == "name" and self.token.text == "in":
                operator = self.advance()
                self.chained = self.chained or isinstance(left, Comparison | Membership)
                left = Membership(left, self.options(), operator.span, self.span_from(start))
            else:
                return left

    def compare(self, operator: Token, left: Node, right: Node, start: int) -> Comparison:
        nested = (Comparison, Membership)
        self.chained = self.chained or isinstance(left, nested) or isinstance(right, nested)
        return Comparison(operator.kind, left, right, operator.span, self.span_from(start))

    # list = "[" [ literal { "," literal } ] "]" ;
    def options(self) -> tuple[Literal, ...]:
        opening = self.expect("[", "a list, as in [1, 2]")
        found: list[Literal] = []
        if self.token.kind != "]":
            found.append(self.option())
            while self.token.kind == ",":
                self.advance()
                found.append(self.option())
        self.close("]", opening)
        return tuple(found)

    def option(self) -> Literal:
        literal = self.literal()
        if literal is None:
            raise self.unexpected("a text, a number, true, false or null")
        return literal

    # unary = "!" unary | primary ;
    def unary(self) -> Node:
        if self.token.kind != "!":
            return self.primary()
        mark = self.advance()
        self.enter(mark)
        operand = self.unary()
        self.depth -= 1
        return Not(operand, self.span_from(mark.start))

    # primary = literal | "(" or ")" | call | variable ;
    def primary(self) -> Node:
        literal = self.literal()
        if literal is not None:
            return literal
        token = self.token
        if token.kind == "(":
            return self.grouped()
        if token.kind != "name":
            raise self.unexpected("a value, a name or a parenthesis")
        call = self.CALLS.get(token.text)
        if call is not None and (token.text == "exists" or self.tokens[self.index + 1].kind == "("):
            return call(self)
        return self.name()

    def grouped(self) -> Node:
        opening = self.advance()
        self.enter(opening)
        inner = self.disjunction()
        self.close(")", opening)
        self.depth -= 1
        return inner

    # literal = STRING | NUMBER | "true" | "false" | "null" ;
    def literal(self) -> Literal | None:
        token = self.token
        if token.kind == "string":
            self.advance()
            return Literal(unquote(token.text), token.span)
        if token.kind == "number":
            value = read_number(token.text)
            if value is None:
                raise FaultError(Fault("syntax_error", "this number is too large", (token.start, token.start + 1)))
            self.advance()
            return Literal(value, token.span)
        if token.kind == "name" and token.text in CONSTANTS:
            self.advance()
            return Literal(CONSTANTS[token.text], token.span)
        return None

    # variable = IDENT ;
    def name(self) -> Variable | AliasReference:
        token = self.advance()
        if self.aliases and token.text.partition(".")[0] in self.aliases:
            return AliasReference(token.text, token.span)
        return Variable(token.text, token.span)

    # exists = "exists" "(" or ")" ;
    def exists(self) -> Node:
        word = self.advance()
        opening = self.open(word)
        operand = self.disjunction()
        self.close(")", opening)
        self.depth -= 1
        return Exists(operand, self.span_from(word.start))

    # length = "length" "(" variable ")" ;
    def length_of(self) -> Node:
        word = self.advance()
        opening = self.open(word)
        if self.token.kind != "name" or self.token.text in CONSTANTS:
            raise self.unexpected("a name")
        operand = self.name()
        self.close(")", opening)
        self.depth -= 1
        return Length(operand, word.span, self.span_from(word.start))

    # contains = "contains" "(" or "," or ")" ;
    def contains(self) -> Node:
        word = self.advance()
        text, part = self.arguments(word, 2)
        return Contains(text, part, word.span, self.span_from(word.start))

    # between = "between" "(" or "," or "," or ")" ;
    def between(self) -> Node:
        word = self.advance()
        value, low, high = self.arguments(word, 3)
        return Between(value, low, high, word.span, self.span_from(word.start))

    def arguments(self, word: Token, count: int) -> list[Node]:
        opening = self.open(word)
        found = [self.disjunction()]
        while len(found) < count:
            self.expect(",", "a comma")
            found.append(self.disjunction())
        self.close(")", opening)
        self.depth -= 1
        return found

    # quantifier = ("some" | "all") "(" or [ "as" ALIAS ] "," or ")" ;
    def quantifier(self) -> Node:
        word = self.advance()
        opening = self.open(word)
        if len(self.aliases) >= MAX_QUANTIFIERS:
            raise FaultError(Fault("too_deep", f"quantifiers may nest {MAX_QUANTIFIERS} deep", word.span))
        collection = self.disjunction()
        named = self.token.kind == "name" and self.token.text == "as"
        alias = self.alias() if named else "item"
        self.expect(",", "a comma and the predicate")
        self.aliases.append(alias)
        predicate = self.disjunction()
        self.aliases.pop()
        self.close(")", opening)
        self.depth -= 1
        return Quantifier(word.text, collection, alias, named, predicate, self.span_from(word.start))

    # ALIAS = IDENT without "." ;
    def alias(self) -> str:
        self.advance()
        token = self.token
        if token.kind != "name" or "." in token.text or token.text in CONSTANTS:
            raise self.unexpected("an alias: a name without a dot")
        return self.advance().text

    CALLS: dict[str, Callable[[Parser], Node]] = {  # noqa: RUF012 - a table of methods, never written to
        "exists": exists,
        "length": length_of,
        "contains": contains,
        "between": between,
        "some": quantifier,
        "all": quantifier,
    }

    # -- moving on

    def advance(self) -> Token:
        token = self.token
        self.index += 1
        self.token = self.tokens[self.index]
        return token

    def span_from(self, start: int) -> Span:
        """Return the span from `start` to the end of the token just read."""
        return start, self.tokens[self.index - 1].end

    def enter(self, token: Token) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise FaultError(Fault("too_deep", f"this nests deeper than {MAX_NESTING} levels", token.span))

    def open(self, word: Token) -> Token:
        opening = self.expect("(", f"a parenthesis behind {word.text}")
        self.enter(opening)
        return opening

    def expect(self, kind: str, wanted: str) -> Token:
        if self.token.kind != kind:
            raise self.unexpected(wanted)
        return self.advance()

    def close(self, kind: str, opening: Token) -> None:
        """Read the closing sign; when the text ends first, the opening one is at fault."""
        if self.token.kind == "end":
            raise FaultError(Fault("syntax_error", f"this {opening.text} is never closed", opening.span))
        self.expect(kind, kind)

    def unexpected(self, wanted: str) -> FaultError:
        token = self.token
        if token.kind == "bad":
            return FaultError(Fault("syntax_error", token.text, token.span))
        if token.kind == "end":
            message = f"the condition ends where {wanted} should follow"
            return FaultError(Fault("syntax_error", message, (self.length - 1, self.length)))
        message = f"expected {wanted}, found {token.text}"
        return FaultError(Fault("syntax_error", message, (token.start, token.start + 1)))


def flat(operator: str, node: Node) -> list[Node]:
    """Return the operands of a junction of the same operator, or the node alone."""
    return list(node.operands) if isinstance(node, Junction) and node.operator == operator else [node]
