"""Who is calling, and what may they do.

A caller shows `Authorization: Bearer <key>`: the one key of FLEX_API_KEY, which may everything in the tenant
`default`, or a key made with `flex keys create`, which has a tenant and scopes of its own. As long as neither exists,
a server that listens on loopback alone serves everyone.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from flask import Flask, Request, current_app, g, request

from app.cors import is_allowed
from app.limits import RateLimit
from app.rules import RULES, Rule
from models.repositories.keys import KEY_ID, SCOPES, ApiKey, prefix_of
from models.scope import DEFAULT_TENANT
from models.settings import LOOPBACK_HOSTS, Settings
from models.unit_of_work import open_unit
from policies.errors import FlexError

ALL_SCOPES = frozenset(SCOPES)
SETTINGS_KEY = "FLEX_API_KEY"
GATE, LIMIT = "flex.gate", "flex.limit"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
KEYS_IN_ADDRESS = frozenset({"api_key", "apikey", "api-key", "access_token", "token", "key", "authorization"})


class UnauthorizedError(FlexError):
    """This server wants `Authorization: Bearer <key>` with a key that it knows; `flex` takes it from FLEX_API_KEY."""

    code = "unauthorized"


class ForbiddenError(FlexError):
    """The key may not do this."""

    code = "forbidden"


class CrossSiteError(ForbiddenError):
    """A page of another site may not change anything here; add its origin to CORS_ALLOW_ORIGINS."""

    code = "cross_site"


@dataclass(frozen=True, slots=True)
class Caller:
    """The party behind a request: the tenant whose things it sees, its scopes, and the key that it showed."""

    tenant: str
    scopes: frozenset[str]
    key_id: str | None = None
    key_prefix: str | None = None


class Keys(Protocol):
    """The keys that were made for this service."""

    def recognise(self, text: str) -> ApiKey | None:
        """Return the key with this text, whatever its state."""

    def any(self) -> bool:
        """Tell whether one was ever made."""

    def active(self, key_ids: set[str]) -> set[str]:
        """Return those of the keys that may be used now."""


class StoredKeys:
    """Keys in the database."""

    def recognise(self, text: str) -> ApiKey | None:
        with open_unit(tenant=None) as unit:
            return unit.keys.recognise(text)

    def any(self) -> bool:
        with open_unit(tenant=None) as unit:
            return unit.keys.any()

    def active(self, key_ids: set[str]) -> set[str]:
        with open_unit(tenant=None) as unit:
            return unit.keys.active(key_ids)


class NoKeys:
    """A service that has no database has no keys either."""

    def recognise(self, text: str) -> ApiKey | None:  # noqa: ARG002 - the port's signature
        return None

    def any(self) -> bool:
        return False

    def active(self, key_ids: set[str]) -> set[str]:  # noqa: ARG002 - the port's signature
        return set()


def keys_of(settings: Settings) -> Keys:
    """Return the keys that were made for the service with these settings."""
    return NoKeys() if settings.database_url is None else StoredKeys()


def still_holding(keys: Keys, owners: set[str]) -> set[str]:
    """Return those owners of streams who would be let in now; those without a made key always are."""
    made = {owner for owner in owners if owner.startswith(KEY_ID)}
    return (owners - made) | (keys.active(made) if made else set())


class Gate:
    """Tells callers apart by the keys that they show."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._api_key = settings.api_key
        self._may_be_open = settings.api_key is None and settings.server_host in LOOPBACK_HOSTS
        self._keys = keys

    def admit(self, token: str | None) -> Caller:
        """Return who shows this key. Raises `UnauthorizedError` with what is wrong with it."""
        if token is None:
            if self._may_be_open and not self._keys.any():
                return Caller(DEFAULT_TENANT, ALL_SCOPES)
            raise UnauthorizedError
        # A made key keeps its own scopes, also where somebody has put it into FLEX_API_KEY of the server.
        found = self._keys.recognise(token) if prefix_of(token) else None
        if found is None:
            if self._api_key is not None and hmac.compare_digest(token.encode(), self._api_key.encode()):
                return Caller(DEFAULT_TENANT, ALL_SCOPES, SETTINGS_KEY, SETTINGS_KEY)
            if self._may_be_open and not self._keys.any():
                return Caller(DEFAULT_TENANT, ALL_SCOPES)
            raise UnauthorizedError
        g.shown_key = found
        if found.state != "active":
            raise UnauthorizedError(f"This key is {found.state}; ask an admin for a new one.")
        return Caller(found.tenant_id, frozenset(found.scopes), found.key_id, found.prefix)


def init_app(app: Flask, settings: Settings, *, rules: Mapping[str, Rule] = RULES) -> None:
    """Ask every request but the open ones for its key, before anything else looks at it."""
    gate = Gate(settings, keys_of(settings))
    limit = RateLimit(settings)
    app.extensions[GATE] = gate
    app.extensions[LIMIT] = limit

    def count(subject: str) -> None:
        # Whoever asks too often is told so and nothing else happens: rows in the audit would be the next flood.
        g.settled = True
        limit.count(subject)
        g.settled = False

    def identify() -> None:
        rule = rules.get(request.endpoint or "", Rule(ALL_SCOPES))
        if rule.scopes is None:
            return
        try:
            refuse_keys_in_address(request)
            g.caller = None if rule.first_message and token_of(request) is None else gate.admit(token_of(request))
        except UnauthorizedError:
            count(peer())
            raise
        count(subject())
        refuse_other_sites(request, settings.cors_allow_origins)
        if g.caller is not None:
            demand(rule, g.caller)

    app.before_request(identify)


def count_message() -> None:
    """Count a message on an open connection as a request. Raises `TooManyRequestsError`."""
    limit: RateLimit = current_app.extensions[LIMIT]
    limit.count(subject())


def admit(token: str | None) -> Caller:
    """Let in who shows this key otherwise than in a header, for the rest of the request.

    Raises `UnauthorizedError` and `ForbiddenError`.
    """
    gate: Gate = current_app.extensions[GATE]
    g.caller = gate.admit(token)
    demand(RULES[request.endpoint or ""], g.caller)
    return caller()


def demand(rule: Rule, caller: Caller) -> None:
    """Raise `ForbiddenError` unless the caller has one of the scopes that the rule names."""
    if not rule.allows(caller.scopes):
        needed = " or ".join(sorted(rule.scopes or ()))
        raise ForbiddenError(f"This key may not do this: it takes the scope {needed}.")


def token_of(asking: Request) -> str | None:
    """Return the key in the request's header, None when it names none. Raises `UnauthorizedError`."""
    header = asking.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise UnauthorizedError
    return token.strip()


def refuse_keys_in_address(asking: Request) -> None:
    """Raise `UnauthorizedError` for a key in the address, where logs and proxies would keep it."""
    if any(name.lower() in KEYS_IN_ADDRESS for name in asking.args):
        raise UnauthorizedError("A key does not belong into the address; send it as `Authorization: Bearer <key>`.")


def refuse_other_sites(asking: Request, origins: Collection[str]) -> None:
    """Raise `CrossSiteError` for what a page of another site would have a browser change here.

    A POST without a body needs no leave of CORS, and a server that is open to its own machine asks for no key. Browsers
    say to loopback and over HTTPS whose page asks; over plain HTTP to other addresses they do not, and there it takes a
    key, which a page of another site does not have.
    """
    is_foreign = asking.headers.get("Sec-Fetch-Site") == "cross-site"
    if is_foreign and asking.method not in SAFE_METHODS and not is_allowed(asking.headers.get("Origin"), origins):
        raise CrossSiteError


def peer() -> str:
    """Return the address that the request came from. What `X-Forwarded-For` claims is not looked at."""
    return request.remote_addr or "local"


def subject() -> str:
    """Return on whose account the request goes: that of its key, else that of its address."""
    caller: Caller | None = g.get("caller")
    return peer() if caller is None or caller.key_id is None else caller.key_id


def caller() -> Caller:
    """Return who asks. Raises `UnauthorizedError` before the caller has shown a key."""
    found: Caller | None = g.get("caller")
    if found is None:
        raise UnauthorizedError
    return found


def tenant() -> str:
    """Return the tenant of the request being served."""
    return caller().tenant
