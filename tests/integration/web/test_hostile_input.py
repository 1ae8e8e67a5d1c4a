"""Hostile documents and requests: each is refused with a problem, quickly, and nothing is stored or fetched.

Seen to fail without their countermeasures: the slow patterns without `timeout=PATTERN_SECONDS` (schema_keywords.py),
the older version without `_refuse_rollback` (repositories/capabilities.py), the ids without the replaced NUL
(app/mutation.py), the body that drips in without the time limit (app/body.py). Others say it in their own words.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from typing import Any

import psutil
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app import create_app
from app.stream.turnstile import OPENED_AT_ONCE
from models.database import engine
from models.settings import get_settings
from models.unit_of_work import open_unit
from planner.contracts.builtins import builtin_registrations
from tests.integration.web.conftest import open_request
from tests.support.envelopes import freeform_envelope, linkedin_envelope, writer_registration
from tests.support.json_strategies import values
from tests.support.web import WebServer

FLEX = "/api/v1/flex"
JSON = "application/json"
TABLES = ("flex_runs", "flex_events", "flex_capabilities", "flex_idempotency_keys", "hitl_responses")
CAP_SECONDS = 1.5
"""A refusal takes less than a tenth of it; the rest is for a machine that is busy with other things."""


@pytest.fixture
def client(web_app: Flask) -> FlaskClient:
    return web_app.test_client()


@pytest.fixture
def server(connected: dict[str, str]) -> Iterator[WebServer]:
    running = WebServer(connected)
    yield running
    running.stop()


@pytest.fixture
def stored(connected: dict[str, str]) -> Callable[[], dict[str, int]]:
    def count() -> dict[str, int]:
        with engine().connect() as connection:
            return {
                name: connection.execute(text(f"SELECT count(*) FROM {name} WHERE tenant_id <> '*'")).scalar_one()
                for name in TABLES
            }

    return count


def posts(app: Flask) -> list[str]:
    """Return the paths of all operations that take a body."""
    arguments = {"run_id": "flex_1", "capability_id": "acme.writer"}
    routes = [rule for rule in app.url_map.iter_rules() if (rule.methods or set()) & {"POST", "PUT", "PATCH"}]
    return sorted(route.build({name: arguments[name] for name in route.arguments})[1] for route in routes)  # type: ignore[index]


def assert_problem(reply: Any, *statuses: int) -> dict[str, Any]:
    body = json.loads(reply.get_data(as_text=True))
    assert reply.status_code in statuses, (reply.status_code, body)
    assert reply.content_type == "application/problem+json"
    assert body["type"].startswith("urn:flex:problem:")
    assert body["correlationId"]
    assert "Traceback" not in json.dumps(body)
    return dict(body)


# B01, B02, B03: what is no strict JSON

GOOD = json.dumps(linkedin_envelope())
UNREADABLE: dict[str, bytes] = {
    "truncated": GOOD[:-1].encode(),
    "empty": b"",
    "only spaces": b"  \n",
    "two documents": (GOOD + GOOD).encode(),
    "byte order mark": b"\xef\xbb\xbf" + GOOD.encode(),
    "UTF-16": GOOD.encode("utf-16"),
    "UTF-32": GOOD.encode("utf-32"),
    "bad UTF-8": GOOD.replace("LinkedIn", "Linked\x80In").encode("latin-1"),
    "overlong UTF-8": b'{"objective": "\xc0\xaf"}',
    "NaN": b'{"objective": NaN}',
    "Infinity": b'{"inputs": {"a": -Infinity}}',
    "beyond all numbers": b'{"inputs": {"a": 1e999}}',
    "key twice": b'{"objective": "a", "objective": "b"}',
    "key twice, deep inside": b'{"inputs": {"a": [{"b": 1, "b": 2}]}}',
    "5 000 digits": b'{"inputs": {"a": ' + b"9" * 5000 + b"}}",
    "NUL": b'{"objective": "a\\u0000b"}',
    "lone surrogate": b'{"objective": "\\ud800"}',
    "nesting of 65": b'{"inputs": ' + b"[" * 64 + b"]" * 64 + b"}",
    "nesting of 20 000": b"[" * 20_000 + b"]" * 20_000,
    "comment": b'{"objective": "a" /* note */}',
    "Python": b"{'objective': None}",
    "single quote bomb": b'"' * 10_001,
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_strict_json_is_refused_everywhere(
    web_app: Flask, client: FlaskClient, stored: Callable[[], Any], name: str
) -> None:
    """Seen to fail, in policies/strict_json.py, with each of these taken out: the look at byte order marks, UTF-8
    as the only code, `parse_constant`, the look at infinity in `_read_float`, the count of digits, the look for doubled
    keys, and `_UNSTORABLE`. Most are then read as what they are not (422); 5 000 digits end in 500.
    """
    before = stored()
    for path in posts(web_app):
        method = client.patch if path.endswith("acme.writer") else client.post
        reply = method(path, data=UNREADABLE[name], content_type=JSON)
        # A body that may be left out is left out when it is empty, and then the thing named is not there
        assert_problem(reply, *((404,) if name == "empty" and reply.status_code == 404 else (400,)))
    assert stored() == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/x-yaml", "", "json"]
)
def test_other_kinds_of_body_are_refused(client: FlaskClient, stored: Callable[[], Any], kind: str) -> None:
    """Seen to fail with the look at the media type taken out of `read_json`: it is stored as a run (202)."""
    for path in ("/runs", "/run.stream", "/plan", "/capabilities/register", "/hitl/resolve", "/runs/flex_1/cancel"):
        assert_problem(client.post(FLEX + path, data=GOOD, headers={"Content-Type": kind}), 415)
    assert not any(stored().values())


def test_a_body_over_the_limit_is_refused(client: FlaskClient, stored: Callable[[], Any]) -> None:
    """Seen to fail with both looks at the size taken out of `_content` (app/body.py): the run is stored (202)."""
    large = json.dumps(linkedin_envelope(specialInstructions=["x" * 1_048_577]))
    for path in ("/runs", "/run.stream", "/plan", "/capabilities/register"):
        assert_problem(client.post(FLEX + path, data=large, content_type=JSON), 413)
    assert not any(stored().values())


def raw(server: WebServer, *parts: bytes, pause: float = 0.0, timeout: float = 30.0) -> bytes:
    """Send bytes as they are; return all that comes back until the server closes or says no more."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=timeout)) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        connection.settimeout(timeout)
        received = b""
        try:
            while part := connection.recv(65536):
                received += part
                head, found, body = received.partition(b"\r\n\r\n")
                if found and b"content-length: %d\r\n" % len(body) in head.lower() + b"\r\n":
                    break
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def status_of(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply else 0


def head(path: str, *lines: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *lines, "", ""]).encode("latin-1")


def test_a_body_that_drips_in_is_given_up(server: WebServer) -> None:
    # Given a body of a hundred bytes of which ten come
    reply = raw(server, head(f"{FLEX}/runs", f"Content-Type: {JSON}", "Content-Length: 100") + b'{"objectiv')
    # Then the server says that it waited long enough
    assert status_of(reply) == 408
    assert b'"request_timeout"' in reply


def test_bodies_that_drip_in_keep_no_stream_from_being_opened(server: WebServer, new_run: str) -> None:
    """Seen to fail with a turn taken before the body is read: the stream is refused after half a minute."""
    # Given more clients than may open streams at once, who have begun to send envelopes and go no further
    begun = head(f"{FLEX}/run.stream", f"Content-Type: {JSON}", "Content-Length: 1000000") + b"{"
    with ExitStack() as stack:
        for _ in range(OPENED_AT_ONCE + 4):
            dripping = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            stack.enter_context(closing(dripping)).sendall(begun)
        # When another one asks for a stream
        listener = stack.enter_context(closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)))
        listener.sendall(head(f"{FLEX}/runs/{new_run}/events", method="GET"))
        # Then it is told the first frame
        reply = b""
        while b"event: start" not in reply:
            more = listener.recv(65536)
            assert more, reply
            reply += more


def test_chunks_without_an_end_are_cut_at_the_limit(server: WebServer) -> None:
    """Seen to fail with either look at the size taken out of `_content`: the part that was read is no JSON (400)."""
    start = head(f"{FLEX}/runs", f"Content-Type: {JSON}", "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    reply = raw(server, start + chunk * 17)
    assert status_of(reply) == 413


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_who_sends_far_more_than_may_be_reads_why_it_was_refused(server: WebServer, framing: str) -> None:
    """Seen to fail without `take_in` (app/unread.py): the connection breaks while the client sends."""

    # Given a client that sends twenty megabytes before it looks for an answer, over a line that takes three seconds
    def pieces() -> Iterator[bytes]:
        for _ in range(200):
            time.sleep(0.015)
            yield b" " * 100_000

    size = {"Content-Length": "20000000"} if framing == "length" else {}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        given = {"Content-Type": JSON, **size}
        connection.request("POST", f"{FLEX}/runs", pieces(), given, encode_chunked=framing == "chunks")
        # Then it reads what was wrong
        reply = connection.getresponse()
        assert (reply.status, reply.headers["Content-Type"]) == (413, "application/problem+json")
        assert json.loads(reply.read())["code"] == "payload_too_large"
        # And may go on with the same connection
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("path", [f"{FLEX}/runs", "/healthz", "/nowhere"])
def test_who_never_stops_sending_keeps_nobody_waiting_and_is_cut_off(server: WebServer, path: str) -> None:
    """Seen to fail without `take_in` (app/unread.py): nobody is answered until the server is killed for it."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=30)) as endless:
        endless.sendall(head(path, f"Content-Type: {JSON}", "Content-Length: 1000000000000"))
        cut = threading.Event()

        def send() -> None:
            with suppress(OSError):
                while True:
                    endless.sendall(b" " * 1_000_000)
            cut.set()

        threading.Thread(target=send, daemon=True).start()
        while not cut.wait(0.05):
            with closing(HTTPConnection("127.0.0.1", server.port, timeout=CAP_SECONDS)) as other:
                other.request("GET", "/healthz")
                assert other.getresponse().status == 200


@pytest.mark.parametrize(
    "body", [b"ZZ\r\n{}\r\n0\r\n\r\n", b"-2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n"], ids=["size", "minus", "end"]
)
def test_chunks_that_are_none_are_the_clients_fault(server: WebServer, body: bytes) -> None:
    """Seen to fail with `_content` letting the server's error through: 500, as for a fault of ours."""
    reply = raw(server, head(f"{FLEX}/runs", f"Content-Type: {JSON}", "Transfer-Encoding: chunked") + body)
    assert status_of(reply) == 400
    assert b'"broken_body"' in reply
    assert "request_failed" not in server.log


# B04: an envelope's parts; the table of malformed envelopes stands in test_refusals.py


# B05: a thousand envelopes, right ones and mutated ones

PATHS = st.lists(st.integers(0, 30), min_size=1, max_size=5)


def mutated(seed: int, replacement: Any) -> Any:
    """Return a valid envelope with something put in, taken out or replaced at a random place."""
    chance = random.Random(seed)
    envelope = chance.choice([linkedin_envelope, freeform_envelope])()
    if seed % 10 == 0:
        return envelope
    place: Any = envelope
    while isinstance(place, dict | list) and place:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if chance.random() < 0.4 or not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    match chance.randrange(3):
        case 0:
            place[key] = replacement
        case 1 if isinstance(place, dict):
            del place[key]
        case _ if isinstance(place, dict):
            place[chance.choice(["extra", "tenant_id", "$ref", "", "objective"])] = replacement
        case _:
            place.append(replacement)
    return envelope


@settings(max_examples=1000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 10**9), values)
def test_no_envelope_breaks_the_server(client: FlaskClient, seed: int, replacement: Any) -> None:
    """Seen to fail with `isinstance(raw, dict)` taken out of `ObjectReader.of`: 500 for a text as an object."""
    envelope = mutated(seed, replacement)
    reply = client.post(f"{FLEX}/plan", data=json.dumps(envelope), content_type=JSON)
    assert reply.status_code in {200, 400, 422}, reply.get_data(as_text=True)
    if reply.status_code != 200:
        assert_problem(reply, 400, 422)


def test_valid_envelopes_come_back_as_they_were(client: FlaskClient) -> None:
    for envelope in (linkedin_envelope(), freeform_envelope()):
        run_id = client.post(f"{FLEX}/runs", json=envelope).get_json()["runId"]
        assert client.get(f"{FLEX}/runs/{run_id}").get_json()["run"]["envelope"] == envelope


# B06: patterns that take for ever

PATTERNS = [
    "^(a+)+$",
    "^(a*)*$",
    "^(a|aa)+$",
    "^(a|a?)+$",
    "^([a-zA-Z]+)*$",
    "^(.*a){20}$",
    "(x+x+)+y",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    "^(\\w+\\s?)*$",
    "(a?){30}a{30}",
    "^((ab)*)+$",
    "^(a+){2,}$",
    "(.*)*=.*",
    "^(\\d+)*-$",
    "^([^,]*,)*$",
    "^(a{1,50}){1,50}$",
    "^(?:(?:a+)+b)*$",
    "(\\s*\\S+\\s*)*;",
    "^(a|b|ab)*c$",
    "^(?=(a+)+$)b",
]
EVIL = "a" * 5000 + "!"
HOLDS = "(a?){30}a{30}"
"""The one pattern that the text does hold; of each other one it is known not to, or not known in time."""


def contract(schema: Any) -> dict[str, Any]:
    return freeform_envelope(outputContract={"mode": "json_schema", "schema": schema})


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("keyword", ["pattern", "patternProperties"])
def test_a_slow_pattern_costs_its_own_caller_a_moment(
    client: FlaskClient, new_run: str, keyword: str, pattern: str
) -> None:
    # Given a person's answer that is checked against the pattern
    value: dict[str, Any] = {"type": "string", "pattern": pattern}
    schema = {"type": "object", "properties": {"text": value}}
    answer: Any = {"text": EVIL}
    if keyword == "patternProperties":
        schema = {"type": "object", "patternProperties": {pattern: {"type": "integer"}}}
        answer = {EVIL: "x"}
    request_id = open_request(new_run, schema)
    registration = writer_registration(outputContract={"mode": "json_schema", "schema": schema})
    begun = time.monotonic()
    # When the contract is sent, a registration with it, and the answer
    planned = client.post(f"{FLEX}/plan", json=contract(schema))
    registered = client.post(f"{FLEX}/capabilities/register", json=registration)
    resolved = client.post(
        f"{FLEX}/hitl/resolve", json={"requestId": request_id, "responses": [{"approved": True, "output": answer}]}
    )
    # Then all are answered at once; a schema is no wrong one for being slow, and what is not proved to fit is refused
    assert time.monotonic() - begun < CAP_SECONDS
    assert (planned.status_code, registered.status_code) == (200, 200)
    if keyword == "pattern" and pattern != HOLDS:
        assert_problem(resolved, 422)
        assert resolved.get_json()["errors"][0]["pointer"] == "/responses/0/output/text"
    elif resolved.status_code != 200:
        # A name that cannot be matched in time leaves open whether its value has to fit
        assert_problem(resolved, 422)


# B07: schemas that explode


def doubled(depth: int) -> Any:
    definitions = {"d0": {"type": "string"}}
    for level in range(1, depth):
        definitions[f"d{level}"] = {"allOf": [{"$ref": f"#/$defs/d{level - 1}"}] * 2}
    return {"type": "object", "$defs": definitions, "properties": {"a": {"$ref": f"#/$defs/d{depth - 1}"}}}


def nested(depth: int) -> bytes:
    inner = b'{"type":"object","properties":{"a":' * depth + b"{}" + b"}}" * depth
    return b'{"objective":"x","outputContract":{"mode":"json_schema","schema":' + inner + b"}}"


BOMBS: dict[str, tuple[bytes, tuple[int, ...]]] = {
    "allOf doubling": (json.dumps(contract(doubled(40))).encode(), (422,)),
    "depth of 3 000": (nested(3000), (400,)),
    "reference to itself": (json.dumps(contract({"$ref": "#"})).encode(), (422,)),
    "references in a ring": (
        json.dumps(
            contract({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})
        ).encode(),
        (422,),
    ),
    "enum of a million": (json.dumps(contract({"enum": list(range(1_000_000))})).encode(), (413,)),
    "enum of a hundred thousand": (
        json.dumps(contract({"type": "object", "enum": list(range(100_000))})).encode(),
        (422,),
    ),
    "a hundred thousand values in one place": (
        json.dumps(contract({"type": "object", "default": [0] * 100_000})).encode(),
        (422,),
    ),
    "ten megabytes": (json.dumps(contract({"type": "object", "title": "x" * 10_000_000})).encode(), (413,)),
    "wide": (
        json.dumps(contract({"anyOf": [{"anyOf": [{"anyOf": [{}] * 30}] * 30}] * 30})).encode(),
        (422,),
    ),
}


def test_no_schema_takes_the_server_down_or_makes_it_fat(server: WebServer) -> None:
    """Seen to fail, in schema_lint.py, without MAX_COST (the doubling never answers), without `_find_loop` (a schema
    that is itself is planned with), and without MAX_VALUES (a hundred thousand values are planned with).
    """
    # Given the memory of a server that has answered before
    workers = psutil.Process(server.process.pid).children(recursive=True)
    raw(server, head("/healthz", method="GET"))
    small = json.dumps(linkedin_envelope()).encode()
    raw(server, head(f"{FLEX}/plan", f"Content-Type: {JSON}", f"Content-Length: {len(small)}") + small)
    before = sum(worker.memory_info().rss for worker in workers)
    for name, (body, statuses) in BOMBS.items():
        start = head(f"{FLEX}/plan", f"Content-Type: {JSON}", f"Content-Length: {len(body)}")
        begun = time.monotonic()
        try:
            reply = raw(server, start + body)
        except (BrokenPipeError, ConnectionResetError):
            # The server has closed while most of a body over the limit was still on its way.
            assert 413 in statuses, name
            continue
        assert status_of(reply) in statuses or (not reply and 413 in statuses), (name, reply[:600])
        assert time.monotonic() - begun < CAP_SECONDS, name
    # Then it still serves, and has not grown by much
    assert status_of(raw(server, head("/healthz", method="GET"))) == 200
    assert sum(worker.memory_info().rss for worker in workers) - before < 50_000_000


def test_a_list_of_a_hundred_thousand_is_checked_for_doubles_quickly(client: FlaskClient, new_run: str) -> None:
    """Seen to fail with `uniqueItems` left to the library: it compares each with each, for minutes."""
    items = {"type": "array", "uniqueItems": True}
    request_id = open_request(new_run, {"type": "object", "properties": {"list": items}})
    # A text among numbers keeps them from being sorted, which is the quick way of the library.
    output = {"list": ["x", *range(100_000), 0]}
    begun = time.monotonic()
    answer = {"requestId": request_id, "responses": [{"approved": True, "output": output}]}
    reply = client.post(f"{FLEX}/hitl/resolve", json=answer)
    assert_problem(reply, 422)
    assert time.monotonic() - begun < CAP_SECONDS


# B08: addresses inside schemas


class Trap:
    """A listener on loopback that counts who calls."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.hits = 0
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def _count(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            connection.close()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def trap() -> Iterator[Trap]:
    listener = Trap()
    yield listener
    listener.close()


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef", "$schema", "$id", "$id at the root"])
@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{}/s",
        "http://localhost:{}/s#/a",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "//x/y",
    ],
)
def test_no_address_in_a_schema_is_ever_fetched(
    client: FlaskClient, new_run: str, trap: Trap, keyword: str, address: str
) -> None:
    """Seen to fail with `_follow` left out of the lint: the contract is planned with (200)."""
    schema = {"type": "object", "properties": {"a": {keyword: address.format(trap.port)}}}
    if keyword == "$schema":
        schema = {"$schema": address.format(trap.port), "type": "object"}
    elif keyword == "$id at the root":
        member = {"$ref": "#/$defs/a"}
        schema = {"$id": address.format(trap.port), "type": "object", "properties": {"a": member}, "$defs": {"a": {}}}
    registration = writer_registration(outputContract={"mode": "json_schema", "schema": schema})
    planned = client.post(f"{FLEX}/plan", json=contract(schema))
    registered = client.post(f"{FLEX}/capabilities/register", json=registration)
    # A `$id` at the root is kept as a name; every other address is refused at its place
    if keyword == "$id at the root":
        assert (planned.status_code, registered.status_code) == (200, 200)
    else:
        body = assert_problem(planned, 422)
        assert any(error["pointer"].endswith(keyword) for error in body["errors"]), body["errors"]
        assert_problem(registered, 422)
    # Also when a value is checked against it
    request_id = open_request(new_run, schema)
    client.post(
        f"{FLEX}/hitl/resolve",
        json={"requestId": request_id, "responses": [{"approved": True, "output": {"a": {"b": 1}}}]},
    )
    assert trap.hits == 0


# B14: registrations that pretend

LOOKALIKES = (
    "\N{CYRILLIC SMALL LETTER A}cme.writer",
    "acme.wr\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}ter",
    "\N{FULLWIDTH LATIN SMALL LETTER A}cme.writer",
    "acme\N{FULLWIDTH FULL STOP}writer",
    "acme.writer\N{ZERO WIDTH SPACE}",
    " acme.writer",
)
BUILTINS = [str(body["capabilityId"]) for body in builtin_registrations()]


def test_no_registration_shadows_another(client: FlaskClient) -> None:
    with open_unit("stranger") as unit:
        _, stranger = unit.keys.create(label="s", scopes=("agent",))
    with open_unit() as unit:
        _, token = unit.keys.create(label="s", scopes=("agent",))
    ours, theirs = ({"Authorization": f"Bearer {one}"} for one in (token, stranger))
    mine = writer_registration(version="2.0.0")
    assert client.post(f"{FLEX}/capabilities/register", json=mine, headers=ours).status_code == 200
    # Another tenant's capability of the same name is another one
    other = writer_registration(version="9.9.9", summary="Does something else entirely.")
    assert client.post(f"{FLEX}/capabilities/register", json=other, headers=theirs).status_code == 200
    seen = client.get(f"{FLEX}/capabilities/{mine['capabilityId']}", headers=ours).get_json()
    assert (seen["version"], seen["summary"]) == ("2.0.0", mine["summary"])
    # Names that only look like another are no names
    for name in LOOKALIKES:
        reply = client.post(f"{FLEX}/capabilities/register", json={**mine, "capabilityId": name}, headers=ours)
        assert [e["pointer"] for e in assert_problem(reply, 422)["errors"]] == ["/capabilityId"]
    # An older version does not take the place of a newer one that is active
    for version in ("1.9.9", "v1", "2.0.0-rc1", "0"):
        older = client.post(f"{FLEX}/capabilities/register", json={**mine, "version": version}, headers=ours)
        if version == "2.0.0-rc1":
            assert older.status_code == 200
        else:
            assert assert_problem(older, 409)["code"] == "version_rollback"
    for version in ("2.0", "2.0.1", "10.0.0", "next"):
        newer = client.post(f"{FLEX}/capabilities/register", json={**mine, "version": version}, headers=ours)
        assert newer.status_code == 200
    # Unless that was taken out of service
    client.delete(f"{FLEX}/capabilities/{mine['capabilityId']}", headers=ours)
    again = client.post(f"{FLEX}/capabilities/register", json={**mine, "version": "1.0.0"}, headers=ours)
    assert again.status_code == 200


def test_no_registration_is_spelt_almost_like_a_built_in_one(client: FlaskClient) -> None:
    """Seen to fail with `builtin_spellings` giving nothing: a name in other letters is registered (200)."""
    # Given the name of every built-in capability, in other letters
    for builtin in BUILTINS:
        for name in {builtin.lower(), builtin.upper(), builtin.swapcase()} - {builtin}:
            # When somebody registers under it
            reply = client.post(f"{FLEX}/capabilities/register", json=writer_registration(capabilityId=name))
            # Then it is refused at its place, and the refusal names whose it resembles
            (error,) = assert_problem(reply, 422)["errors"]
            assert error["pointer"] == "/capabilityId"
            assert builtin in error["message"]
    # And a name that only begins like one is a name of its own
    longer = writer_registration(capabilityId=f"{BUILTINS[0].lower()}.ours")
    assert client.post(f"{FLEX}/capabilities/register", json=longer).status_code == 200


# B21: members that nobody may set

ASSIGNED = {
    "tenant_id": "other",
    "tenantId": "other",
    "status": "completed",
    "cost": 0,
    "approved_by": "me",
    "epoch": 9,
}


@pytest.mark.parametrize("name", ASSIGNED)
def test_nobody_sets_what_the_server_sets(client: FlaskClient, new_run: str, name: str) -> None:
    """Seen to fail with unknown members let through by `ObjectReader.close`: 202, and the run is stored."""
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/runs", linkedin_envelope()),
        ("/run.stream", linkedin_envelope()),
        ("/plan", linkedin_envelope()),
        ("/capabilities/register", writer_registration()),
        ("/hitl/resolve", {"requestId": "hitl_1", "responses": [{"approved": True}]}),
        (f"/runs/{new_run}/cancel", {}),
        ("/conditions/validate", {"dsl": "true"}),
    ]
    for path, body in bodies:
        if name == "cost" and path == "/capabilities/register":
            continue  # a registration says what it costs
        reply = client.post(FLEX + path, json={**body, name: ASSIGNED[name]})
        assert f"/{name}" in {error["pointer"] for error in assert_problem(reply, 422)["errors"]}, path
    nested_reply = client.post(
        f"{FLEX}/hitl/resolve", json={"requestId": "h", "responses": [{"approved": True, name: ASSIGNED[name]}]}
    )
    assert f"/responses/0/{name}" in {e["pointer"] for e in assert_problem(nested_reply, 422)["errors"]}
    with open_unit() as unit:
        assert unit.runs.get(new_run).status == "pending"


# B23: headers and addresses


def test_headers_that_are_too_large_or_broken_are_refused(server: WebServer) -> None:
    """Seen to fail with gunicorn's limits of headers lifted in app/gunicorn_conf.py: a thousand headers pass (200); and
    with its own `write_error`: what it refuses before the app is asked is told as HTML; and with `take_in` left out of
    ours: the connection is reset while the large header is sent.
    """
    path = f"{FLEX}/facets"
    refused = {
        "a header of 64 KB": (head(path, "X-Large: " + "x" * 65_536, method="GET"), {431}),
        "a header of 20 MB": (head(path, "X-Large: " + "x" * 20_000_000, method="GET"), {431}),
        "many headers": (head(path, *(f"X-{n}: x" for n in range(1000)), method="GET"), {431}),
        "a line of 64 KB": (head(path + "?q=" + "x" * 65_536, method="GET"), {400, 414}),
        "a line break in a header": (head(path, "X-A: b\r\n c: d", method="GET"), {400}),
        "a bare line break": (head(path, "X-A: b\nX-C: d", method="GET"), {400}),
        "NUL in a header": (head(path, "X-A: b\x00c", method="GET"), {400}),
        "a name with a space": (head(path, "X A: b", method="GET"), {400}),
        "two lengths": (head(path, "Content-Length: 5", "Content-Length: 6"), {400}),
        "length and chunks": (head(path, "Content-Length: 5", "Transfer-Encoding: chunked"), {400}),
        "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", {0, 400}),
    }
    for name, (request, statuses) in refused.items():
        reply = raw(server, request, timeout=5)
        assert status_of(reply) in statuses, (name, reply[:200])
        assert b"Traceback" not in reply
        if reply:
            told = json.loads(reply.partition(b"\r\n\r\n")[2])
            assert b"\r\nContent-Type: application/problem+json\r\n" in reply
            assert (told["status"], told["statusCode"]) == (status_of(reply), status_of(reply))
            assert told["type"] == f"urn:flex:problem:{told['code']}"
            assert told["correlationId"]
    assert status_of(raw(server, head("/healthz", method="GET"))) == 200


def test_no_header_that_a_client_sends_comes_back_as_one_of_ours(client: FlaskClient) -> None:
    reply = client.get(f"{FLEX}/facets", headers={"X-Correlation-Id": "a b%0d%0aSet-Cookie: x=1"})
    assert "Set-Cookie" not in reply.headers
    for value in ("a%0d%0aX-Evil: 1", "ä"):
        assert "X-Evil" not in client.get(f"{FLEX}/facets", headers={"Last-Event-ID": value}).headers


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_turns_one_method_into_another(client: FlaskClient, new_run: str, header: str) -> None:
    reply = client.post(f"{FLEX}/capabilities/flex.CopyWriter", headers={header: "DELETE"})
    assert_problem(reply, 405)
    assert client.get(f"{FLEX}/runs/{new_run}?_method=DELETE", headers={header: "DELETE"}).status_code == 200
    assert_problem(client.open(f"{FLEX}/runs", method="TRACE"), 405)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f",
        "%00",
        "flex_1%00",
        "%5c..%5c",
        "a/b",
        "%0d%0a",
        "*",
    ],
)
def test_no_id_leads_elsewhere(client: FlaskClient, name: str) -> None:
    for path in ("/runs/{}", "/runs/{}/events", "/runs/{}/plans/1", "/capabilities/{}"):
        reply = client.get(FLEX + path.format(name), headers={"Accept": JSON})
        assert reply.status_code in {404, 308, 405}, (path, reply.status_code)
    assert client.post(f"{FLEX}/runs/{name}/cancel").status_code in {404, 308, 405}
    assert client.delete(f"{FLEX}/capabilities/{name}").status_code in {404, 405}


# B24: what a page of another site would have a browser do

ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Origin": "https://elsewhere.example"}
CONSOLE = "https://console.example"


@pytest.fixture
def consoles_client(connected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[FlaskClient]:
    """A client of an app that lets the pages of one origin call."""
    monkeypatch.setenv("CORS_ALLOW_ORIGINS", CONSOLE)
    get_settings.cache_clear()
    app = create_app()
    yield app.test_client()
    app.extensions["flex"].hub.stop()
    app.extensions["flex"].hub.join(5)


@pytest.mark.parametrize("key", ["no key", "a key"])
def test_a_page_of_another_site_changes_nothing(client: FlaskClient, web_app: Flask, new_run: str, key: str) -> None:
    """Seen to fail with `refuse_other_sites` taken out of `identify`: the form is refused (415) or the key's scope,
    and a bare POST cancels the run (202).
    """
    headers = dict(ELSEWHERE)
    if key == "a key":
        with open_unit() as unit:
            headers["Authorization"] = f"Bearer {unit.keys.create(label='s', scopes=('operate',))[1]}"
    # Given every route that a browser would send something to, and the forms in which it needs no leave to send it
    changing = [
        (
            method,
            str(rule).replace("<string:", "<").replace("<run_id>", new_run).replace("<capability_id>", "acme.writer"),
        )
        for rule in web_app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    ]
    assert len(changing) > 8
    assert not [path for _, path in changing if "<" in path]
    forms: list[dict[str, Any]] = [{}, {"data": {"a": "b"}}, {"data": "{}", "content_type": "text/plain"}]
    # When a page of another site sends it
    for method, path in changing:
        for form in forms:
            reply = client.open(path, method=method, headers=headers, **form)
            # Then it is refused before anything is read
            assert assert_problem(reply, 403)["code"] == "cross_site", (method, path)
    # And a sandboxed frame, which has no origin to tell, is refused too
    for origin in ({"Origin": "null"}, {}):
        bare = {name: value for name, value in headers.items() if name != "Origin"}
        assert_problem(client.post(f"{FLEX}/runs/{new_run}/cancel", headers={**bare, **origin}), 403)
    with open_unit() as unit:
        assert unit.runs.get(new_run).status == "pending"
    # And it may look
    assert client.get(f"{FLEX}/runs/{new_run}", headers=headers).status_code == 200


@pytest.mark.parametrize("site", ["same-origin", "same-site", "none", None])
def test_a_page_of_our_own_and_a_program_may_change_things(client: FlaskClient, new_run: str, site: str | None) -> None:
    """Seen to fail with every value of `Sec-Fetch-Site` taken for another site: 403."""
    headers = {} if site is None else {"Sec-Fetch-Site": site, "Origin": "http://localhost"}
    assert client.post(f"{FLEX}/runs/{new_run}/cancel", headers=headers).status_code == 202


def test_a_page_of_an_allowed_origin_may_change_things(consoles_client: FlaskClient, new_run: str) -> None:
    """Seen to fail with the origin left out of `refuse_other_sites`: 403 for the page that is allowed."""
    path = f"{FLEX}/runs/{new_run}/cancel"
    assert_problem(consoles_client.post(path, headers=ELSEWHERE), 403)
    assert consoles_client.post(path, headers={**ELSEWHERE, "Origin": CONSOLE}).status_code == 202
