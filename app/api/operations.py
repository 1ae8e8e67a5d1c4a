"""How a route is declared: once, for Flask and for the OpenAPI document alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from flask_smorest import Blueprint
from marshmallow import Schema

from app.errors import CONTENT_TYPE as PROBLEM_TYPE

View = TypeVar("View", bound=Callable[..., Any])

JSON = "application/json"
EVENT_STREAM = "text/event-stream"
COMMON_PROBLEMS = (401, 403, 405, 429, 500, 503)
BODY_PROBLEMS = (400, 413, 415, 422)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request with the same key and body within a day gets the first one's reply and does nothing.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What a route may answer: what it means, and the schema of each media type (by component name)."""

    description: str
    content: Mapping[str, str | None]
    headers: tuple[str, ...] = ()

    def as_openapi(self) -> dict[str, Any]:
        found: dict[str, Any] = {"description": self.description}
        if self.content:
            found["content"] = {kind: {"schema": _schema(name)} for kind, name in self.content.items()}
        if self.headers:
            found["headers"] = {name: {"schema": {"type": "string"}} for name in self.headers}
        return found


def json_reply(description: str, component: str, *, headers: tuple[str, ...] = ()) -> Reply:
    return Reply(description, {JSON: component}, headers)


def operation(
    blueprint: Blueprint,
    method: str,
    path: str,
    *,
    name: str,
    replies: Mapping[int, Reply],
    problems: tuple[int, ...] = (),
    body: str | None = None,
    body_required: bool = True,
    query: type[Schema] | None = None,
    headers: type[Schema] | None = None,
    idempotent: bool = False,
) -> Callable[[View], View]:
    """Register the view for the route and describe it as the operation `name`.

    With `query`, the view's first argument is the mapping of checked query arguments; with `headers`, the next one is
    that of checked headers. `body` is the component that describes the request body; an `idempotent` operation takes
    an Idempotency-Key.
    """
    refused = {
        *problems,
        *((409,) if idempotent else ()),
        *COMMON_PROBLEMS,
        *(BODY_PROBLEMS if body else ()),
        *((422,) if query or headers else ()),
    }
    about: dict[str, Any] = {
        "operationId": name,
        "responses": {
            **{status: reply.as_openapi() for status, reply in replies.items()},
            **{status: _problem(HTTPStatus(status).phrase) for status in sorted(refused)},
            "default": _problem("Any other problem"),
        },
    }
    if idempotent:
        about["parameters"] = [IDEMPOTENCY_KEY]
    if body:
        about["requestBody"] = {"required": body_required, "content": {JSON: {"schema": _schema(body)}}}

    def attach(view: View) -> View:
        described = blueprint.doc(**about)(view)
        if headers is not None:
            described = blueprint.arguments(headers, location="headers")(described)
        if query is not None:
            described = blueprint.arguments(query, location="query")(described)
        blueprint.route(path, methods=[method], endpoint=_endpoint(name))(described)
        return view

    return attach


def _endpoint(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _schema(name: str | None) -> dict[str, Any]:
    return {"type": "string"} if name is None else {"$ref": f"#/components/schemas/{name}"}


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM_TYPE: {"schema": _schema("Problem")}}}
