"""What each keyword claims where it is kept, and the ways in which a value can break it: one table of rules.

A rule sees the whole schema, since some keywords lean on others, and the kind of value that is asked about. Keywords of
another kind claim nothing and cannot be broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain, combinations
from typing import Any

from planner.contracts.containment.answers import TRUE
from planner.contracts.containment.claims import (
    Absent,
    Bound,
    Claim,
    Distinct,
    Either,
    Format,
    Is,
    Item,
    Members,
    Multiple,
    Names,
    NoneOf,
    OneOf,
    Opaque,
    Pattern,
    Present,
    Row,
    Size,
    SomeItem,
    SomeMember,
    Way,
)
from planner.contracts.containment.parts import Part, Parts
from planner.contracts.schema_keywords import FORMATS, exact

_IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """The claims that hold where a keyword is kept, and the ways in which it can be broken."""

    kept: tuple[Claim, ...] = ()
    broken: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """A part, seen as a judge of values of one kind."""

    part: Part
    parts: Parts
    kind: str

    def get(self, keyword: str, default: Any = None) -> Any:
        return self.part.schema.get(keyword, default)

    def has(self, keyword: str) -> bool:
        return keyword in self.part.schema

    def number(self, schema: Any) -> int:
        return self.parts.number(schema, self.part.document)

    def numbers(self, schemas: Iterable[Any]) -> list[int]:
        return [self.number(schema) for schema in schemas]


Rule = Callable[[Subject], Judgement]
_SILENT = Judgement()
_NEVER = Judgement((Either(()),), ((),))


def judge(subject: Subject) -> Judgement:
    """Return what the part claims of values of the kind, and the ways in which one can break it."""
    rules = dict.fromkeys(_RULES[keyword] for keyword in subject.part.schema if keyword in _RULES)
    judgements = [rule(subject) for kinds, rule in rules if kinds is None or kinds == subject.kind]
    return Judgement(
        tuple(chain.from_iterable(judgement.kept for judgement in judgements)),
        tuple(chain.from_iterable(judgement.broken for judgement in judgements)),
    )


def _opaque(subject: Subject, keyword: str) -> Judgement:
    key = (keyword, subject.part.number)
    return Judgement((Opaque(key, holds=True),), ((Opaque(key, holds=False),),))


def _either(ways: Iterable[Way], broken: Iterable[Way]) -> Judgement:
    return Judgement((Either(tuple(ways)),), tuple(broken))


def _judge_type(subject: Subject) -> Judgement:
    named = subject.get("type")
    names = [named] if isinstance(named, str) else named
    if subject.kind not in subject.part.kinds:
        return _NEVER
    if subject.kind == "number" and "number" not in names:
        whole = Multiple(exact(1), holds=True)
        return Judgement((whole,), ((Multiple(exact(1), holds=False),),))
    return _SILENT


def _judge_enum(subject: Subject) -> Judgement:
    return _judge_values(subject, subject.get("enum"))


def _judge_const(subject: Subject) -> Judgement:
    return _judge_values(subject, [subject.get("const")])


def _judge_values(subject: Subject, values: list[Any]) -> Judgement:
    same_kind = tuple(value for value in values if _kind_of(value) == subject.kind)
    if not same_kind:
        return _NEVER
    if subject.kind not in {"array", "object"}:
        return Judgement((OneOf(same_kind),), ((NoneOf(same_kind),),))
    if len(values) == 1 and subject.has("const"):
        return _judge_whole(subject, same_kind[0])
    literals = [subject.parts.constant(value) for value in same_kind]
    return _either(((Is(literal),) for literal in literals), (tuple(Is(-literal) for literal in literals),))


def _judge_whole(subject: Subject, value: Any) -> Judgement:
    """Judge a list or an object by its size and its parts."""
    count = len(value)
    fewer: tuple[Way, ...] = ((Size(most=count - 1),),) if count else ()
    size, other_size = Size(count, count), (*fewer, (Size(least=count + 1),))
    constant = subject.parts.constant
    if isinstance(value, list):
        literals = tuple(map(constant, value))
        broken = tuple((Item(index, -literal),) for index, literal in enumerate(literals))
        return Judgement((size, Row(literals, TRUE)), (*other_size, *broken))
    held = tuple(Present(name, constant(member)) for name, member in value.items())
    lacking = ((Absent(name),) for name in value)
    differing = ((Present(name, -constant(member)),) for name, member in value.items())
    return Judgement((size, *held), (*other_size, *lacking, *differing))


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "object" if isinstance(value, dict) else "number"


def _judge_bound(keyword: str, *, upper: bool, is_open: bool) -> Rule:
    def rule(subject: Subject) -> Judgement:
        limit = subject.get(keyword)
        broken = Bound(limit, upper=not upper, open=not is_open)
        return Judgement((Bound(limit, upper=upper, open=is_open),), ((broken,),))

    return rule


def _judge_multiple(subject: Subject) -> Judgement:
    step = exact(subject.get("multipleOf"))
    return Judgement((Multiple(step, holds=True),), ((Multiple(step, holds=False),),))


def _judge_least(keyword: str) -> Rule:
    def rule(subject: Subject) -> Judgement:
        least = int(subject.get(keyword))
        return Judgement((Size(least),), ((Size(most=least - 1),),) if least else ())

    return rule


def _judge_most(keyword: str) -> Rule:
    def rule(subject: Subject) -> Judgement:
        most = int(subject.get(keyword))
        return Judgement((Size(most=most),), ((Size(most + 1),),))

    return rule


def _judge_pattern(subject: Subject) -> Judgement:
    text = subject.get("pattern")
    return Judgement((Pattern(text, holds=True),), ((Pattern(text, holds=False),),))


def _judge_format(subject: Subject) -> Judgement:
    name = subject.get("format")
    if name not in FORMATS.checkers:
        return _SILENT
    return Judgement((Format(name, holds=True),), ((Format(name, holds=False),),))


def _judge_items(subject: Subject) -> Judgement:
    listed = isinstance(subject.get("items"), list)
    prefix = subject.numbers(subject.get("items" if listed else "prefixItems", ()))
    closing = "additionalItems" if listed else "items"
    # Nothing is left unevaluated beside the closing keyword; without schemas in place the two mean the same.
    leaning = subject.has("unevaluatedItems") and not subject.has(closing)
    modelled = not (_IN_PLACE | {"contains"}) & subject.part.schema.keys()
    rest = subject.number(subject.get("unevaluatedItems" if leaning and modelled else closing, True))
    beside = _opaque(subject, "unevaluatedItems") if leaning and not modelled else _SILENT
    broken: list[Way] = [(Item(index, -literal),) for index, literal in enumerate(prefix) if literal != TRUE]
    if rest != TRUE:
        broken.append((SomeItem(len(prefix), -rest),))
    return Judgement((Row(tuple(prefix), rest), *beside.kept), (*broken, *beside.broken))


def _judge_contains(subject: Subject) -> Judgement:
    least, literal = subject.get("minContains", 1), subject.number(subject.get("contains"))
    if least > 1 or subject.has("maxContains"):
        return _opaque(subject, "contains")
    if least == 0:
        return _SILENT
    return Judgement((SomeItem(0, literal),), ((Row((), -literal),),))


def _judge_unique(subject: Subject) -> Judgement:
    if not subject.get("uniqueItems"):
        return _SILENT
    return Judgement((Distinct(holds=True),), ((Distinct(holds=False),),))


def _judge_members(subject: Subject) -> Judgement:
    named = {name: subject.number(schema) for name, schema in subject.get("properties", {}).items()}
    patterns = tuple((text, subject.number(schema)) for text, schema in subject.get("patternProperties", {}).items())
    # Nothing is left unevaluated beside additionalProperties; without schemas in place the two mean the same.
    leaning = subject.has("unevaluatedProperties") and not subject.has("additionalProperties")
    modelled = not _IN_PLACE & subject.part.schema.keys()
    keyword = "unevaluatedProperties" if leaning and modelled else "additionalProperties"
    others = subject.number(subject.get(keyword, True))
    beside = _opaque(subject, "unevaluatedProperties") if leaning and not modelled else _SILENT
    broken: list[Way] = [(Present(name, -literal),) for name, literal in named.items() if literal != TRUE]
    for text, literal in patterns:
        if literal != TRUE:
            broken.append((SomeMember(-literal, patterns=((text, True),)),))
    if others != TRUE:
        unmatched = tuple((text, False) for text, _ in patterns)
        broken.append((SomeMember(-others, frozenset(named), unmatched),))
    return Judgement((Members(named, patterns, others), *beside.kept), (*broken, *beside.broken))


def _judge_required(subject: Subject) -> Judgement:
    names = subject.get("required")
    return Judgement(tuple(Present(name, TRUE) for name in names), tuple((Absent(name),) for name in names))


def _judge_dependencies(*keywords: str) -> Rule:
    def rule(subject: Subject) -> Judgement:
        kept: list[Claim] = []
        broken: list[Way] = []
        for keyword in keywords:
            for name, wanted in subject.get(keyword, {}).items():
                asked: tuple[tuple[Claim, Claim], ...]
                if isinstance(wanted, list):
                    asked = tuple((Present(other, TRUE), Absent(other)) for other in wanted)
                else:
                    literal = subject.number(wanted)
                    asked = ((Is(literal), Is(-literal)),)
                if asked:
                    kept.append(Either(((Absent(name),), tuple(claim for claim, _ in asked))))
                broken += ((Present(name, TRUE), opposite) for _, opposite in asked)
        return Judgement(tuple(kept), tuple(broken))

    return rule


def _judge_reference(subject: Subject) -> Judgement:
    try:
        literal = subject.number(subject.part.document.resolve(subject.get("$ref")))
    except (LookupError, ValueError, TypeError):
        return _opaque(subject, "$ref")
    return Judgement((Is(literal),), ((Is(-literal),),))


def _judge_all(subject: Subject) -> Judgement:
    literals = subject.numbers(subject.get("allOf"))
    return Judgement(tuple(map(Is, literals)), tuple((Is(-literal),) for literal in literals))


def _judge_any(subject: Subject) -> Judgement:
    literals = subject.numbers(subject.get("anyOf"))
    return _either(((Is(literal),) for literal in literals), (tuple(Is(-literal) for literal in literals),))


def _judge_one(subject: Subject) -> Judgement:
    literals = subject.numbers(subject.get("oneOf"))
    none = tuple(Is(-literal) for literal in literals)
    just_one = ((*none[:index], Is(literal), *none[index + 1 :]) for index, literal in enumerate(literals))
    return _either(just_one, (none, *((Is(one), Is(other)) for one, other in combinations(literals, 2))))


def _judge_not(subject: Subject) -> Judgement:
    literal = subject.number(subject.get("not"))
    return Judgement((Is(-literal),), ((Is(literal),),))


def _judge_condition(subject: Subject) -> Judgement:
    test = subject.number(subject.get("if"))
    then, other = (subject.number(subject.get(keyword, True)) for keyword in ("then", "else"))
    return _either(((Is(test), Is(then)), (Is(-test), Is(other))), ((Is(test), Is(-then)), (Is(-test), Is(-other))))


def _judge_names(subject: Subject) -> Judgement:
    literal = subject.number(subject.get("propertyNames"))
    return Judgement((Names(literal),), ((SomeMember(TRUE, name=-literal),),))


_MEMBERS = ("object", _judge_members)
_ITEMS = ("array", _judge_items)
_DEPENDENCIES = ("object", _judge_dependencies("dependentRequired", "dependentSchemas", "dependencies"))
_RULES: dict[str, tuple[str | None, Rule]] = {
    "type": (None, _judge_type),
    "enum": (None, _judge_enum),
    "const": (None, _judge_const),
    "minimum": ("number", _judge_bound("minimum", upper=False, is_open=False)),
    "maximum": ("number", _judge_bound("maximum", upper=True, is_open=False)),
    "exclusiveMinimum": ("number", _judge_bound("exclusiveMinimum", upper=False, is_open=True)),
    "exclusiveMaximum": ("number", _judge_bound("exclusiveMaximum", upper=True, is_open=True)),
    "multipleOf": ("number", _judge_multiple),
    "minLength": ("string", _judge_least("minLength")),
    "maxLength": ("string", _judge_most("maxLength")),
    "pattern": ("string", _judge_pattern),
    "format": ("string", _judge_format),
    "minItems": ("array", _judge_least("minItems")),
    "maxItems": ("array", _judge_most("maxItems")),
    "uniqueItems": ("array", _judge_unique),
    "items": _ITEMS,
    "prefixItems": _ITEMS,
    "contains": ("array", _judge_contains),
    "unevaluatedItems": _ITEMS,
    "minProperties": ("object", _judge_least("minProperties")),
    "maxProperties": ("object", _judge_most("maxProperties")),
    "required": ("object", _judge_required),
    "properties": _MEMBERS,
    "patternProperties": _MEMBERS,
    "additionalProperties": _MEMBERS,
    "unevaluatedProperties": _MEMBERS,
    "propertyNames": ("object", _judge_names),
    "dependentRequired": _DEPENDENCIES,
    "dependentSchemas": _DEPENDENCIES,
    "dependencies": _DEPENDENCIES,
    "$ref": (None, _judge_reference),
    "allOf": (None, _judge_all),
    "anyOf": (None, _judge_any),
    "oneOf": (None, _judge_one),
    "not": (None, _judge_not),
    "if": (None, _judge_condition),
}
