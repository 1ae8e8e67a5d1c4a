"""A small app with the outer layers of the real one, for what needs neither database nor planner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Response, jsonify
from flask.testing import FlaskClient

from app import auth, correlation, cors, errors, headers
from app.body import read_json, read_optional_json
from models.settings import load_settings


def make_layers(environ: dict[str, str]) -> Flask:
    settings = load_settings(environ)
    app = Flask("layers", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_envelope_bytes
    errors.init_app(app)
    correlation.init_app(app)
    cors.init_app(app, settings.cors_allow_origins)
    auth.init_app(app, settings, rules={})
    headers.init_app(app)

    @app.post("/echo")
    def echo() -> Response:
        return jsonify(read_json())

    @app.post("/optional")
    def optional() -> Response:
        return jsonify({"body": read_optional_json()})

    @app.get("/runs/<run_id>")
    def run(run_id: str) -> Response:
        return jsonify({"runId": run_id})

    @app.get("/stream")
    def stream() -> Response:
        return Response(iter([b"data: 1\n\n"]), mimetype="text/event-stream")

    return app


def raising(app: Flask, error: Exception) -> Callable[[], Any]:
    """Return a client call of a route that raises the error."""

    @app.get("/raise/<run_id>")
    def fail(run_id: str) -> Response:
        raise error

    return lambda: app.test_client().get("/raise/flex_1")


@pytest.fixture
def layers() -> Flask:
    return make_layers({"CORS_ALLOW_ORIGINS": "https://console.example", "FLEX_MAX_ENVELOPE_BYTES": "2048"})


@pytest.fixture
def layers_client(layers: Flask) -> FlaskClient:
    return layers.test_client()
