"""Browsers on other origins as first-class clients: the headers that they need, on every reply."""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask, Response, current_app, request
from flask_cors import CORS

ALLOW_HEADERS = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer", "X-Correlation-Id"]
EXPOSE_HEADERS = [
    "X-Run-Id",
    "X-Correlation-Id",
    "Location",
    "Retry-After",
    "Idempotency-Replayed",
    "X-Backlog-Pending",
    "X-Backlog-Limit",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
PREFLIGHT_SECONDS = 600


def init_app(app: Flask, origins: tuple[str, ...]) -> None:
    """Answer preflights with 204 and mark every reply for the allowed origins; no origin is allowed by default."""
    app.before_request(answer_preflight)
    app.after_request(name_origin)
    CORS(
        app,
        origins=list(origins),
        allow_headers=ALLOW_HEADERS,
        expose_headers=EXPOSE_HEADERS,
        methods=METHODS,
        max_age=PREFLIGHT_SECONDS,
        supports_credentials=False,
        allow_private_network=False,
    )


def is_allowed(origin: str | None, origins: Collection[str]) -> bool:
    """Tell whether pages of this origin may call."""
    return origin is not None and not {origin, "*"}.isdisjoint(origins)


def name_origin(response: Response) -> Response:
    """Tell caches that a reply depends on the origin, also when it is marked for none or for the only one allowed."""
    response.vary.add("Origin")
    return response


def answer_preflight() -> Response | None:
    """Answer OPTIONS on any known route before anything asks for a key: a preflight never carries one."""
    if request.method != "OPTIONS" or request.routing_exception is not None:
        return None
    response = current_app.make_default_options_response()
    response.status_code = 204
    return response
