"""Parts of an envelope that cannot both be satisfied, found before anything is planned."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from operator import gt, lt
from typing import Any

from planner.contracts.conjunction import UnsatisfiableError, conjoin
from planner.contracts.logic_schema import exclusion, nested, schema_of_logic
from planner.contracts.output_contract import OutputContract
from planner.refusals import ContractUnsatisfiableError
from policies.errors import Problem, pointer
from policies.facet_conditions import FacetCondition, split_path
from policies.legacy import MAX_VARIANTS
from policies.shape import is_number, is_whole

_DELIVERABLE = re.compile(r"variant|post|draft|option|copy|copies", re.IGNORECASE)
_TEXTS = ("body", "copy", "text", "post_copy")
_CODE = ContractUnsatisfiableError.code
_VARIANT_COUNTS = (
    ("inputs", "variantCount"),
    ("policies", "variantCount"),
    ("policies", "planner", "topology", "variantCount"),
    ("policies", "planner", "directives", "branches"),
)


def contradictions(
    raw: dict[str, Any], contract: OutputContract, goals: Sequence[FacetCondition] = ()
) -> Iterator[Problem]:
    """Yield a problem at both ends of each contradiction: between variants, channel, goals and the contract."""
    yield from _between_goals(goals)
    if contract.schema is None:
        return
    for path in _VARIANT_COUNTS:
        count = _at(raw, path)
        # Branches may also be named one by one.
        count = len(count) if isinstance(count, list) else count
        if is_whole(count) and 1 <= count <= MAX_VARIANTS:
            yield from _against_array(count, pointer(*path), contract.schema)
    yield from _against_channel(raw, contract.schema)
    yield from _against_goals(goals, contract.schema)


def _between_goals(goals: Sequence[FacetCondition]) -> Iterator[Problem]:
    """Yield a problem at both ends of two goals that no value of their facet can meet together, and at an empty one."""
    said: dict[str, tuple[int, Any]] = {}
    for index, goal in enumerate(goals):
        schema, empty = _schema_of(goal)
        if empty is not None:
            yield Problem(pointer("goal_condition", index, "condition"), f"no value can satisfy this: {empty}", _CODE)
        if schema is None:
            continue
        if goal.facet in said and (clash := exclusion(said[goal.facet][1], schema)):
            other = said[goal.facet][0]
            for end, against in ((index, other), (other, index)):
                says = f"no {goal.facet} can meet this goal and goal_condition/{against}: {clash.reason}"
                yield Problem(pointer("goal_condition", end, "condition"), says, _CODE)
        else:
            earlier = said.get(goal.facet, (index, {}))[1]
            said[goal.facet] = (index, conjoin(earlier, schema))


def _against_goals(goals: Sequence[FacetCondition], schema: dict[str, Any]) -> Iterator[Problem]:
    """Yield a problem at both ends where the contract excludes what a goal asks of the facet of the same name."""
    properties = schema.get("properties")
    for index, goal in enumerate(goals):
        asked, part = _schema_of(goal)[0], properties.get(goal.facet) if isinstance(properties, dict) else None
        if asked is None or not isinstance(part, dict) or "$ref" in part:
            continue
        if clash := exclusion(part, asked):
            place = pointer("outputContract", "schema", "properties", goal.facet)
            says = f"goal_condition/{index} and the contract exclude each other at {place}: {clash.reason}"
            for end in (pointer("goal_condition", index, "condition"), place):
                yield Problem(end, says, _CODE)


def _schema_of(goal: FacetCondition) -> tuple[dict[str, Any] | None, str | None]:
    """Return the schema that a goal asks of its facet, None where no schema says it; and why it asks for nothing."""
    path = split_path(goal.path)
    try:
        leaf = schema_of_logic(goal.condition.json_logic)
    except UnsatisfiableError as error:
        return None, error.reason
    if leaf is None:
        return None, None
    # A part that is no object is spoken of by the last name on the path.
    bare = leaf["properties"].get(path[-1]) if path and set(leaf.get("properties", ())) == {path[-1]} else None
    return nested(path, leaf if bare is None else bare), None


def _against_channel(raw: dict[str, Any], schema: dict[str, Any]) -> Iterator[Problem]:
    """Yield a problem at both ends where the contract wants a text longer than the channel's rule allows."""
    channel, rules = _at(raw, ("inputs", "channel")), _at(raw, ("policies", "channels"))
    if not isinstance(channel, str) or not isinstance(rules, dict):
        return
    for name, rule in rules.items():
        longest = rule.get("maxLength") if isinstance(rule, dict) else None
        if name.strip().lower() != channel.strip().lower() or not is_whole(longest):
            continue
        limited_at = pointer("policies", "channels", name, "maxLength")
        for place, least in _least_lengths(schema):
            if least > longest:
                says = (
                    f"{limited_at} allows {longest} characters, and minLength at {place} asks for {least}; change one"
                )
                for end in (limited_at, place):
                    yield Problem(end, says, _CODE)


def _least_lengths(schema: Any, place: str = "/outputContract/schema", name: str = "") -> Iterator[tuple[str, int]]:
    """Yield the pointer and value of each `minLength` of a member that holds the text of a deliverable."""
    if not isinstance(schema, dict):
        return
    least = schema.get("minLength")
    if name in _TEXTS and is_whole(least):
        yield f"{place}/minLength", least
    if isinstance(properties := schema.get("properties"), dict):
        for key, part in properties.items():
            yield from _least_lengths(part, place + pointer("properties", key), key)
    yield from _least_lengths(schema.get("items"), f"{place}/items", name)


def _against_array(count: int, counted_at: str, schema: dict[str, Any]) -> Iterator[Problem]:
    found = _variant_array(schema, count)
    if found is None:
        return
    array, place = found
    for keyword, broken in (("minItems", lt), ("maxItems", gt)):
        bound = array.get(keyword)
        if is_number(bound) and broken(count, bound):
            bounded_at = f"/outputContract/schema{place}/{keyword}"
            says = (
                f"{counted_at} asks for {count} variants, and {keyword} at {bounded_at} is {bound}; change one of them"
            )
            for end in (counted_at, bounded_at):
                yield Problem(end, says, ContractUnsatisfiableError.code)


def _variant_array(schema: dict[str, Any], count: int) -> tuple[dict[str, Any], str] | None:
    """Return the array that would hold the variants and its pointer, or None when the schema leaves that open."""
    if schema.get("type") == "array":
        return schema, ""
    properties = schema.get("properties")
    arrays = {
        name: part
        for name, part in (properties.items() if isinstance(properties, dict) else ())
        if isinstance(part, dict) and part.get("type") == "array"
    }
    named = [name for name, part in arrays.items() if _DELIVERABLE.search(name) or _holds_copy(part)]
    # Several variants need an array of objects; a single one may well stand outside of every array.
    several = [name for name, part in arrays.items() if count > 1 and _items(part).get("type") == "object"]
    candidates = named or several
    return (arrays[candidates[0]], pointer("properties", candidates[0])) if len(candidates) == 1 else None


def _holds_copy(array: dict[str, Any]) -> bool:
    members = _items(array).get("properties")
    return isinstance(members, dict) and {"headline", "body"} <= members.keys()


def _items(array: dict[str, Any]) -> dict[str, Any]:
    items = array.get("items")
    return items if isinstance(items, dict) else {}


def _at(raw: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return raw
