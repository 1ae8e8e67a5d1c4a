"""What each keyword claims where it is kept, and the ways in which a value can break it: one table of rules.

A rule sees the whole schema, since some keywords lean on others, and the kind of value that is asked about. Keywords of
another kind claim nothing and cannot be broken.
"""

from __future__ import annotations

from itertools import chain, combinations

from planner.contracts.containment.answers import TRUE
from planner.contracts.containment.assertions import (
    judge_bound,
    judge_const,
    judge_enum,
    judge_format,
    judge_least,
    judge_most,
    judge_multiple,
    judge_pattern,
    judge_type,
    judge_unique,
)
from planner.contracts.containment.claims import (
    Absent,
    Claim,
    Either,
    Is,
    Item,
    Members,
    Names,
    Present,
    Row,
    SomeItem,
    SomeMember,
    Way,
)
from planner.contracts.containment.subject import SILENT, Judgement, Rule, Subject, either, opaque

_IN_PLACE = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas"})


def judge(subject: Subject) -> Judgement:
    """Return what the part claims of values of the kind, and the ways in which one can break it."""
    rules = dict.fromkeys(_RULES[keyword] for keyword in subject.part.schema if keyword in _RULES)
    judgements = [rule(subject) for kinds, rule in rules if kinds is None or kinds == subject.kind]
    return Judgement(
        tuple(chain.from_iterable(judgement.kept for judgement in judgements)),
        tuple(chain.from_iterable(judgement.broken for judgement in judgements)),
    )


def _judge_items(subject: Subject) -> Judgement:
    listed = isinstance(subject.get("items"), list)
    prefix = subject.numbers(subject.get("items" if listed else "prefixItems", ()))
    closing = "additionalItems" if listed else "items"
    # Nothing is left unevaluated beside the closing keyword; without schemas in place the two mean the same.
    leaning = subject.has("unevaluatedItems") and not subject.has(closing)
    modelled = not (_IN_PLACE | {"contains"}) & subject.part.schema.keys()
    rest = subject.number(subject.get("unevaluatedItems" if leaning and modelled else closing, True))
    beside = opaque(subject, "unevaluatedItems") if leaning and not modelled else SILENT
    broken: list[Way] = [(Item(index, -literal),) for index, literal in enumerate(prefix) if literal != TRUE]
    if rest != TRUE:
        broken.append((SomeItem(len(prefix), -rest),))
    return Judgement((Row(tuple(prefix), rest), *beside.kept), (*broken, *beside.broken))


def _judge_contains(subject: Subject) -> Judgement:
    least, literal = subject.get("minContains", 1), subject.number(subject.get("contains"))
    if least > 1 or subject.has("maxContains"):
        return opaque(subject, "contains")
    if least == 0:
        return SILENT
    return Judgement((SomeItem(0, literal),), ((Row((), -literal),),))


def _judge_members(subject: Subject) -> Judgement:
    named = {name: subject.number(schema) for name, schema in subject.get("properties", {}).items()}
    patterns = tuple((text, subject.number(schema)) for text, schema in subject.get("patternProperties", {}).items())
    # Nothing is left unevaluated beside additionalProperties; without schemas in place the two mean the same.
    leaning = subject.has("unevaluatedProperties") and not subject.has("additionalProperties")
    modelled = not _IN_PLACE & subject.part.schema.keys()
    keyword = "unevaluatedProperties" if leaning and modelled else "additionalProperties"
    others = subject.number(subject.get(keyword, True))
    beside = opaque(subject, "unevaluatedProperties") if leaning and not modelled else SILENT
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
        return opaque(subject, "$ref")
    return Judgement((Is(literal),), ((Is(-literal),),))


def _judge_all(subject: Subject) -> Judgement:
    literals = subject.numbers(subject.get("allOf"))
    return Judgement(tuple(map(Is, literals)), tuple((Is(-literal),) for literal in literals))


def _judge_any(subject: Subject) -> Judgement:
    literals = subject.numbers(subject.get("anyOf"))
    return either(((Is(literal),) for literal in literals), (tuple(Is(-literal) for literal in literals),))


def _judge_one(subject: Subject) -> Judgement:
    literals = subject.numbers(subject.get("oneOf"))
    none = tuple(Is(-literal) for literal in literals)
    just_one = ((*none[:index], Is(literal), *none[index + 1 :]) for index, literal in enumerate(literals))
    return either(just_one, (none, *((Is(one), Is(other)) for one, other in combinations(literals, 2))))


def _judge_not(subject: Subject) -> Judgement:
    literal = subject.number(subject.get("not"))
    return Judgement((Is(-literal),), ((Is(literal),),))


def _judge_condition(subject: Subject) -> Judgement:
    test = subject.number(subject.get("if"))
    then, other = (subject.number(subject.get(keyword, True)) for keyword in ("then", "else"))
    return either(((Is(test), Is(then)), (Is(-test), Is(other))), ((Is(test), Is(-then)), (Is(-test), Is(-other))))


def _judge_names(subject: Subject) -> Judgement:
    literal = subject.number(subject.get("propertyNames"))
    return Judgement((Names(literal),), ((SomeMember(TRUE, name=-literal),),))


_MEMBERS = ("object", _judge_members)
_ITEMS = ("array", _judge_items)
_DEPENDENCIES = ("object", _judge_dependencies("dependentRequired", "dependentSchemas", "dependencies"))
_RULES: dict[str, tuple[str | None, Rule]] = {
    "type": (None, judge_type),
    "enum": (None, judge_enum),
    "const": (None, judge_const),
    "minimum": ("number", judge_bound("minimum", upper=False, is_open=False)),
    "maximum": ("number", judge_bound("maximum", upper=True, is_open=False)),
    "exclusiveMinimum": ("number", judge_bound("exclusiveMinimum", upper=False, is_open=True)),
    "exclusiveMaximum": ("number", judge_bound("exclusiveMaximum", upper=True, is_open=True)),
    "multipleOf": ("number", judge_multiple),
    "minLength": ("string", judge_least("minLength")),
    "maxLength": ("string", judge_most("maxLength")),
    "pattern": ("string", judge_pattern),
    "format": ("string", judge_format),
    "minItems": ("array", judge_least("minItems")),
    "maxItems": ("array", judge_most("maxItems")),
    "uniqueItems": ("array", judge_unique),
    "items": _ITEMS,
    "prefixItems": _ITEMS,
    "contains": ("array", _judge_contains),
    "unevaluatedItems": _ITEMS,
    "minProperties": ("object", judge_least("minProperties")),
    "maxProperties": ("object", judge_most("maxProperties")),
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
