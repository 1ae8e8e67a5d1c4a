"""What the schemas are built of: closed and open objects, and short names for fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from marshmallow import INCLUDE, RAISE, Schema, fields, validate


class CamelCase(Schema):
    """Members are written in camelCase outside; a trailing underscore only keeps off Python's own words."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        if field_obj.data_key is None:
            first, *rest = field_name.rstrip("_").split("_")
            field_obj.data_key = first + "".join(word.capitalize() for word in rest)


class Closed(CamelCase):
    """An object that has exactly the members named."""

    class Meta:
        unknown = RAISE


class Open(CamelCase):
    """An object with named members and room for more."""

    class Meta:
        unknown = INCLUDE


def text(description: str = "", *, required: bool = False, nullable: bool = False) -> fields.String:
    """Return a field for a string with at least one character."""
    return fields.String(
        required=required, allow_none=nullable, validate=validate.Length(min=1), metadata=_about(description)
    )


def choice(choices: Sequence[str], description: str = "", *, required: bool = False) -> fields.String:
    return fields.String(required=required, validate=validate.OneOf(choices), metadata=_about(description))


def whole(
    low: int | None = None,
    high: int | None = None,
    description: str = "",
    *,
    required: bool = False,
    nullable: bool = False,
) -> fields.Integer:
    """Return a field for a whole number within the bounds, both included."""
    bounds = None if low is None and high is None else validate.Range(low, high)
    return fields.Integer(
        strict=True, required=required, allow_none=nullable, validate=bounds, metadata=_about(description)
    )


def amount(
    low: float | None = None,
    description: str = "",
    *,
    above: float | None = None,
    required: bool = False,
    nullable: bool = False,
    data_key: str | None = None,
) -> fields.Float:
    """Return a field for a number, at least `low` or greater than `above`."""
    bounds = validate.Range(min=low) if low is not None else None
    if above is not None:
        bounds = validate.Range(min=above, min_inclusive=False)
    return fields.Float(
        required=required, allow_none=nullable, validate=bounds, data_key=data_key, metadata=_about(description)
    )


def flag(description: str = "", *, required: bool = False, nullable: bool = False) -> fields.Boolean:
    return fields.Boolean(required=required, allow_none=nullable, metadata=_about(description))


def texts(
    description: str = "", *, choices: Sequence[str] | None = None, at_least: int | None = None, required: bool = False
) -> fields.List[Any]:
    """Return a field for an array of strings."""
    item = text() if choices is None else choice(choices)
    size = None if at_least is None else validate.Length(min=at_least)
    return fields.List(item, required=required, validate=size, metadata=_about(description))


def free(description: str = "", *, required: bool = False, nullable: bool = False) -> fields.Dict:
    """Return a field for an object whose members are not ours to name."""
    return fields.Dict(required=required, allow_none=nullable, metadata=_about(description))


def anything(description: str = "", *, required: bool = False) -> fields.Raw:
    """Return a field for any JSON value, null included."""
    return fields.Raw(required=required, allow_none=True, metadata=_about(description))


def moment(description: str = "", *, required: bool = False, nullable: bool = False) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", required=required, allow_none=nullable, metadata=_about(description))


def one(
    schema: type[Schema], description: str = "", *, required: bool = False, nullable: bool = False
) -> fields.Nested:
    return fields.Nested(schema, required=required, allow_none=nullable, metadata=_about(description))


def many(
    schema: type[Schema], description: str = "", *, required: bool = False, at_least: int | None = None
) -> fields.List[Any]:
    size = None if at_least is None else validate.Length(min=at_least)
    return fields.List(fields.Nested(schema), required=required, validate=size, metadata=_about(description))


def _about(description: str) -> dict[str, Any]:
    return {"description": description} if description else {}
