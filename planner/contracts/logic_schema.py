"""The JSON Schema that says the same as a condition, for the conditions that a schema can say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from planner.contracts.conjunction import UnsatisfiableError, conjoin
from policies.shape import is_number

_LEAVES: dict[str, Callable[[Any], dict[str, Any] | None]] = {
    "==": lambda value: {"const": value},
    "===": lambda value: {"const": value},
    ">": lambda value: {"type": "number", "exclusiveMinimum": value} if is_number(value) else None,
    ">=": lambda value: {"type": "number", "minimum": value} if is_number(value) else None,
    "<": lambda value: {"type": "number", "exclusiveMaximum": value} if is_number(value) else None,
    "<=": lambda value: {"type": "number", "maximum": value} if is_number(value) else None,
    "in": lambda value: {"enum": value} if isinstance(value, list) and value else None,
}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "===": "==="}


def schema_of_logic(logic: Any) -> dict[str, Any] | None:
    """Return a schema that exactly the payloads satisfy for which the JSON-Logic holds, None where there is none.

    Known are comparisons of a variable with a constant, and their conjunction. Raises UnsatisfiableError when the parts
    of a conjunction exclude each other.
    """
    if not isinstance(logic, dict) or len(logic) != 1:
        return None
    ((operator, operands),) = logic.items()
    if not isinstance(operands, list):
        return None
    if operator == "and":
        parts = [schema_of_logic(part) for part in operands]
        made: dict[str, Any] = {}
        for part in parts:
            if part is None:
                return None
            made = conjoin(made, part)
        return made
    return _comparison(operator, operands)


def nested(path: Sequence[str], leaf: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema that asks `leaf` of what stands at a path of member names, None for a path with an index."""
    if any(name.isdigit() for name in path):
        return None
    for name in reversed(path):
        leaf = {"type": "object", "required": [name], "properties": {name: leaf}}
    return leaf


def exclusion(left: Any, right: Any) -> UnsatisfiableError | None:
    """Return why nothing satisfies both schemas, None when something may."""
    try:
        conjoin(left, right)
    except UnsatisfiableError as error:
        return error
    return None


def _comparison(operator: str, operands: list[Any]) -> dict[str, Any] | None:
    if len(operands) != 2:
        return None
    left, right = operands
    if operator in _TURNED and _variable(right) is not None:
        operator, left, right = _TURNED[operator], right, left
    name, known = _variable(left), _LEAVES.get(operator)
    if name is None or known is None or isinstance(right, dict):
        return None
    leaf = known(right)
    return None if leaf is None else nested(name.split("."), leaf)


def _variable(part: Any) -> str | None:
    name = part.get("var") if isinstance(part, dict) and part.keys() == {"var"} else None
    return name if isinstance(name, str) and name else None
