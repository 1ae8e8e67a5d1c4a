"""Is it alive, is it ready, how is it: for load balancers, operators and the command line."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from flask import Response, jsonify, redirect, url_for
from flask_smorest import Blueprint
from werkzeug.wrappers import Response as BaseResponse

from app import probes
from app.api.operations import Reply, json_reply, operation
from app.extensions import services
from models.events.frames import timestamp_text

blueprint = Blueprint("health", __name__, description="How the service is")

HEALTH = json_reply("How the service is", "Health")
MOVED = Reply("It is there now", {}, ("Location",))
UNAVAILABLE = json_reply("Something that it needs does not answer", "Health")


@operation(blueprint, "GET", "/healthz", name="live", replies={200: json_reply("The process serves", "Health")})
def live() -> Response:
    """Say that this process serves requests; nothing else is asked."""
    return jsonify({"ok": True})


@operation(blueprint, "GET", "/readyz", name="ready", replies={200: HEALTH, 503: UNAVAILABLE})
def ready() -> tuple[Response, int]:
    """Say whether runs can be taken in: the database answers, its tables are current, built-ins are registered."""
    database = probes.check_database()
    needed = {
        "database": database,
        "migrations": probes.check_migrations() if database["ok"] else {"ok": False},
    }
    current = all(check["ok"] for check in needed.values())
    needed["builtinCapabilities"] = probes.check_builtins() if current else {"ok": False}
    helpful = {"redis": probes.check_redis(), "workers": probes.check_workers() if current else {"ok": False}}
    is_ready = all(check["ok"] for check in needed.values())
    return jsonify({"ok": is_ready, "checks": {**needed, **helpful}}), 200 if is_ready else 503


@operation(blueprint, "GET", "/api/v1/health", name="overview", replies={200: HEALTH})
def overview() -> Response:
    """Tell how the service is in one word, and which of its parts are not well."""
    shared = services()
    database = probes.check_database()
    found: dict[str, dict[str, Any]] = {
        "database": database,
        "redis": probes.check_redis(),
        "workers": probes.check_workers() if database["ok"] else {"ok": False},
    }
    return jsonify(
        {
            "status": "healthy" if all(part["ok"] for part in found.values()) else "degraded",
            "timestamp": timestamp_text(datetime.now(UTC)),
            "uptimeSeconds": round(time.monotonic() - shared.started, 1),
            "services": {**found, "openai": {"configured": bool(shared.settings.openai_api_key)}},
            "streams": shared.hub.listeners(),
            "env": {"nodeEnv": "test" if shared.settings.test_mode else "production"},
        }
    )


@operation(blueprint, "GET", "/api/v1/health/db", name="databaseHealth", replies={200: HEALTH, 503: UNAVAILABLE})
def database_health() -> tuple[Response, int]:
    """Ask the database."""
    found = probes.check_database()
    moment = timestamp_text(datetime.now(UTC))
    return jsonify({**found, "driver": "pg", "timestamp": moment}), 200 if found["ok"] else 503


@operation(blueprint, "GET", "/api/v1/health/openai", name="modelHealth", replies={200: HEALTH})
def model_health() -> Response:
    """Ask the model; with a key this spends one small call."""
    return jsonify(probes.check_openai(services().settings))


@operation(blueprint, "GET", "/health", name="oldHealth", replies={307: MOVED})
def old_health() -> BaseResponse:
    """Send callers of the older address to `/api/v1/health`."""
    return redirect(url_for("health.overview"), 307)


@operation(blueprint, "GET", "/api/health", name="olderHealth", replies={307: MOVED})
def older_health() -> BaseResponse:
    """Send callers of the oldest address to `/api/v1/health`."""
    return redirect(url_for("health.overview"), 307)
