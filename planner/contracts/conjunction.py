"""The schema that accepts exactly what two schemas both accept, or the proof that no value fits both.

Keywords that judge alone are merged one by one; keywords that lean on each other (properties with additionalProperties,
items with prefixItems, if with then) are merged as a group. Where a merge is not exact, the second part is kept whole
under `allOf`. What is left is then settled: types whose bounds exclude each other are struck off, listed values that
break a bound too.
"""

from __future__ import annotations

import copy
import math
from fractions import Fraction
from typing import Any

from planner.contracts.json_schema import lint, validator_for
from planner.contracts.schema_keywords import exact, identity
from planner.errors import PlannerError
from policies import strict_json
from policies.errors import pointer

_OBJECT = ("properties", "patternProperties", "additionalProperties")
_ARRAY = ("items", "prefixItems", "additionalItems")
_CONDITION = ("if", "then", "else")
_CONTAINS = ("contains", "minContains", "maxContains")
_WHOLE = ("$ref", "unevaluatedProperties", "unevaluatedItems", "dependencies")
_MOST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_LEAST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_REPEATED = ("pattern", "format", "not", "anyOf", "oneOf", "propertyNames", "dependentSchemas", "dependentRequired")
_SIZES = {
    "string": ("minLength", "maxLength"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
}


class UnsatisfiableError(PlannerError):
    """No value can satisfy both schemas."""

    code = "unsatisfiable"

    def __init__(self, reason: str, at: str = "") -> None:
        self.reason = reason
        self.pointer = at
        super().__init__(f"{at or '/'}: {reason}")

    def under(self, at: str) -> UnsatisfiableError:
        return UnsatisfiableError(self.reason, at + self.pointer)


Reasons = dict[str, UnsatisfiableError]


def conjoin(left: Any, right: Any) -> Any:
    """Return a schema for the values that fit both; raise UnsatisfiableError with the pointer of the value at fault.

    Raised only when it is certain that nothing fits; a conjunction may be empty without being found out.
    """
    if left is False or right is False:
        raise UnsatisfiableError("no value is allowed here")
    if left is True or left == {}:
        return copy.deepcopy(right)
    if right is True or right == {} or _same(left, right):
        return copy.deepcopy(left)
    if any(key in schema for key in _WHOLE for schema in (left, right)):
        return {"allOf": [copy.deepcopy(left), copy.deepcopy(right)]}
    return _merge(copy.deepcopy(left), copy.deepcopy(right))


def contradiction(schema: Any) -> UnsatisfiableError | None:
    """Return why no value can satisfy the schema, or None when that is not certain; references are not followed."""
    if schema is False:
        return UnsatisfiableError("no value is allowed here")
    # Beside a reference older drafts ignore everything else.
    if not isinstance(schema, dict) or "$ref" in schema:
        return None
    try:
        _settle(copy.deepcopy(schema), _empty_parts(schema))
        for part in schema.get("allOf", ()):
            conjoin({key: value for key, value in schema.items() if key != "allOf"}, part)
    except UnsatisfiableError as error:
        return error
    for key in ("anyOf", "oneOf"):
        found = [contradiction(branch) for branch in schema.get(key, ())]
        if found and all(found):
            return found[0]
    return next(filter(None, map(contradiction, schema.get("allOf", ()))), None)


def _empty_parts(schema: dict[str, Any]) -> Reasons:
    """Return what speaks against objects and arrays: a member or an item that must be there and cannot."""
    reasons: Reasons = {}
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if error := contradiction(properties.get(name, True)):
            reasons.setdefault("object", error.under(pointer(name)))
    if schema.get("minItems", 0) >= 1 and "prefixItems" not in schema and (error := contradiction(schema.get("items"))):
        reasons["array"] = error.under("/0")
    return reasons


def _merge(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    merged = {**right, **left}
    rest: dict[str, Any] = {}
    reasons: Reasons = {}
    _merge_type(merged, left, right)
    _merge_values(merged, left, right)
    _merge_bounds(merged, left, right, rest)
    _merge_lists(merged, left, right)
    _merge_properties(merged, left, right, rest, reasons)
    _merge_items(merged, left, right, rest, reasons)
    for group in (_CONDITION, _CONTAINS):
        _keep_group(merged, left, right, rest, group)
    for key in _REPEATED:
        if key in left and key in right and not _same(left[key], right[key]):
            rest[key] = right[key]
    if rest:
        merged["allOf"] = [*merged.get("allOf", []), rest]
    return _settle(merged, reasons)


def _types(schema: dict[str, Any]) -> list[str] | None:
    named = schema.get("type")
    return [named] if isinstance(named, str) else named


def _put_types(schema: dict[str, Any], types: list[str]) -> None:
    schema["type"] = types[0] if len(types) == 1 else types


def _merge_type(merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any]) -> None:
    ours, theirs = _types(left), _types(right)
    if ours is None or theirs is None:
        return
    # An integer is a number: either side may say it the narrow way.
    both = [t for t in ours if t in theirs or (t == "integer" and "number" in theirs)]
    both += [t for t in theirs if t == "integer" and "number" in ours and t not in both and t not in ours]
    if not both:
        raise UnsatisfiableError(f"the types differ: {' or '.join(ours)} against {' or '.join(theirs)}")
    _put_types(merged, both)


def _listed(schema: dict[str, Any]) -> list[Any] | None:
    values = schema.get("enum")
    if "const" not in schema:
        return values
    fits = values is None or any(identity(value) == identity(schema["const"]) for value in values)
    return [schema["const"]] if fits else []


def _merge_values(merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any]) -> None:
    ours, theirs = _listed(left), _listed(right)
    if ours is None or theirs is None:
        return
    allowed = {identity(value) for value in theirs}
    both = [value for value in ours if identity(value) in allowed]
    if not both:
        raise UnsatisfiableError("the listed values have none in common")
    merged.pop("const", None)
    merged["enum"] = both


def _merge_bounds(merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any], rest: dict[str, Any]) -> None:
    for keys, choose in ((_MOST, max), (_LEAST, min)):
        for key in keys:
            if key in left and key in right:
                merged[key] = choose(left[key], right[key])
    if "uniqueItems" in left and "uniqueItems" in right:
        merged["uniqueItems"] = left["uniqueItems"] or right["uniqueItems"]
    ours, theirs = left.get("multipleOf"), right.get("multipleOf")
    if ours is None or theirs is None:
        return
    if isinstance(ours, int) and isinstance(theirs, int):
        merged["multipleOf"] = math.lcm(ours, theirs)
    elif exact(ours) != exact(theirs):
        rest["multipleOf"] = theirs


def _merge_lists(merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any]) -> None:
    if "required" in left and "required" in right:
        merged["required"] = list(dict.fromkeys((*left["required"], *right["required"])))
    if "allOf" in left and "allOf" in right:
        merged["allOf"] = [*left["allOf"], *right["allOf"]]


def _same(left: Any, right: Any) -> bool:
    """Tell whether two schemas are the same text; Python takes 1 and true for equal, a schema does not."""
    return strict_json.dumps(left) == strict_json.dumps(right)


def _keep_group(
    merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any], rest: dict[str, Any], group: tuple[str, ...]
) -> None:
    """Keep one side's keywords of the group in place and the other's, if it has any, beside them."""
    theirs = {key: right[key] for key in group if key in right}
    if theirs and any(key in left for key in group):
        for key in group:
            merged.pop(key, None)
            if key in left:
                merged[key] = left[key]
        rest.update(theirs)


def _merge_properties(
    merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any], rest: dict[str, Any], reasons: Reasons
) -> None:
    if "patternProperties" in left or "patternProperties" in right:
        _keep_group(merged, left, right, rest, _OBJECT)
        return
    ours, theirs = left.get("properties", {}), right.get("properties", {})
    our_others, their_others = left.get("additionalProperties", True), right.get("additionalProperties", True)
    properties: dict[str, Any] = {}
    for name in {**ours, **theirs}:
        properties[name], error = _try_conjoin(ours.get(name, our_others), theirs.get(name, their_others))
        if error and name in merged.get("required", ()):
            reasons.setdefault("object", error.under(pointer(name)))
    others, _ = _try_conjoin(our_others, their_others)
    if others is False:
        properties = {name: schema for name, schema in properties.items() if schema is not False}
    if ours or theirs:
        merged["properties"] = properties
    if others is not True:
        merged["additionalProperties"] = others


def _merge_items(
    merged: dict[str, Any], left: dict[str, Any], right: dict[str, Any], rest: dict[str, Any], reasons: Reasons
) -> None:
    mixed = any(key in schema for key in ("prefixItems", "additionalItems") for schema in (left, right))
    if mixed or any(isinstance(schema.get("items"), list) for schema in (left, right)):
        _keep_group(merged, left, right, rest, _ARRAY)
    elif "items" in left and "items" in right:
        merged["items"], error = _try_conjoin(left["items"], right["items"])
        if error and merged.get("minItems", 0) >= 1:
            reasons.setdefault("array", error.under("/0"))


def _try_conjoin(left: Any, right: Any) -> tuple[Any, UnsatisfiableError | None]:
    try:
        return conjoin(left, right), None
    except UnsatisfiableError as error:
        return False, error


def _settle(schema: dict[str, Any], reasons: Reasons) -> dict[str, Any]:
    """Strike off the types and listed values that the rest of the schema excludes; raise when nothing is left."""
    types = _types(schema)
    if types is not None:
        against = {name: reasons.get(name) or _exclude(name, schema) for name in types}
        open_types = [name for name in types if against[name] is None]
        if not open_types:
            raise next(error for error in against.values() if error is not None)
        _put_types(schema, open_types)
    values = _listed(schema)
    if values is None:
        return schema
    others = {key: value for key, value in schema.items() if key not in {"enum", "const"}}
    # A reference counts from the root of its document, which this part may not be.
    if '"$ref"' not in strict_json.dumps(others) and not lint(others):
        check = validator_for(others)
        values = [value for value in values if check.is_valid(value)]
    if not values:
        raise UnsatisfiableError("none of the listed values fits the rest")
    if "enum" in schema:
        schema["enum"] = values
    return schema


def _exclude(name: str, schema: dict[str, Any]) -> UnsatisfiableError | None:
    """Return why no value of this type fits the bounds of the schema, or None."""
    reason = None
    if name in {"number", "integer"}:
        reason = _exclude_numbers(schema, whole=name == "integer")
    elif name in _SIZES:
        least, most = (schema.get(key) for key in _SIZES[name])
        if name == "object":
            least = max(least or 0, len(set(schema.get("required", ()))))
        if least is not None and most is not None and least > most:
            reason = f"at least {least} and at most {most} exclude each other"
    if name == "object" and reason is None:
        reason = _exclude_members(schema)
    return UnsatisfiableError(reason) if reason else None


def _exclude_members(schema: dict[str, Any]) -> str | None:
    if "patternProperties" in schema:
        return None
    others = schema.get("additionalProperties", True)
    for member in schema.get("required", ()):
        if schema.get("properties", {}).get(member, others) is False:
            return f"“{member}” is required and not allowed"
    return None


def _exclude_numbers(schema: dict[str, Any], *, whole: bool) -> str | None:
    low = max((exact(schema[key]) for key in ("minimum", "exclusiveMinimum") if key in schema), default=None)
    high = min((exact(schema[key]) for key in ("maximum", "exclusiveMaximum") if key in schema), default=None)
    if low is None or high is None:
        return None
    above = "exclusiveMinimum" in schema and exact(schema["exclusiveMinimum"]) == low
    below = "exclusiveMaximum" in schema and exact(schema["exclusiveMaximum"]) == high
    step = exact(schema["multipleOf"]) if "multipleOf" in schema else None
    if whole:
        # The whole numbers among the multiples of p/q are the multiples of p.
        step = Fraction(1 if step is None else step.numerator)
    if step is not None:
        low = (math.floor(low / step) + 1) * step if above else math.ceil(low / step) * step
        above = False
    if low < high or (low == high and not above and not below):
        return None
    return "no number lies between the bounds"
