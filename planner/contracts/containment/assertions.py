"""Keywords that judge a value by itself: its type, whether it is listed, its bounds, its size, its form."""

from __future__ import annotations

from typing import Any

from planner.contracts.containment.answers import TRUE
from planner.contracts.containment.claims import (
    Absent,
    Bound,
    Distinct,
    Format,
    Is,
    Item,
    Multiple,
    NoneOf,
    OneOf,
    Pattern,
    Present,
    Row,
    Size,
    Way,
)
from planner.contracts.containment.subject import NEVER, SILENT, Judgement, Rule, Subject, either
from planner.contracts.schema_keywords import FORMATS, exact


def judge_type(subject: Subject) -> Judgement:
    named = subject.get("type")
    names = [named] if isinstance(named, str) else named
    if subject.kind not in subject.part.kinds:
        return NEVER
    if subject.kind == "number" and "number" not in names:
        whole = Multiple(exact(1), holds=True)
        return Judgement((whole,), ((Multiple(exact(1), holds=False),),))
    return SILENT


def judge_enum(subject: Subject) -> Judgement:
    return _judge_values(subject, subject.get("enum"))


def judge_const(subject: Subject) -> Judgement:
    return _judge_values(subject, [subject.get("const")])


def _judge_values(subject: Subject, values: list[Any]) -> Judgement:
    same_kind = tuple(value for value in values if _kind_of(value) == subject.kind)
    if not same_kind:
        return NEVER
    if subject.kind not in {"array", "object"}:
        return Judgement((OneOf(same_kind),), ((NoneOf(same_kind),),))
    if len(values) == 1 and subject.has("const"):
        return _judge_whole(subject, same_kind[0])
    literals = [subject.parts.constant(value) for value in same_kind]
    return either(((Is(literal),) for literal in literals), (tuple(Is(-literal) for literal in literals),))


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


def judge_bound(keyword: str, *, upper: bool, is_open: bool) -> Rule:
    def rule(subject: Subject) -> Judgement:
        limit = subject.get(keyword)
        broken = Bound(limit, upper=not upper, open=not is_open)
        return Judgement((Bound(limit, upper=upper, open=is_open),), ((broken,),))

    return rule


def judge_multiple(subject: Subject) -> Judgement:
    step = exact(subject.get("multipleOf"))
    return Judgement((Multiple(step, holds=True),), ((Multiple(step, holds=False),),))


def judge_least(keyword: str) -> Rule:
    def rule(subject: Subject) -> Judgement:
        least = int(subject.get(keyword))
        return Judgement((Size(least),), ((Size(most=least - 1),),) if least else ())

    return rule


def judge_most(keyword: str) -> Rule:
    def rule(subject: Subject) -> Judgement:
        most = int(subject.get(keyword))
        return Judgement((Size(most=most),), ((Size(most + 1),),))

    return rule


def judge_pattern(subject: Subject) -> Judgement:
    text = subject.get("pattern")
    return Judgement((Pattern(text, holds=True),), ((Pattern(text, holds=False),),))


def judge_format(subject: Subject) -> Judgement:
    name = subject.get("format")
    if name not in FORMATS.checkers:
        return SILENT
    return Judgement((Format(name, holds=True),), ((Format(name, holds=False),),))


def judge_unique(subject: Subject) -> Judgement:
    if not subject.get("uniqueItems"):
        return SILENT
    return Judgement((Distinct(holds=True),), ((Distinct(holds=False),),))
