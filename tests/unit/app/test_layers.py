"""Keys, correlation ids and other origins are seen to before any route is asked."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.unit.app.conftest import make_layers

ORIGIN = {"Origin": "https://console.example"}
KEY = "a-long-enough-key"


@pytest.fixture
def keyed() -> FlaskClient:
    environ = {"FLEX_API_KEY": KEY, "CORS_ALLOW_ORIGINS": "https://console.example"}
    return make_layers(environ).test_client()


def test_without_a_key_on_loopback_everyone_may_in(layers_client: FlaskClient) -> None:
    assert layers_client.get("/runs/a").status_code == 200


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer wrong", f"Basic {KEY}", KEY, f"Bearer {KEY}x", "Bearer \xfc"],
)
def test_with_a_key_only_its_bearer_may_in(keyed: FlaskClient, header: str | None) -> None:
    # When the right key is not shown, and also when it stands in the address
    headers = {} if header is None else {"Authorization": header}
    response = keyed.get(f"/runs/a?api_key={KEY}", headers=headers)
    # Then the reply says what is wanted
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert keyed.get("/runs/a", headers={"Authorization": f"bearer {KEY}"}).status_code == 200


def test_the_correlation_id_of_the_header_comes_back(layers_client: FlaskClient) -> None:
    response = layers_client.get("/runs/a", headers={"X-Correlation-Id": "order 66"})
    assert response.headers["X-Correlation-Id"] == "order 66"


@pytest.mark.parametrize("header", ["", "x" * 201, "caf\xe9", " "])
def test_a_correlation_id_that_cannot_travel_is_replaced(layers_client: FlaskClient, header: str) -> None:
    response = layers_client.get("/runs/a", headers={"X-Correlation-Id": header})
    assert len(response.headers["X-Correlation-Id"]) == 36


def test_two_requests_have_two_ids(layers_client: FlaskClient) -> None:
    ids = {layers_client.get("/runs/a").headers["X-Correlation-Id"] for _ in range(3)}
    assert len(ids) == 3


def test_a_preflight_needs_no_key_and_names_what_is_allowed(keyed: FlaskClient) -> None:
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Idempotency-Key"}
    response = keyed.options("/echo", headers=asked)
    assert response.status_code == 204
    assert response.data == b""
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "idempotency-key" in response.headers["Access-Control-Allow-Headers"].lower()


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Last-Event-ID", "X-Correlation-Id"])
def test_a_preflight_allows_each_header_that_clients_send(layers_client: FlaskClient, name: str) -> None:
    asked = {**ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": name}
    allowed = layers_client.options("/stream", headers=asked).headers["Access-Control-Allow-Headers"]
    assert name.lower() in allowed.lower()


@pytest.mark.parametrize(("path", "status"), [("/runs/a", 200), ("/stream", 200), ("/nowhere", 404), ("/echo", 405)])
def test_every_reply_is_readable_from_an_allowed_origin(layers_client: FlaskClient, path: str, status: int) -> None:
    response = layers_client.get(path, headers=ORIGIN)
    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("X-Run-Id", "X-Correlation-Id", "Location", "Retry-After"))


def test_a_refusal_for_want_of_a_key_is_readable_too(keyed: FlaskClient) -> None:
    response = keyed.get("/runs/a", headers=ORIGIN)
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]


def test_no_other_origin_may_read(layers_client: FlaskClient) -> None:
    response = layers_client.get("/runs/a", headers={"Origin": "https://elsewhere.example"})
    assert "Access-Control-Allow-Origin" not in response.headers


def test_without_origins_nobody_may_read() -> None:
    response = make_layers({}).test_client().get("/runs/a", headers=ORIGIN)
    assert "Access-Control-Allow-Origin" not in response.headers


def test_every_reply_tells_browsers_not_to_guess(layers_client: FlaskClient) -> None:
    assert layers_client.get("/nowhere").headers["X-Content-Type-Options"] == "nosniff"
