"""What every request of one app shares: settings, facet catalogue, relay, and the OpenAPI document."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from flask import Flask, current_app
from flask_smorest import Api

from app.auth import keys_of, still_holding
from app.hub import Hub
from app.stream.log import RunLog
from app.stream.stored import StoredLog
from models.catalogue import catalogue
from models.events.doorbell import live_bus
from models.settings import Settings
from planner.contracts.facets import FacetCatalogue

EXTENSION = "flex"


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that views work with."""

    settings: Settings
    catalogue: FacetCatalogue
    log: RunLog
    hub: Hub
    api: Api
    started: float = field(default_factory=time.monotonic)


class ProblemApi(Api):  # type: ignore[misc]  # flask-smorest carries no types
    """The library's document, with our problems in place of its errors."""

    DEFAULT_RESPONSE_CONTENT_TYPE = "application/problem+json"
    ERROR_SCHEMA: ClassVar[dict[str, str]] = {"$ref": "#/components/schemas/Problem"}


def init_app(app: Flask, settings: Settings) -> Api:
    """Make the shared parts of the app. Nothing connects before the first request needs it."""
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_envelope_bytes,
        API_TITLE="Flex",
        API_VERSION="1.0",
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={
            "info": {"description": "Runs of multi-agent work: an envelope in, a proven result out, every step live."},
            "servers": [{"url": "/"}],
        },
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it; the base class does not
    api = ProblemApi(app)
    log = StoredLog()
    hub = Hub(
        live_bus(),
        log,
        still_holding=partial(still_holding, keys_of(settings)),
        max_streams=settings.max_streams,
        max_streams_per_owner=settings.max_streams_per_key,
    )
    app.extensions[EXTENSION] = Services(settings, catalogue(), log, hub, api)
    return api


def services() -> Services:
    """Return the shared parts of the app that serves this request."""
    found: Services = current_app.extensions[EXTENSION]
    return found
