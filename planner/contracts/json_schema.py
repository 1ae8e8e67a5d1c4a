"""The doorway to JSON Schema: is it one (`lint`), and does a value satisfy it (`validator_for`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft6Validator, Draft7Validator, Draft201909Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from referencing import Registry

from planner.contracts.schema_keywords import BUDGET, FORMATS, GUARDED, Budget, ExhaustedError, counted
from planner.contracts.schema_lint import DEFAULT_DRAFT, draft_of, lint
from planner.contracts.schema_walk import HOLD_LIST, HOLD_MAP, HOLD_ONE, subschemas
from policies import strict_json
from policies.errors import InvalidInputError, Problem, pointer

__all__ = ["SchemaInvalidError", "SchemaProblem", "Validator", "lint", "schema_hash", "subschemas", "validator_for"]

MAX_PROBLEMS = 100
CACHED_SCHEMAS = 512
_LIBRARY = {
    "2020-12": Draft202012Validator,
    "2019-09": Draft201909Validator,
    "draft-07": Draft7Validator,
    "draft-06": Draft6Validator,
}


class SchemaInvalidError(InvalidInputError):
    """The schema cannot be used."""

    code = "schema_invalid"


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """Where a value breaks its schema: a pointer into the value, the keyword, and the pointer of that keyword."""

    pointer: str
    keyword: str
    message: str
    schema_path: str

    def as_json(self) -> dict[str, Any]:
        return {
            "pointer": self.pointer,
            "message": self.message,
            "keyword": self.keyword,
            "schemaPath": self.schema_path,
            "instancePath": self.pointer,
        }

    def as_problem(self, at: str = "") -> Problem:
        """Return it as a problem of the document that holds the value at the pointer `at`."""
        return Problem(at + self.pointer, self.message, self.keyword)


@dataclass(frozen=True, slots=True)
class Validator:
    """A schema ready to check values, any number of them and in any thread."""

    schema_hash: str
    _library: Any

    def problems(self, instance: Any) -> list[SchemaProblem]:
        """Return what is wrong with the value, at most 100 problems in the order of the schema."""
        return list(islice(self._check(instance), MAX_PROBLEMS))

    def is_valid(self, instance: Any) -> bool:
        return next(self._check(instance), None) is None

    def _check(self, instance: Any) -> Iterator[SchemaProblem]:
        token = BUDGET.set(Budget())
        try:
            found = [_describe(error) for error in islice(self._library.iter_errors(instance), MAX_PROBLEMS)]
        except RecursionError:
            found = [SchemaProblem("", "depth", "is nested too deeply to be checked: flatten it", "")]
        except ExhaustedError as error:
            found = [SchemaProblem("", "limit", str(error), "")]
        finally:
            BUDGET.reset(token)
        yield from found


def schema_hash(schema: Any) -> str:
    """Return 16 hexadecimal digits that are equal for equal schemas, however their members are ordered."""
    return strict_json.fingerprint(schema)


def validator_for(schema: Any) -> Validator:
    """Return the validator, built once per schema; raise SchemaInvalidError when `lint` finds something."""
    return _build(strict_json.dumps(schema))


@lru_cache(maxsize=CACHED_SCHEMAS)
def _build(text: str) -> Validator:
    # Built from the text: what the caller does to its own schema later does not reach the validator.
    schema = json.loads(text)
    if problems := lint(schema):
        raise SchemaInvalidError(problems)
    family = _family(draft_of(schema) or DEFAULT_DRAFT)
    if isinstance(schema, dict):
        # With `$schema` the library would go back to its own unguarded class, with `$id` resolve against an address.
        schema = _spell_out({key: value for key, value in schema.items() if key not in {"$schema", "$id"}})
    return Validator(schema_hash(schema), family(schema, registry=Registry(), format_checker=FORMATS))


def _spell_out(schema: dict[str, Any]) -> dict[str, Any]:
    """Write the schema `false` as `not: {}` wherever the library would report it without the place of its value."""
    spelled = dict(schema)
    for keyword, held in schema.items():
        if keyword in HOLD_MAP and isinstance(held, dict):
            spelled[keyword] = {name: _spell_member(member) for name, member in held.items()}
        elif keyword in HOLD_LIST and isinstance(held, list):
            spelled[keyword] = [_spell_member(member) for member in held]
        elif keyword in HOLD_ONE and isinstance(held, dict):
            spelled[keyword] = _spell_out(held)
    return spelled


def _spell_member(schema: Any) -> Any:
    if isinstance(schema, dict):
        return _spell_out(schema)
    return {"not": {}} if schema is False else schema


@lru_cache(maxsize=len(_LIBRARY))
def _family(draft: str) -> Any:
    library = _LIBRARY[draft]
    keywords = {**library.VALIDATORS, **{name: check for name, check in GUARDED.items() if name in library.VALIDATORS}}
    return extend(  # type: ignore[no-untyped-call]  # the library's stubs leave it bare
        library, {name: counted(check) for name, check in keywords.items()}
    )


def _describe(error: ValidationError) -> SchemaProblem:
    keyword = str(error.validator or "false")
    return SchemaProblem(
        pointer=pointer(*error.absolute_path),
        keyword=keyword,
        message=_MESSAGES.get(keyword, lambda e: e.message[:300])(error),
        schema_path=pointer(*error.absolute_schema_path),
    )


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 120 else text[:117] + "…"


def _name_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _list_types(wanted: Any) -> str:
    return " or ".join(wanted) if isinstance(wanted, list) else str(wanted)


def _nearest(error: Any) -> str:
    """Tell of the alternative with the fewest complaints, which is most likely the one that was meant."""
    branches: dict[Any, list[ValidationError]] = {}
    for part in error.context or ():
        branches.setdefault(next(iter(part.schema_path), None), []).append(part)
    if not branches:
        return f"fits none of the {len(error.validator_value)} alternatives"
    best = min(branches.values(), key=lambda parts: (len(parts), -max(len(part.path) for part in parts)))
    first = _describe(best[0])
    return (
        f"fits none of the {len(error.validator_value)} alternatives; nearest: {first.pointer or '/'} {first.message}"
    )


_MESSAGES: dict[str, Any] = {
    "false": lambda _: "no value is allowed here",
    "type": lambda e: f"must be {_list_types(e.validator_value)}, not {_name_type(e.instance)}",
    "enum": lambda e: f"must be one of {_show(e.validator_value)}, not {_show(e.instance)}",
    "const": lambda e: f"must be {_show(e.validator_value)}, not {_show(e.instance)}",
    "minLength": lambda e: f"must have at least {e.validator_value} characters, has {len(e.instance)}",
    "maxLength": lambda e: f"must have at most {e.validator_value} characters, has {len(e.instance)}",
    "minItems": lambda e: f"must have at least {e.validator_value} items, has {len(e.instance)}",
    "maxItems": lambda e: f"must have at most {e.validator_value} items, has {len(e.instance)}",
    "minProperties": lambda e: f"must have at least {e.validator_value} members, has {len(e.instance)}",
    "maxProperties": lambda e: f"must have at most {e.validator_value} members, has {len(e.instance)}",
    "minimum": lambda e: f"must be at least {e.validator_value}, is {_show(e.instance)}",
    "maximum": lambda e: f"must be at most {e.validator_value}, is {_show(e.instance)}",
    "exclusiveMinimum": lambda e: f"must be greater than {e.validator_value}, is {_show(e.instance)}",
    "exclusiveMaximum": lambda e: f"must be less than {e.validator_value}, is {_show(e.instance)}",
    "format": lambda e: f"is not of the format {e.validator_value}: {_show(e.instance)}",
    "anyOf": _nearest,
    "oneOf": lambda e: _nearest(e) if e.context else "fits more than one of the alternatives, exactly one is allowed",
    "not": lambda e: "has the form that is excluded here" if e.validator_value else "no value is allowed here",
    "contains": lambda e: f"must contain an item that fits {_show(e.validator_value)}",
}
