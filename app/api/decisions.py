"""What people send: who they are, what they note, and how they answer a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.body import read_optional_json
from policies.errors import InvalidInputError, Problem
from policies.shape import ObjectReader

RESPONSE_TYPES = ("option", "approval", "rejection", "freeform")
ANSWER_MEMBERS = ("approved", "selectedOptionId", "freeformText", "output", "responseType")


@dataclass(frozen=True, slots=True)
class Resolution:
    """An answer to one request: the responses as sent, by whom, and with which note."""

    request_id: str
    responses: tuple[Mapping[str, Any], ...]
    run_id: str | None
    thread_id: str | None
    operator: Mapping[str, Any] | None
    note: str | None


def check_operator_note(raw: Any) -> tuple[Mapping[str, Any] | None, str | None]:
    """Return who acts and why, from a document that may be absent. Raises InvalidInputError with every problem."""
    if raw is None:
        return None, None
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, "", problems)
    operator, note = (None, None) if reader is None else (_operator(reader), reader.text("note"))
    if reader is not None:
        reader.close()
    if problems:
        raise InvalidInputError(problems)
    return operator, note


def check_resolution(raw: Any) -> Resolution:
    """Return the answer in the document. Raises InvalidInputError with every problem."""
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, "", problems)
    if reader is None:
        raise InvalidInputError(problems)
    request_id = reader.text("requestId", required=True)
    run_id, thread_id = reader.text("runId"), reader.text("threadId")
    reader.require("responses", "the array of responses to the request")
    responses = tuple(
        _response(item, place, request_id, problems) for item, place in reader.items("responses", at_least=1)
    )
    operator, note = _operator(reader), reader.text("note")
    reader.close()
    if problems or request_id is None:
        raise InvalidInputError(problems)
    return Resolution(request_id, responses, run_id, thread_id, operator, note)


def _response(item: Any, at: str, request_id: str | None, problems: list[Problem]) -> Mapping[str, Any]:
    reader = ObjectReader.of(item, at, problems)
    if reader is None:
        return {}
    named = reader.text("requestId")
    if named is not None and request_id is not None and named != request_id:
        reader.report("requestId", f"must be `{request_id}`: all responses of one body answer one request", "conflict")
    reader.choice("responseType", RESPONSE_TYPES)
    for key in ("selectedOptionId", "freeformText", "responderId", "responderDisplayName"):
        reader.text(key)
    reader.flag("approved", default=False)
    reader.free("metadata")
    reader.has("output")
    reader.close()
    if not any(member in item for member in ANSWER_MEMBERS):
        problems.append(Problem(at, f"answers nothing: give one of {', '.join(ANSWER_MEMBERS)}", "required"))
    return dict(item)


def _operator(reader: ObjectReader) -> Mapping[str, Any] | None:
    child = reader.child("operator")
    if child is None:
        return None
    for key in ("id", "displayName", "email"):
        child.text(key)
    child.close()
    return dict(child.raw)


def read_heartbeat() -> None:
    """Check the body of a heartbeat, which may be absent. Raises InvalidInputError with every problem."""
    raw = read_optional_json()
    if raw is None:
        return
    problems: list[Problem] = []
    reader = ObjectReader.of(raw, "", problems)
    if reader is not None:
        reader.choice("status", ("active",))
        reader.close()
    if problems:
        raise InvalidInputError(problems)
