"""Every error as a reply: the one place where what went wrong becomes a status and an `application/problem+json` body.

The body follows RFC 9457 (`type`, `title`, `status`, `detail`, `instance`) with `code`, `retryable`, `errors` and
`runId`. Clients of the older server find `statusCode`, `statusMessage` and `data.code` in the same body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException

from app import correlation
from app.limits import LimitError
from models.errors import ConflictError, DatabaseUnavailableError, NotFoundError
from policies.errors import FlexError, InvalidInputError, pointer

CONTENT_TYPE = "application/problem+json"
RETRYABLE = frozenset({408, 429, 502, 503, 504})
INTERNAL = "Something failed on our side and was recorded under this correlation id; the request may be tried again."

STATUS_OF_CODE = {
    "invalid_json": 400,
    "broken_body": 400,
    "invalid_condition_dsl": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "foreign_origin": 403,
    "cross_site": 403,
    "unsupported_media_type": 415,
    "server_busy": 503,
    "upgrade_required": 426,
    "too_many_requests": 429,
    "too_many_streams": 429,
    "invalid_idempotency_key": 400,
    "idempotency_mismatch": 422,
}
"""Codes whose status is not that of their class."""

STATUS_OF_CLASS: tuple[tuple[type[FlexError], int], ...] = (
    (InvalidInputError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (DatabaseUnavailableError, 503),
)

CODE_OF_STATUS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    408: "request_timeout",
    413: "payload_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "too_many_requests",
    431: "headers_too_large",
    500: "internal_error",
}

REMEDY_OF_STATUS = {
    404: "There is nothing at this address; /openapi.json lists every route.",
    405: "This address does not answer to that method; the Allow header lists those that it does.",
}

logger = structlog.get_logger(__name__)


def init_app(app: Flask) -> None:
    """Answer every error of the app with a problem."""
    app.register_error_handler(FlexError, answer_flex_error)
    app.register_error_handler(HTTPException, answer_http_error)
    app.register_error_handler(Exception, answer_unexpected)


def answer_flex_error(error: FlexError) -> Response:
    """Answer an error that Flex raised on purpose; one that no client can cause is our own fault."""
    status = _status_of(error)
    if status is None:
        return answer_unexpected(error)
    data = dict(getattr(error, "data", None) or {})
    note_refusal(error)
    errors = [p.as_json() for p in getattr(error, "problems", ())]
    if error.code == "invalid_condition_dsl":
        data.setdefault("errors", errors)
    return problem(status, error.code, error.message, errors=errors, data=data, headers=_headers_of(error, status))


def answer_http_error(error: HTTPException) -> Response | HTTPException:
    """Answer what the framework refused: unknown routes, wrong methods, oversized bodies, bad query arguments."""
    status = error.code or 500
    if status < 400:
        return error
    headers = {k: v for k, v in error.get_headers(request.environ) if k.lower() in {"allow", "retry-after"}}
    errors = list(_argument_problems(error))
    detail = "; ".join(f"{e['pointer']}: {e['message']}" for e in errors) or _remedy(status)
    return problem(
        status,
        code_of(status),
        detail or error.description or HTTPStatus(status).phrase,
        errors=errors,
        headers=headers,
    )


def _remedy(status: int) -> str | None:
    if status == 413:
        limit = current_app.config["MAX_CONTENT_LENGTH"]
        return (
            f"A body may have {limit} bytes: send less, or raise FLEX_MAX_ENVELOPE_BYTES where the server is started."
        )
    return REMEDY_OF_STATUS.get(status)


def answer_unexpected(error: Exception) -> Response:
    """Answer a fault of our own: its text and trace stay in the log."""
    logger.error("request_failed", exc_info=error, method=request.method, path=request.path)
    return problem(500, "internal_error", INTERNAL)


def document_of(error: FlexError) -> dict[str, Any]:
    """Return the members of a problem that make sense where there is no reply to put them in."""
    errors = [p.as_json() for p in getattr(error, "problems", ())]
    room = {**error.data, "retry": error.retry_after * 1000} if isinstance(error, LimitError) else {}
    return {"code": error.code, "message": error.message, "errors": errors, **room}


def note_refusal(error: FlexError) -> None:
    """Write a line when the error is that there is no room."""
    if isinstance(error, LimitError):
        logger.info("flex_run_backlog_reject", code=error.code, **error.data)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[dict[str, Any]] | None = None,
    data: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the reply that describes one problem."""
    extra = dict(data or {})
    body = describe(status, code, detail, correlation_id=correlation.current(), errors=errors, data=extra)
    body["instance"] = request.path
    body["retryable"] |= "Retry-After" in (headers or {})
    run_id = extra.get("runId") or (request.view_args or {}).get("run_id")
    if run_id:
        body["runId"] = run_id
    return Response(
        json.dumps(body, ensure_ascii=False, default=str),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        content_type=CONTENT_TYPE,
    )


def code_of(status: int) -> str:
    """Return the code of a problem that has no other than its status."""
    return CODE_OF_STATUS.get(status, HTTPStatus(status).name.lower())


def describe(
    status: int,
    code: str,
    detail: str,
    *,
    correlation_id: str,
    errors: list[dict[str, Any]] | None = None,
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what is told of a problem wherever it turns up."""
    title = HTTPStatus(status).phrase
    return {
        "type": f"urn:flex:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "",
        "code": code,
        "retryable": status in RETRYABLE,
        "errors": errors or [],
        "correlationId": correlation_id,
        "statusCode": status,
        "statusMessage": title,
        "data": {**(data or {}), "code": code},
    }


def _status_of(error: FlexError) -> int | None:
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    return next((status for kind, status in STATUS_OF_CLASS if isinstance(error, kind)), None)


def _headers_of(error: FlexError, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="flex"'}
    headers = dict(getattr(error, "headers", {}))
    if status in RETRYABLE or hasattr(error, "retry_after"):
        headers["Retry-After"] = str(getattr(error, "retry_after", 2))
    return headers


def _argument_problems(error: HTTPException) -> Iterator[dict[str, Any]]:
    """Yield what webargs found wrong with query arguments, each at its own pointer."""
    messages = (getattr(error, "data", None) or {}).get("messages") or {}
    for fields in messages.values():
        for name, texts in fields.items():
            for text in texts if isinstance(texts, list) else [texts]:
                yield {"pointer": pointer(name), "message": str(text), "code": "invalid_argument"}
