"""For tests of conditions: a small catalogue, random trees and logic, and a slow interpreter to compare with."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from policies.conditions import build_catalog
from policies.conditions.numerals import simplify
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

SCHEMAS: dict[str, Any] = {
    "post_copy": {"type": "string", "minLength": 1},
    "planKnobs": {
        "type": "object",
        "properties": {
            "hookIntensity": {"type": "number"},
            "variantCount": {"type": "integer"},
            "formatType": {"type": "string", "enum": ["text", "video", "single_image"]},
            "structure": {"type": "object", "properties": {"lengthLevel": {"type": "number"}}},
        },
    },
    "feedback": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"severity": {"type": "string", "enum": ["info", "major"]}, "path": {"type": "string"}},
        },
    },
    "clarification": {
        "type": "object",
        "properties": {"ready": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}}},
    },
    "social_post.preview": {"type": "object", "properties": {"copy": {"type": ["string", "null"]}}},
}
CATALOG = build_catalog(SCHEMAS)
FACETS = "metadata.runContextSnapshot.facets"


def payload(run: dict[str, Any] | None = None, **facets: Any) -> dict[str, Any]:
    """Return a payload with run signals and facet values where conditions look for them."""
    stored = {name: {"value": value} for name, value in facets.items()}
    return {"run": run or {}, "metadata": {"runContextSnapshot": {"facets": stored}}}


# -- random trees

numbers = st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False))
NAMES = ("facets.a", "facets.b.c", "metadata.d_1")
WORDS = ("some", "all", "in", "as", "length", "contains", "between", "x.true", "_")


literals = st.one_of(st.text(max_size=8), numbers.map(simplify), st.booleans(), st.none()).map(Literal)


@st.composite
def trees(  # noqa: PLR0911 - one for each kind of node
    draw: st.DrawFn, names: tuple[str, ...] = NAMES, aliases: tuple[str, ...] = (), depth: int = 4
) -> Node:
    """Draw a tree that a text can have: its names are free, its quantifiers mention their alias."""
    if depth == 0:
        return draw(leaves(names, aliases))
    kinds = ["leaf", "not", "junction", "comparison", "membership", "contains", "between", "length", "exists"]
    kind = draw(st.sampled_from(kinds + ["quantifier"] * (len(aliases) < 3)))
    below = trees(names, aliases, depth - 1)
    if kind == "not":
        return Not(draw(below))
    if kind == "junction":
        sign = draw(st.sampled_from(("&&", "||")))
        return join(sign, draw(st.lists(below, min_size=2, max_size=3)))
    if kind == "comparison":
        return Comparison(draw(st.sampled_from(("==", "!=", "<", "<=", ">", ">="))), draw(below), draw(below))
    if kind == "membership":
        return Membership(draw(below), tuple(draw(st.lists(literals, max_size=3))))
    if kind == "contains":
        return Contains(draw(below), draw(below))
    if kind == "between":
        return Between(draw(below), draw(below), draw(below))
    if kind == "length":
        return Length(draw(references(names, aliases)))
    if kind == "exists":
        return Exists(Variable(draw(st.sampled_from(names))))
    if kind == "quantifier":
        return draw(quantifiers(names, aliases, depth))
    return draw(leaves(names, aliases))


def join(sign: str, operands: list[Node]) -> Junction:
    flat: list[Node] = []
    for operand in operands:
        flat += operand.operands if isinstance(operand, Junction) and operand.operator == sign else [operand]
    return Junction(sign, tuple(flat))


@st.composite
def quantifiers(draw: st.DrawFn, names: tuple[str, ...], aliases: tuple[str, ...], depth: int) -> Node:
    alias = draw(st.sampled_from(("item", "entry", "f")))
    named = alias != "item" or draw(st.booleans())
    mention = Comparison("==", AliasReference(f"{alias}.severity"), draw(literals))
    predicate = join("&&", [mention, draw(trees(names, (*aliases, alias), depth - 1))])
    collection = draw(references(names, aliases))
    return Quantifier(draw(st.sampled_from(("some", "all"))), collection, alias, named, predicate)


def references(names: tuple[str, ...], aliases: tuple[str, ...]) -> st.SearchStrategy[Any]:
    variables = st.sampled_from(names).map(Variable)
    if not aliases:
        return variables
    return st.one_of(variables, st.sampled_from(aliases).map(lambda alias: AliasReference(f"{alias}.x")))


def leaves(names: tuple[str, ...], aliases: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.one_of(literals, references(names, aliases))


# -- random logic

OPERATORS = ("var", "missing", "!", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "length", "some", "all", "if")
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.sampled_from(("", "a", "b", "a.b", "item", "item.a", "x", "x.a", "0", "length", "a.0.b")),
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(("a", "b", "a.b", "item", "x", "0")), inner, max_size=3),
    ),
    max_leaves=12,
)
json_logic = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(OPERATORS), st.one_of(inner, st.lists(inner, max_size=3)), max_size=1),
        st.dictionaries(st.sampled_from(OPERATORS), st.lists(inner, min_size=2, max_size=2), min_size=1, max_size=1),
    ),
    max_leaves=20,
)


# -- the slow interpreter: the semantics of docs/reference/conditions.md, one sentence per line, nothing compiled

MAYBE = "?maybe"
ABSENT = object()


def interpret(logic: Any, data: Any, scopes: tuple[tuple[str, Any], ...] = ()) -> Any:  # noqa: PLR0911 - one sentence of the semantics each
    if isinstance(logic, list):
        values = [interpret(entry, data, scopes) for entry in logic]
        return MAYBE if any(value is MAYBE for value in values) else values
    if not isinstance(logic, dict):
        return logic
    if len(logic) != 1:
        return MAYBE
    operator, operands = next(iter(logic.items()))
    given = operands if isinstance(operands, list) else [operands]
    if operator == "var":
        return read_variable(given, data, scopes)
    if operator == "missing":
        paths = given[0] if len(given) == 1 and isinstance(given[0], list) else given
        return MAYBE if not all(map(is_path, paths)) else [p for p in paths if find(p, data, scopes) is ABSENT]
    if operator in {"some", "all"}:
        return search(operator, operands, data, scopes)
    if operator not in {"!", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "length"}:
        return MAYBE
    if not isinstance(operands, list) and operator not in {"!", "and", "or", "length"}:
        return MAYBE
    return combine(operator, [interpret(entry, data, scopes) for entry in given])


def combine(operator: str, values: list[Any]) -> Any:  # noqa: PLR0911 - one sentence of the semantics each
    if operator in {"and", "or"}:
        decisive = operator == "or"
        truths = [truthy(value) for value in values]
        if any(value is decisive for value in truths):
            return decisive
        return MAYBE if MAYBE in truths else not decisive
    if operator in {"<", "<="} and len(values) == 3:
        return combine("and", [combine(operator, values[:2]), combine(operator, values[1:])])
    if len(values) != (1 if operator in {"!", "length"} else 2) or any(value is MAYBE for value in values):
        return MAYBE
    first, last = values[0], values[-1]
    if operator == "!":
        return not truthy(first)
    if operator == "length":
        return len(first) if isinstance(first, str | list) else MAYBE
    if operator in {"==", "!="}:
        return alike(first, last) is (operator == "==")
    if operator == "in" and isinstance(last, list):
        return any(alike(first, entry) for entry in last)
    if operator == "in":
        return first in last if isinstance(first, str) and isinstance(last, str) else MAYBE
    if json_type(first) != json_type(last) or json_type(first) not in {"number", "string", "boolean"}:
        return MAYBE
    return {"<": first < last, "<=": first <= last, ">": first > last, ">=": first >= last}[operator]


def search(operator: str, operands: Any, data: Any, scopes: tuple[tuple[str, Any], ...]) -> Any:
    if not isinstance(operands, list) or len(operands) not in {2, 3} or len(scopes) >= 3:
        return MAYBE
    alias = operands[2] if len(operands) == 3 else "item"
    if not isinstance(alias, str):
        return MAYBE
    entries = interpret(operands[0], data, scopes)
    if not entries and (entries is None or isinstance(entries, list)):
        return False
    if not isinstance(entries, list):
        return MAYBE
    results = [interpret(operands[1], data, (*scopes, (alias, entry))) for entry in entries]
    return combine("or" if operator == "some" else "and", results)


def read_variable(given: list[Any], data: Any, scopes: tuple[tuple[str, Any], ...]) -> Any:
    path = given[0] if given else ""
    default = given[1] if len(given) > 1 else None
    if not is_path(path) or isinstance(default, dict | list):
        return MAYBE
    value = find(path, data, scopes)
    return default if value is ABSENT else value


def is_path(path: Any) -> bool:
    return path is None or isinstance(path, str) or (isinstance(path, int) and not isinstance(path, bool))


def find(path: Any, data: Any, scopes: tuple[tuple[str, Any], ...]) -> Any:
    path = "" if path is None else str(path)
    if path == "":
        return scopes[-1][1] if scopes else data
    root, _, rest = path.partition(".")
    for alias, entry in reversed(scopes):
        if alias == root:
            found = walk(entry, rest.split(".")) if rest else entry
            return walk(entry, path.split(".")) if found is ABSENT else found
    for _, entry in reversed(scopes):
        if (found := walk(entry, path.split("."))) is not ABSENT:
            return found
    return walk(data, path.split("."))


def walk(value: Any, segments: list[str]) -> Any:
    if not segments:
        return value
    if isinstance(value, list):
        if segments[0] == "length":
            return walk(len(value), segments[1:])
        if segments[0].isdigit() and int(segments[0]) < len(value):
            return walk(value[int(segments[0])], segments[1:])
    if isinstance(value, dict):
        for taken in range(1, len(segments) + 1):
            key = ".".join(segments[:taken])
            if key in value and (found := walk(value[key], segments[taken:])) is not ABSENT:
                return found
    return ABSENT


def truthy(value: Any) -> Any:
    if value is MAYBE or isinstance(value, dict):
        return MAYBE if value is MAYBE else True
    return bool(value) and value == value  # noqa: PLR0124 - NaN is false


def alike(left: Any, right: Any) -> bool:
    if json_type(left) != json_type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(alike, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(alike(left[key], right[key]) for key in left)
    return bool(left == right)


def json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return type(value).__name__ if isinstance(value, list | dict) else "string" if isinstance(value, str) else "null"
