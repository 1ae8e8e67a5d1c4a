"""What is wrong is refused at its place, every time in the same way, and leaves nothing behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.envelopes import linkedin_envelope, writer_registration
from tests.support.malformed import ENVELOPES, REGISTRATIONS, Malformed
from tests.support.stack import Stack
from tests.support.visitor import FLEX, Visitor, pointers, row_counts

REGISTER = f"{FLEX}/capabilities/register"
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{objective: 1}",
    "NaN": b'{"objective": NaN}',
    "a number beyond all": b'{"objective": 1e999}',
    "the same key twice": b'{"objective": "a", "objective": "b"}',
    "NUL": b'{"objective": "a\\u0000"}',
    "half a surrogate pair": b'{"objective": "\\ud800"}',
    "no UTF-8": b'{"objective": "\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"objective": "a"}',
    "far too deep": b"[" * 5000 + b"]" * 5000,
    "an endless number": b'{"objective": ' + b"9" * 5000 + b"}",
}
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 10**300, 1e308, "", "x", "é\u2028" * 3000, [], [[]], {}, [None], ["a", "a"]),
    *({"$ref": "#"}, {"type": ["string", 5]}, {"type": "array", "items": {"$ref": "#"}}, "(a+)+$"),
)


def assert_problem(reply: httpx2.Response, status: int, code: str) -> None:
    """Hold a refusal to the form that both kinds of client read."""
    body = reply.json()
    assert reply.status_code == status, body
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["X-Correlation-Id"]
    assert (body["status"], body["code"], body["retryable"]) == (status, code, False)
    assert (body["statusCode"], body["data"]["code"]) == (status, code)
    assert body["type"]
    assert body["title"]
    assert body["detail"]
    assert body["statusMessage"]
    assert "Traceback" not in reply.text


def refused(reply: httpx2.Response, expected: Malformed) -> None:
    assert_problem(reply, expected.status, expected.code)
    assert pointers(reply) == expected.pointers, reply.json()
    assert all(entry["message"] for entry in reply.json()["errors"])
    if expected.code == "invalid_condition_dsl":
        for entry in reply.json()["errors"]:
            assert {"line", "column", "offset"} <= set(entry["range"]["start"])


def test_malformed_envelopes_are_refused_twice_and_nothing_is_stored(flex_up: Stack, visitor: Visitor) -> None:
    assert len(ENVELOPES) >= 30
    before = row_counts(flex_up.database_url)

    for malformed in ENVELOPES:
        for path in ("run.stream", "runs", "plan", "run.stream"):
            refused(visitor.post(f"{FLEX}/{path}", malformed.body), malformed)

    assert row_counts(flex_up.database_url) == before


def test_malformed_registrations_are_refused_twice_and_nothing_is_stored(flex_up: Stack, visitor: Visitor) -> None:
    before = row_counts(flex_up.database_url)

    for malformed in REGISTRATIONS * 2:
        refused(visitor.post(REGISTER, malformed.body), malformed)

    assert row_counts(flex_up.database_url) == before


@pytest.mark.parametrize("path", [f"{FLEX}/run.stream", REGISTER, f"{FLEX}/hitl/resolve"])
def test_what_is_no_strict_json_is_refused(flex_up: Stack, visitor: Visitor, path: str) -> None:
    before = row_counts(flex_up.database_url)

    for name, body in BODIES.items():
        reply = visitor.http.post(path, content=body, headers={"Content-Type": "application/json"})
        assert reply.status_code in {400, 422}, (name, reply.text)
        assert reply.json()["code"] in {"invalid_json", "validation_failed"}, (name, reply.text)
        assert reply.json()["errors"], name
    form = visitor.http.post(path, content=b"a=1", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert_problem(form, 415, "unsupported_media_type")

    assert row_counts(flex_up.database_url) == before


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(visitor: Visitor) -> None:
    reply = visitor.post(f"{FLEX}/runs", linkedin_envelope(metadata={"text": "x" * 1_100_000}))

    assert_problem(reply, 413, "payload_too_large")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"requestId": "x"},
        {"requestId": "x", "responses": []},
        {"requestId": "x", "responses": [7]},
        {"requestId": "x", "responses": [{}]},
        {"requestId": "x", "responses": [{"requestId": "y", "approved": True}]},
        {"requestId": "x", "responses": [{"approved": "yes"}]},
        {"requestId": "x", "responses": [{"approved": True}], "operator": "Ada"},
        {"requestId": "x", "responses": [{"approved": True}], "verdict": 1},
    ],
)
def test_an_answer_of_the_wrong_form_is_refused_at_its_places(visitor: Visitor, body: Any) -> None:
    for door in ("/api/hitl/resume", f"{FLEX}/hitl/resolve"):
        reply = visitor.post(door, body)
        assert_problem(reply, 422, "validation_failed")
        assert reply.json()["errors"]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value inside `value`, itself included."""
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def replaced(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    if not at:
        return new
    changed = copy.copy(value)
    changed[at[0]] = replaced(value[at[0]], at[1:], new)
    return changed


def test_no_envelope_however_wrong_breaks_the_server(visitor: Visitor) -> None:
    # Given an envelope that uses what there is
    planner = {
        "topology": {"variantCount": 2, "maxDepth": 6, "requiredKinds": ["execution"]},
        "selection": {"forbid": ["x.y"], "prefer": ["ContentGeneratorAgent.linkedinVariants"]},
        "optimisation": {"objective": "quality", "maxTokens": 5000},
        "directives": {"tone": 1},
    }
    envelope = linkedin_envelope(
        policies={"planner": planner, "brandVoice": "warm"},
        metadata={"clientId": "c", "correlationId": "corr-1"},
        constraints={"threadId": "t"},
    )
    assert visitor.post(f"{FLEX}/plan", envelope).json()["status"] == "accepted"

    # When every value in it is replaced by every kind of nonsense
    for at in places(envelope):
        for nonsense in HOSTILE:
            reply = visitor.post(f"{FLEX}/plan", replaced(envelope, at, nonsense))

            # Then it is planned, or refused at its places
            assert reply.status_code in {200, 400, 415, 422}, (at, nonsense, reply.text)
            assert reply.status_code in {200, 415} or reply.json()["errors"], (at, nonsense, reply.text)


def test_no_registration_however_wrong_breaks_the_planner(visitor: Visitor) -> None:
    # Given a registration that uses what there is
    registration = writer_registration(
        optionalInputFacets=["feedback"],
        heartbeat={"intervalSeconds": 10, "timeoutSeconds": 20},
        cost={"tier": "x", "estimatedTokens": 5, "pricePer1kTokens": 0.1, "currency": "USD"},
        preferredModels=["m"],
        instructionTemplates={"app": "x"},
        metadata={"catalogTags": ["a"], "timeoutSeconds": 5, "postConditionPolicy": {"maxRetries": 1}},
        inputTraits={"languages": ["en"], "formats": ["x"]},
        endpoint={"url": "http://127.0.0.1:8700/"},
        toolsAllowlist=["t"],
        postConditions=[{"facet": "copyVariants", "path": "/0", "condition": {"dsl": "true"}}],
    )
    wanted = linkedin_envelope(policies={"planner": {"selection": {"prefer": ["yard.writer"]}}})
    try:
        # When every value in it is replaced by every kind of nonsense
        for at in places(registration):
            for nonsense in HOSTILE:
                reply = visitor.post(REGISTER, replaced(registration, at, nonsense))

                # Then it is refused at its places, or registered, and then others can still plan
                assert reply.status_code in {200, 400, 415, 422}, (at, nonsense, reply.text)
                assert reply.status_code in {200, 415} or reply.json()["errors"], (at, nonsense, reply.text)
                if reply.status_code == 200:
                    planned = visitor.post(f"{FLEX}/plan", wanted)
                    assert planned.json()["status"] == "accepted", (at, nonsense, planned.text)
    finally:
        for one in ("yard.writer", "x"):
            visitor.http.delete(f"{FLEX}/capabilities/{one}")
