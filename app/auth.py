"""Who is calling, and what may they do: today one bearer key for the whole service, or nobody's key on loopback."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from flask import Flask, Request, g, request

from models.settings import Settings
from policies.errors import FlexError

DEFAULT_TENANT = "default"
ALL_SCOPES = frozenset({"runs", "registry", "people", "service"})
OPEN_ENDPOINTS = frozenset(
    {"health.live", "health.ready", "health.overview", "health.old_health", "health.older_health"}
)
"""What a load balancer asks without a key."""


class UnauthorizedError(FlexError):
    """This server wants `Authorization: Bearer <key>` with a key that it knows."""

    code = "unauthorized"


@dataclass(frozen=True, slots=True)
class Caller:
    """The party behind a request: the tenant whose things it sees, its scopes, and the key that it showed."""

    tenant: str
    scopes: frozenset[str]
    key_id: str | None


def init_app(app: Flask, settings: Settings) -> None:
    """Ask every request but the open ones for its key, before anything else looks at it."""

    def identify() -> None:
        if request.endpoint in OPEN_ENDPOINTS:
            return
        g.caller = authenticate(request, settings.api_key)

    app.before_request(identify)


def authenticate(asking: Request, api_key: str | None) -> Caller:
    """Return who asks. Raises `UnauthorizedError` when a key is required and the right one is not shown."""
    if api_key is None:
        return Caller(DEFAULT_TENANT, ALL_SCOPES, None)
    scheme, _, token = asking.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), api_key.encode()):
        raise UnauthorizedError
    return Caller(DEFAULT_TENANT, ALL_SCOPES, "FLEX_API_KEY")


def tenant() -> str:
    """Return the tenant of the request being served."""
    caller: Caller = g.caller
    return caller.tenant
