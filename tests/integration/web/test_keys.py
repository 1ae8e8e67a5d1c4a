"""The matrix of callers, generated from the route table: who is let in, who is told why not, and who finds nothing.

It fails without `demand` in app/auth.py, without `state` in the look at a key, without the tenant in `Repository.mine`,
and for any route whose rule is loosened to let every key in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app import create_app
from app.auth import Gate, StoredKeys, UnauthorizedError
from app.rules import ANY, OPEN, RULES, Rule, check_complete
from models.catalogue import catalogue
from models.database import engine
from models.repositories.keys import SCOPES, SECONDS_BETWEEN_NOTES_OF_USE, ApiKey
from models.settings import get_settings, load_settings
from models.unit_of_work import open_unit
from planner.contracts.capabilities import check_registration
from planner.envelope import check_envelope
from tests.integration.web.conftest import open_request
from tests.support.envelopes import linkedin_envelope, writer_registration
from tests.support.factories import make_chain
from tests.support.servers import PostgresServer
from tests.support.web import forget_process
from tests.support.work import statements_of, work_of

FLEX = "/api/v1/flex"
NOBODY = "00" * 24
NOTHING = {"run_id": "flex_" + "0" * 32, "request_id": "hitl_" + "0" * 32, "capability_id": "acme.nobody"}
"""Ids that were never given."""


@dataclass(frozen=True)
class Keys:
    """The texts of the keys that this file's callers show."""

    by_scope: Mapping[str, str]
    stranger: str
    revoked: str
    expired: str

    def all_of(self, rule: Rule) -> str:
        return self.by_scope[min(rule.scopes or SCOPES, key=SCOPES.index)]

    def none_of(self, rule: Rule) -> str | None:
        return next((self.by_scope[scope] for scope in SCOPES if not rule.allows(frozenset({scope}))), None)


@pytest.fixture(scope="module")
def connected(postgres: PostgresServer) -> Iterator[None]:
    """One database for this file, and no Redis."""
    name = f"flex_test_{uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres.create(name))
        patch.delenv("REDIS_URL", raising=False)
        forget_process()
        yield
    forget_process()
    postgres.drop(name)


@pytest.fixture(scope="module")
def app(connected: None) -> Iterator[Flask]:
    built = create_app()
    yield built
    built.extensions["flex"].hub.stop()
    built.extensions["flex"].hub.join(5)


@pytest.fixture(scope="module")
def keys(connected: None) -> Keys:
    by_scope = {scope: make(scope)[1] for scope in SCOPES}
    revoked, revoked_text = make(*SCOPES)
    with open_unit() as unit:
        unit.keys.revoke(revoked.prefix)
    _, expired = make(*SCOPES, days=1e-9)
    _, stranger = make(*SCOPES, tenant="stranger")
    return Keys(by_scope, stranger, revoked_text, expired)


@pytest.fixture(scope="module")
def things(connected: None) -> dict[str, str]:
    """Ids of things that belong to the tenant `default`, by the name that routes give them."""
    with open_unit() as unit:
        run = unit.runs.create(envelope=check_envelope(linkedin_envelope(), catalogue()), correlation_id="c-1")
        unit.plans.add(run, make_chain("a"), intake={})
        own = unit.capabilities.register(check_registration(writer_registration(), catalogue()))
    return {
        "run_id": run.run_id,
        "version": "1",
        "capability_id": own.capability_id,
        "request_id": open_request(run.run_id),
    }


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def make(*scopes: str, tenant: str = "default", days: float | None = None) -> tuple[ApiKey, str]:
    with open_unit(tenant) as unit:
        return unit.keys.create(label="for a test", scopes=scopes, days=days)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def bodies(things: Mapping[str, str]) -> dict[str, Any]:
    """Return, by endpoint, a body that names a thing of the tenant `default`."""
    answer = {"requestId": things["request_id"], "responses": [{"approved": True}]}
    return {"hitl.resume_hitl": answer, "hitl.resolve_hitl": answer}


NAMES_NOTHING = {
    "runs.stream_run",
    "runs.create_run",
    "runs.list_runs",
    "plan.preview_plan",
    "hitl.list_pending_requests",
    "capabilities.register_capability",
    "capabilities.list_capabilities",
    "facets.list_facets",
    "conditions.validate_condition",
    "audit.list_audit",
    "docs.read_open_api",
    "docs.read_docs",
    "metrics.metrics",
    "health.database_health",
    "health.model_health",
    "events.follow_events",
    "events.ask_for_handshake",
}
"""Guarded routes that name no thing which another tenant could own, neither in their address nor in their body."""

OPEN_TO_ALL = {"health.live", "health.ready", "health.overview", "health.old_health", "health.older_health"}

GUARDED = sorted(endpoint for endpoint, rule in RULES.items() if rule != OPEN)
FOREIGN = sorted(set(GUARDED) - NAMES_NOTHING)


def calls(app: Flask, endpoint: str, things: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield method and path of every way to call a route; fails for an argument that this file does not know."""
    for route in app.url_map.iter_rules(endpoint):
        for method in sorted((route.methods or set()) - {"OPTIONS"}):
            _, path = route.build({name: things[name] for name in route.arguments})  # type: ignore[misc]
            yield method, path


def ask(client: FlaskClient, method: str, path: str, token: str | None, **more: Any) -> Any:
    headers = {"Accept": "application/json", **(bearer(token) if token else {})}
    if more.get("handshake"):
        headers |= {"Connection": "Upgrade", "Upgrade": "websocket"}
    body = {"json": more["json"]} if more.get("json") is not None and method in {"POST", "PUT", "PATCH"} else {}
    return client.open(path, method=method, headers=headers, query_string=more.get("query"), **body)


@pytest.mark.parametrize("endpoint", GUARDED)
def test_a_guarded_route_lets_nobody_in_without_a_key_that_holds(
    app: Flask, client: FlaskClient, keys: Keys, things: dict[str, str], endpoint: str
) -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzY29wZXMiOlsiYWRtaW4iXX0."
    prefix = keys.by_scope["admin"].split("_")[1]
    wrong = [keys.revoked, keys.expired, "nonsense", unsigned, f"flex_{prefix}_{NOBODY}", f"flex_{NOBODY}_{NOBODY}"]
    tokens = wrong if RULES[endpoint].first_message else [None, *wrong]
    shake = {"handshake": RULES[endpoint].first_message}
    for method, path in calls(app, endpoint, things):
        for token in tokens:
            reply = ask(client, method, path, token, **shake)
            assert reply.status_code == 401, (method, path, token)
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        # And a key in the address does not count, and is refused beside a right one
        for name in ("api_key", "token", "access_token", "key"):
            in_address = ask(client, method, path, None, query={name: keys.all_of(RULES[endpoint])}, **shake)
            beside = ask(client, method, path, keys.all_of(RULES[endpoint]), query={name: "x"}, **shake)
            assert (in_address.status_code, beside.status_code) == (401, 401), (method, path, name)


@pytest.mark.parametrize("endpoint", GUARDED)
def test_a_key_without_the_scope_is_told_so(
    app: Flask, client: FlaskClient, keys: Keys, things: dict[str, str], endpoint: str
) -> None:
    token = keys.none_of(RULES[endpoint])
    assert (token is None) == (RULES[endpoint] == ANY)
    for method, path in calls(app, endpoint, things) if token else ():
        reply = ask(client, method, path, token, handshake=RULES[endpoint].first_message)
        assert reply.status_code == 403, (method, path)
        if method != "HEAD":
            assert reply.get_json()["code"] == "forbidden"
            assert "scope" in reply.get_json()["detail"]


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_another_tenants_thing_is_not_found(
    app: Flask, client: FlaskClient, keys: Keys, things: dict[str, str], endpoint: str
) -> None:
    body = bodies(things).get(endpoint)
    for method, path in calls(app, endpoint, things):
        reply = ask(client, method, path, keys.stranger, json=body)
        assert reply.status_code == 404, (method, path, reply.get_data(as_text=True))
        # And it is there, for those whose it is
        if method in {"GET", "HEAD"}:
            assert ask(client, method, path, keys.all_of(RULES[endpoint])).status_code == 200, (method, path)


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_another_tenants_thing_takes_the_same_work_as_one_that_never_was(
    app: Flask, client: FlaskClient, keys: Keys, things: dict[str, str], endpoint: str
) -> None:
    """Seen to fail for plans where `RunRepository.get` finds runs of everyone: 404 comes all the same, but later."""
    nothing = {name: NOTHING.get(name, there) for name, there in things.items()}

    def look(at: dict[str, str]) -> None:
        for method, path in calls(app, endpoint, at):
            assert ask(client, method, path, keys.stranger, json=bodies(at).get(endpoint)).status_code == 404

    look(nothing)
    foreign, unknown = work_of(lambda: look(things)), work_of(lambda: look(nothing))
    assert sum(statements_of(unknown).values()) >= 2
    assert foreign == unknown


def test_no_wrong_key_tells_by_its_work_what_is_wrong_with_it(app: Flask, client: FlaskClient, keys: Keys) -> None:
    """Seen to fail when `recognise` returns before it compares where there is no such prefix."""
    prefix = keys.by_scope["admin"].split("_")[1]
    wrong = {"id": f"flex_{NOBODY[:10]}_{NOBODY}", "secret": f"flex_{prefix}_{NOBODY}"}
    held = {"revoked": keys.revoked, "expired": keys.expired}

    def refused(token: str) -> Counter[str]:
        return work_of(lambda: client.get(f"{FLEX}/runs", headers=bearer(token)))

    refused(wrong["id"])
    assert refused(wrong["id"]) == refused(wrong["secret"])
    assert refused(held["revoked"]) == refused(held["expired"])

    # And where the server has a key of its own, one that held once takes the same statements as one that never was
    gate = Gate(replace(get_settings(), api_key="a-long-enough-key"), StoredKeys())

    def statements(token: str) -> Counter[str]:
        def admit() -> None:
            with app.app_context(), pytest.raises(UnauthorizedError):
                gate.admit(token)

        return statements_of(work_of(admit))

    told = [statements(token) for token in (*wrong.values(), *held.values())]
    assert told == [told[0]] * 4


@pytest.mark.parametrize("endpoint", FOREIGN)
def test_every_route_that_is_held_against_strangers_names_something(
    app: Flask, things: dict[str, str], endpoint: str
) -> None:
    routes = list(app.url_map.iter_rules(endpoint))
    assert all(route.arguments for route in routes) or endpoint in bodies(things)


@pytest.mark.parametrize("endpoint", sorted(NAMES_NOTHING))
def test_no_route_with_an_id_is_left_out(app: Flask, endpoint: str) -> None:
    assert all(not route.arguments for route in app.url_map.iter_rules(endpoint))


@pytest.mark.parametrize("endpoint", sorted(set(RULES) - set(GUARDED)))
def test_an_open_route_asks_for_no_key(
    app: Flask, client: FlaskClient, keys: Keys, things: dict[str, str], endpoint: str
) -> None:
    for method, path in calls(app, endpoint, things):
        assert ask(client, method, path, None).status_code not in {401, 403}


@pytest.mark.parametrize("endpoint", GUARDED)
def test_the_right_scope_opens_each_route(
    app: Flask, client: FlaskClient, keys: Keys, things: dict[str, str], endpoint: str
) -> None:
    reached = set()
    for method, path in calls(app, endpoint, things):
        if RULES[endpoint].mutation or RULES[endpoint].first_message or method == "HEAD":
            continue
        reached.add(ask(client, method, path, keys.all_of(RULES[endpoint])).status_code)
    assert not reached & {401, 403}


def test_what_strangers_do_stays_with_them(client: FlaskClient, keys: Keys, things: dict[str, str]) -> None:
    made = client.post(f"{FLEX}/runs", json=linkedin_envelope(), headers=bearer(keys.stranger))
    assert made.status_code == 202
    theirs = client.get(f"{FLEX}/runs", headers=bearer(keys.stranger)).get_json()["data"]
    ours = client.get(f"{FLEX}/runs", headers=bearer(keys.by_scope["run"])).get_json()["data"]
    assert [run["runId"] for run in theirs] == [made.get_json()["runId"]]
    assert made.get_json()["runId"] not in {run["runId"] for run in ours}
    pending = client.get("/api/hitl/pending", headers=bearer(keys.stranger)).get_json()
    assert pending["data"] == []
    registered = client.get(f"{FLEX}/capabilities", headers=bearer(keys.stranger)).get_json()["data"]
    assert things["capability_id"] not in {record["capabilityId"] for record in registered}


def test_a_route_without_a_rule_stops_the_app(connected: None) -> None:
    built = create_app(load_settings({}))
    check_complete(built)
    built.add_url_rule("/new", "new", lambda: "")
    with pytest.raises(LookupError, match="new"):
        check_complete(built)


def test_an_unknown_address_tells_strangers_nothing(client: FlaskClient, keys: Keys) -> None:
    assert client.get("/nowhere").status_code == 401
    assert client.get("/nowhere", headers=bearer(keys.by_scope["agent"])).status_code == 404


def test_a_key_is_kept_as_a_hash_and_its_use_is_noted_rarely(client: FlaskClient) -> None:
    key, token = make("run")
    assert token == f"flex_{key.prefix}_{token.rpartition('_')[2]}"
    assert len(bytes.fromhex(token.rpartition("_")[2])) * 8 >= 128
    with engine().connect() as connection:
        rows = connection.execute(text("SELECT * FROM flex_api_keys")).all()
    assert not [row for row in rows if token.rpartition("_")[2] in str(row)]

    def used() -> Any:
        with open_unit() as unit:
            return next(one.last_used_at for one in unit.keys.list() if one.key_id == key.key_id)

    assert used() is None
    client.get(f"{FLEX}/runs", headers=bearer(token))
    first = used()
    client.get(f"{FLEX}/runs", headers=bearer(token))
    assert first is not None
    assert used() == first
    # Only when the note is old is it written again
    with engine().begin() as connection:
        connection.execute(
            text("UPDATE flex_api_keys SET last_used_at = last_used_at - make_interval(secs => :s)"),
            {"s": SECONDS_BETWEEN_NOTES_OF_USE + 1},
        )
    client.get(f"{FLEX}/runs", headers=bearer(token))
    assert used() >= first


def test_the_table_itself_is_strict(app: Flask) -> None:
    # What only reads, whatever its method says
    reading_posts = {"plan.preview_plan", "conditions.validate_condition"}
    for route in app.url_map.iter_rules():
        rule = RULES[route.endpoint]
        changes = bool((route.methods or set()) - {"GET", "HEAD", "OPTIONS"}) and route.endpoint not in reading_posts
        assert rule.mutation == changes, route.endpoint
        # What changes something takes one scope, and nothing else than health is open
        assert not changes or len(rule.scopes or ()) == 1, route.endpoint
        assert (rule.scopes is None) == (route.endpoint in OPEN_TO_ALL), route.endpoint
