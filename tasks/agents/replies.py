"""Reading what an agent sent: strict JSON, an object, of the shape that was agreed."""

from __future__ import annotations

from typing import Any

from policies.strict_json import StrictJSONError, loads
from tasks.agents.base import InvalidReplyError, Usage

MAX_RAW_CHARACTERS = 20_000


def parse_object(text: str, *, usage: Usage | None = None, provenance: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON object in `text`; raises `InvalidReplyError` with the text when it holds anything else."""
    try:
        value = loads(text)
    except StrictJSONError as error:
        raise invalid(
            f"The reply is not valid JSON: {error.message}", text, usage=usage, provenance=provenance
        ) from error
    if not isinstance(value, dict):
        raise invalid(
            f"The reply is a JSON {json_type(value)}; an object is expected.", text, usage=usage, provenance=provenance
        )
    return value


def invalid(
    message: str, raw: str, *, usage: Usage | None = None, provenance: dict[str, Any] | None = None
) -> InvalidReplyError:
    """Return the error for a reply that cannot be used; what was said is kept up to a bound."""
    return InvalidReplyError(message, raw=raw[:MAX_RAW_CHARACTERS], usage=usage, provenance=provenance)


def json_type(value: Any) -> str:
    """Return the name that JSON has for the type of `value`."""
    names = {bool: "boolean", str: "string", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "number")
