"""Every error becomes a problem document with the right status, and none tells more than it should."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import TooManyRequests

from app.auth import UnauthorizedError
from app.body import UnsupportedMediaTypeError
from app.stream.places import ServerFullError, TooManyStreamsError
from models.errors import (
    AlreadyResolvedError,
    BuiltinCapabilityError,
    CapabilityNotFoundError,
    DatabaseUnavailableError,
    HitlRequestNotFoundError,
    InvalidRunStateError,
    PlanNotFoundError,
    RunNotFoundError,
)
from planner.refusals import (
    ContractUnsatisfiableError,
    InvalidConditionError,
    NotAvailableYetError,
    PoliciesDisabledError,
)
from policies.errors import FlexError, InvalidInputError, Problem
from policies.strict_json import StrictJSONError
from tests.unit.app.conftest import raising

WRONG = [
    Problem("/objective", "is required: a string", "required"),
    Problem("/inputs/a~1b", "must be an object", "type"),
]

CASES: list[tuple[Exception, int, str, bool]] = [
    (InvalidInputError(WRONG), 422, "validation_failed", False),
    (NotAvailableYetError(WRONG), 422, "not_available_yet", False),
    (PoliciesDisabledError(WRONG), 422, "policies_disabled", False),
    (ContractUnsatisfiableError(WRONG), 422, "contract_unsatisfiable", False),
    (InvalidConditionError(WRONG), 400, "invalid_condition_dsl", False),
    (StrictJSONError(WRONG), 400, "invalid_json", False),
    (UnauthorizedError(), 401, "unauthorized", False),
    (RunNotFoundError(), 404, "run_not_found", False),
    (PlanNotFoundError(), 404, "plan_not_found", False),
    (CapabilityNotFoundError(), 404, "capability_not_found", False),
    (HitlRequestNotFoundError(), 404, "hitl_request_not_found", False),
    (InvalidRunStateError(), 409, "invalid_run_state", False),
    (AlreadyResolvedError(), 409, "already_resolved", False),
    (BuiltinCapabilityError(), 409, "builtin_capability", False),
    (UnsupportedMediaTypeError(), 415, "unsupported_media_type", False),
    (TooManyRequests(), 429, "too_many_requests", True),
    (DatabaseUnavailableError(), 503, "database_unavailable", True),
    (ServerFullError("full", pending=2, limit=2, retry_after=5), 503, "server_busy", True),
    (TooManyStreamsError("full", pending=2, limit=2, retry_after=5), 429, "too_many_streams", True),
    (FlexError("no client can cause this"), 500, "internal_error", False),
    (ValueError("a secret text"), 500, "internal_error", False),
]


def problem_of(response: Any) -> dict[str, Any]:
    """Return the body after checking what every problem must hold."""
    assert response.content_type == "application/problem+json"
    body = json.loads(response.data)
    assert body["status"] == body["statusCode"] == response.status_code
    assert body["code"] == body["data"]["code"]
    assert {"type", "title", "detail", "instance", "retryable", "errors", "statusMessage"} <= body.keys()
    assert body["correlationId"] == response.headers["X-Correlation-Id"]
    return dict(body)


@pytest.mark.parametrize(("error", "status", "code", "retryable"), CASES, ids=lambda value: type(value).__name__)
def test_each_error_has_its_status_and_code(
    layers: Flask,
    error: Exception,
    status: int,
    code: str,
    retryable: bool,  # noqa: FBT001 - pytest passes table columns by name
) -> None:
    # When a view raises the error
    response = raising(layers, error)()
    # Then the reply is its problem
    body = problem_of(response)
    assert (response.status_code, body["code"], body["retryable"]) == (status, code, retryable)


def test_invalid_input_lists_every_problem_with_its_pointer(layers: Flask) -> None:
    body = problem_of(raising(layers, InvalidInputError(WRONG))())
    assert body["errors"] == [problem.as_json() for problem in WRONG]


def test_a_fault_of_ours_tells_nothing_about_itself(layers: Flask) -> None:
    response = raising(layers, RuntimeError("password is hunter2"))()
    assert response.status_code == 500
    assert b"hunter2" not in response.data
    assert b"RuntimeError" not in response.data


def test_a_database_that_is_away_says_when_to_come_back(layers: Flask) -> None:
    response = raising(layers, DatabaseUnavailableError())()
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0


def test_a_conflict_carries_what_won_and_names_the_run(layers: Flask) -> None:
    # Given a second answer to a request
    error = AlreadyResolvedError(data={"resolvedBy": "Ada", "runId": "flex_9"})
    # Then clients old and new find the facts
    body = problem_of(raising(layers, error)())
    assert body["data"] == {"code": "already_resolved", "resolvedBy": "Ada", "runId": "flex_9"}
    assert body["runId"] == "flex_9"


def test_the_run_of_the_address_is_named(layers: Flask) -> None:
    assert problem_of(raising(layers, InvalidRunStateError())())["runId"] == "flex_1"


def test_unknown_routes_and_wrong_methods_are_problems_too(layers_client: FlaskClient) -> None:
    assert problem_of(layers_client.get("/nowhere"))["code"] == "not_found"
    wrong = layers_client.delete("/echo")
    assert problem_of(wrong)["code"] == "method_not_allowed"
    assert "POST" in wrong.headers["Allow"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "invalid_json"),
        (b"{", "application/json", 400, "invalid_json"),
        (b'{"a": NaN}', "application/json", 400, "invalid_json"),
        (b'{"a": 1, "a": 2}', "application/json", 400, "invalid_json"),
        (b'{"a": "\\u0000"}', "application/json", 400, "invalid_json"),
        (b'\xef\xbb\xbf{"a": 1}', "application/json", 400, "invalid_json"),
        (b'{"a": "\xff"}', "application/json", 400, "invalid_json"),
        (b"[" * 100 + b"]" * 100, "application/json", 400, "invalid_json"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "", 415, "unsupported_media_type"),
        (b'"' + b"x" * 2048 + b'"', "application/json", 413, "payload_too_large"),
    ],
    ids=["empty", "cut", "nan", "doubled", "nul", "bom", "not utf-8", "deep", "text", "untyped", "large"],
)
def test_bodies_that_are_not_portable_json_are_refused(
    layers_client: FlaskClient, body: bytes, kind: str, status: int, code: str
) -> None:
    response = layers_client.post("/echo", data=body, content_type=kind)
    assert (response.status_code, problem_of(response)["code"]) == (status, code)


def test_a_chunked_body_is_refused_once_it_is_over_the_limit(layers_client: FlaskClient) -> None:
    # Given a body without a length, as a server hands it over
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    small = layers_client.post(
        "/echo", input_stream=_stream(b'{"a": 1}'), content_type="application/json", environ_overrides=environ
    )
    large = layers_client.post(
        "/echo", input_stream=_stream(b" " * 4096), content_type="application/json", environ_overrides=environ
    )
    # Then only its size decides
    assert small.get_json() == {"a": 1}
    assert large.status_code == 413


def test_a_body_that_may_be_absent_may_be_absent(layers_client: FlaskClient) -> None:
    assert layers_client.post("/optional").get_json() == {"body": None}
    given = layers_client.post("/optional", json={"note": "x"})
    assert given.get_json() == {"body": {"note": "x"}}


def _stream(content: bytes) -> io.BytesIO:
    return io.BytesIO(content)
