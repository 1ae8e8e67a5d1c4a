"""One id that ties together a request, its run, its frames, its log lines and its calls to agents."""

from __future__ import annotations

import re
import uuid
from typing import Any

import structlog
from flask import Flask, Response, g, request

HEADER = "X-Correlation-Id"
PRINTABLE = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")


def init_app(app: Flask) -> None:
    """Give every request an id, and every reply the header that names it."""
    app.before_request(_begin)
    app.after_request(_name)


def current() -> str:
    """Return the id of this request."""
    return str(g.correlation_id) if "correlation_id" in g else _adopt(new(), given=False)


def adopt(metadata: Any) -> None:
    """Take `correlationId` of an envelope's metadata as this request's id, unless the header gave one."""
    named = metadata.get("correlationId") if isinstance(metadata, dict) else None
    if isinstance(named, str) and PRINTABLE.fullmatch(named) and not g.correlation_given:
        _adopt(named, given=True)


def _begin() -> None:
    structlog.contextvars.clear_contextvars()
    header = request.headers.get(HEADER, "")
    given = PRINTABLE.fullmatch(header) is not None
    _adopt(header if given else new(), given=given)


def _name(response: Response) -> Response:
    response.headers[HEADER] = current()
    return response


def _adopt(correlation_id: str, *, given: bool) -> str:
    g.correlation_id = correlation_id
    g.correlation_given = given
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
    return correlation_id


def new() -> str:
    """Return an id that nothing else has."""
    return str(uuid.uuid4())
