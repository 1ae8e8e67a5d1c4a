"""POST /conditions/validate, in an app that needs neither database nor Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

from app import create_app
from models.settings import load_settings

PATH = "/api/v1/flex/conditions/validate"


@pytest.fixture(scope="module")
def web() -> Iterator[Flask]:
    app = create_app(load_settings({}))
    yield app
    app.extensions["flex"].hub.stop()


@pytest.fixture
def client(web: Flask) -> FlaskClient:
    return web.test_client()


def ask(client: FlaskClient, **body: Any) -> tuple[int, Any]:
    reply = client.post(PATH, json=body)
    return reply.status_code, reply.get_json()


def test_a_valid_condition_comes_back_in_its_other_forms(client: FlaskClient) -> None:
    assert ask(client, dsl="run.cost>1.0") == (
        200,
        {
            "canonicalDsl": "run.cost > 1",
            "jsonLogic": {">": [{"var": "run.cost"}, 1]},
            "variables": ["run.cost"],
            "warnings": [],
        },
    )


def test_json_logic_comes_back_as_text(client: FlaskClient) -> None:
    status, body = ask(client, jsonLogic={"==": [{"var": "run.cost"}, None]})

    assert (status, body["canonicalDsl"]) == (200, "run.cost == null")


@pytest.mark.parametrize(
    ("payload", "verdict"),
    [
        ({"run": {"cost": 2}}, {"value": True, "observed": {"run.cost": 2}}),
        (
            {},
            {
                "value": "unknown",
                "reason": "run.cost > 1: null and number have no order",
                "observed": {"run.cost": None},
            },
        ),
        (
            None,
            {
                "value": "unknown",
                "reason": "run.cost > 1: null and number have no order",
                "observed": {"run.cost": None},
            },
        ),
    ],
)
def test_a_verdict_is_there_whenever_a_payload_is(client: FlaskClient, payload: Any, verdict: Any) -> None:
    assert ask(client, dsl="run.cost > 1", payload=payload)[1]["verdict"] == verdict


def test_bare_names_are_members_of_the_facet(client: FlaskClient) -> None:
    status, body = ask(client, dsl='overallStatus == "pass"', facet="qaFindings", payload={"overallStatus": "fail"})

    assert (status, body["verdict"]["value"]) == (200, False)
    assert ask(client, dsl='value != ""', facet="post_copy", payload="x")[1]["verdict"]["value"] is True


def test_every_diagnostic_is_in_the_problem(client: FlaskClient) -> None:
    status, body = ask(client, dsl="run.cots > 1 &&\n run.cost == 'x'")

    assert (status, body["code"]) == (400, "invalid_condition_dsl")
    assert [error["code"] for error in body["errors"]] == ["unknown_variable", "type_mismatch"]
    assert body["errors"][0]["suggestion"] == "run.cost"
    assert body["errors"][1]["pointer"] == "/dsl"
    assert body["errors"][1]["range"] == {
        "start": {"offset": 29, "line": 2, "column": 14},
        "end": {"offset": 32, "line": 2, "column": 17},
    }
    assert body["data"]["errors"][1]["code"] == "type_mismatch"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "empty_expression"),
        ({"dsl": "  "}, "empty_expression"),
        ({"dsl": "x" * 5000}, "too_long"),
        ({"dsl": "run.cost > 1", "jsonLogic": {">": [{"var": "run.cost"}, 2]}}, "conflicting_forms"),
        ({"jsonLogic": {"if": [True]}}, "invalid_json_logic"),
        ({"jsonLogic": [[]]}, "invalid_json_logic"),
        ({"dsl": "facets.post_copy"}, "not_boolean"),
    ],
)
def test_whatever_is_wrong_with_a_condition_is_400(client: FlaskClient, body: Any, code: str) -> None:
    status, problem = ask(client, **body)

    assert (status, problem["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"dsl": 5}, "/dsl"),
        ({"dsl": None}, "/dsl"),
        ({"dsl": "true", "facet": "post_cpy"}, "/facet"),
        ({"dsl": "true", "text": "x"}, "/text"),
    ],
)
def test_a_body_of_another_shape_is_422(client: FlaskClient, body: Any, pointer: str) -> None:
    status, problem = ask(client, **body)

    assert (status, problem["errors"][0]["pointer"]) == (422, pointer)


def test_replies_are_as_the_document_describes_them(client: FlaskClient, web: Flask) -> None:
    document = web.extensions["flex"].api.spec.to_dict()
    described = document["paths"][PATH]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator({**described, "components": document["components"]})

    for body in ({"dsl": "true", "payload": {}}, {"dsl": "run.cost > 1 && facets.feedback.path == 'x'", "payload": []}):
        assert list(validator.iter_errors(ask(client, **body)[1])) == []
