"""Many runs over one WebSocket of a real server: same frames, same resume, and nobody hears what is not his."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, create_connection
from typing import Any
from uuid import uuid4

import pytest
from simple_websocket import Client, ConnectionClosed

from models.catalogue import catalogue
from models.events.frames import Draft
from models.unit_of_work import open_unit
from planner.envelope import check_envelope
from tests.integration.web.conftest import end, say
from tests.support.envelopes import linkedin_envelope
from tests.support.relay import wait_until
from tests.support.servers import PostgresServer
from tests.support.web import WebServer, forget_process, open_stream, read_marks

FLEX = "/api/v1/flex"
ORIGIN = "https://console.example"
Message = dict[str, Any]
MARKS = {"subscribed", "reset", "overrun", "revoked", "server-restart", "error"}


class Listener:
    """A client of the WebSocket with all that it was told."""

    def __init__(self, server: WebServer, **headers: str) -> None:
        address = server.url.replace("http://", "ws://") + FLEX + "/events/ws"
        self._socket = Client.connect(address, headers=headers)
        self.told: list[Message] = []
        self.closed: int | None = None

    def say(self, **message: Any) -> None:
        self._socket.send(json.dumps(message))

    def say_text(self, text: str) -> None:
        self._socket.send(text)

    def subscribe(self, run_ids: Any, **more: Any) -> None:
        """Subscribe, and wait until the server says so."""
        self.say(subscribe={"runIds": run_ids, **more})
        assert self.hear(lambda told: told["type"] in {"subscribed", "error"})["type"] == "subscribed"

    def hear(self, wanted: Callable[[Message], bool] = lambda _: True, seconds: float = 15) -> Message:
        """Return the next message that is wanted."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            text = self._socket.receive(timeout=0.2)
            if text is not None:
                self.told.append(json.loads(text))
                if wanted(self.told[-1]):
                    return self.told[-1]
        raise AssertionError(f"nothing of the kind came: {self.told[-5:]}")

    def hear_end_of(self, *run_ids: str) -> None:
        """Listen until each of the runs has been told to its end."""
        while not set(run_ids) <= {told["runId"] for told in self.told if told["type"] == "complete"}:
            self.hear(lambda told: told["type"] == "complete")

    def hear_close(self, seconds: float = 15) -> int:
        """Return the code with which the server closed the connection."""
        with pytest.raises(ConnectionClosed) as closed:
            self.hear(lambda _: False, seconds)
        return int(closed.value.reason)

    def ids(self, run_id: str) -> list[int]:
        return [int(told["id"]) for told in self.told if told.get("runId") == run_id and "id" in told]

    def close(self) -> None:
        with suppress(ConnectionClosed, OSError):
            self._socket.close()
        with suppress(OSError):
            self._socket.sock.shutdown(SHUT_RDWR)
        self._socket.thread.join(5)
        self._socket.sock.close()


@contextmanager
def listening(server: WebServer, **headers: str) -> Iterator[Listener]:
    listener = Listener(server, **headers)
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def connected(postgres: PostgresServer, redis_server: str) -> Iterator[dict[str, str]]:
    """One database for this file: a server takes seconds to start."""
    name = f"flex_test_{uuid4().hex[:12]}"
    with pytest.MonkeyPatch.context() as patch:
        variables = {"DATABASE_URL": postgres.create(name), "REDIS_URL": redis_server, "FLEX_TEST": "1"}
        for variable, value in variables.items():
            patch.setenv(variable, value)
        forget_process()
        yield variables
    forget_process()
    postgres.drop(name)


@pytest.fixture(scope="module")
def server(connected: dict[str, str]) -> Iterator[WebServer]:
    """An open server."""
    running = WebServer({**connected, "CORS_ALLOW_ORIGINS": ORIGIN})
    yield running
    running.stop()


@pytest.fixture
def own_server(connected: dict[str, str]) -> Iterator[WebServer]:
    running = WebServer(connected)
    yield running
    running.stop()


def handshake_status(server: WebServer, **headers: str) -> int:
    """Return how a handshake is answered that is sent as browsers do, with the port in `Host`."""
    told = {
        "Host": f"127.0.0.1:{server.port}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        **headers,
    }
    lines = [f"GET {FLEX}/events/ws HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]
    with create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return int(connection.recv(12).split()[1])


def start_run(tenant: str = "default") -> str:
    with open_unit(tenant) as unit:
        return unit.runs.create(envelope=check_envelope(linkedin_envelope(), catalogue()), correlation_id="c-1").run_id


def test_the_frames_of_several_runs_are_those_of_their_streams(server: WebServer) -> None:
    # Given three runs of which two are listened to, one of them with a past
    first, second, other = start_run(), start_run(), start_run()
    say(first, 3)
    with listening(server) as listener:
        listener.subscribe([first, second])
        for run_id in (second, other, first):
            say(run_id, 2)
            end(run_id)
        listener.hear_end_of(first, second)
    # Then each frame of the two came once and in order, as its stream tells it
    assert listener.ids(first) == [1, 2, 3, 4, 5, 6, 7]
    assert listener.ids(second) == [1, 2, 3, 4]
    assert listener.ids(other) == []
    with open_stream(f"{server.url}{FLEX}/runs/{first}/events") as stream:
        streamed = [m["data"] for m in read_marks(stream) if "id" in m]
    assert streamed == [told for told in listener.told if told.get("runId") == first]


def test_a_listener_that_drops_and_comes_back_hears_each_frame_once(server: WebServer) -> None:
    runs = [start_run(), start_run()]

    def talk() -> None:
        for _ in range(6):
            for run_id in runs:
                say(run_id, 2)
        for run_id in runs:
            end(run_id)

    teller = threading.Thread(target=talk)
    teller.start()
    seen: dict[str, list[int]] = {run_id: [] for run_id in runs}
    while any(len(ids) < 14 for ids in seen.values()):
        # When the connection is dropped after a few frames, and resumed where each run was
        with listening(server) as listener:
            listener.subscribe(runs, after={run_id: ids[-1] for run_id, ids in seen.items() if ids})
            listener.hear(lambda told: "id" in told)
            for run_id in runs:
                seen[run_id] += listener.ids(run_id)
    teller.join()
    assert list(seen.values()) == [list(range(1, 15))] * 2


def test_only_the_wanted_types_are_told(server: WebServer) -> None:
    run_id = start_run()
    say(run_id, 3)
    with listening(server) as listener:
        listener.subscribe([run_id], types=["start", "complete"])
        end(run_id)
        listener.hear_end_of(run_id)
    assert [told["type"] for told in listener.told] == ["subscribed", "start", "complete"]


def test_a_star_hears_every_run_of_its_tenant_from_now_on(server: WebServer) -> None:
    before = start_run()
    end(before)
    known = start_run()
    say(known, 3)
    with listening(server) as listener:
        listener.subscribe("*", after={known: 2})
        later, stranger = start_run(), start_run("stranger")
        for run_id in (stranger, known, later):
            say(run_id, 2)
            end(run_id)
        listener.hear_end_of(known, later)
    assert listener.ids(later) == [1, 2, 3, 4]
    assert listener.ids(known) == [3, 4, 5, 6, 7]
    assert listener.ids(stranger) == listener.ids(before) == []
    assert "tenantId" not in json.dumps(listener.told)


def test_a_star_hears_a_run_that_no_doorbell_announced(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(server) as listener:
        listener.subscribe("*")
        # Given a process whose doorbell is broken
        monkeypatch.setattr("models.events.bus.LiveBus.publish", lambda *_: None)
        run_id = start_run()
        say(run_id, 2)
        end(run_id)
        # Then the listener hears of the run within seconds
        listener.hear_end_of(run_id)
    assert listener.ids(run_id) == [1, 2, 3, 4]


def test_a_place_that_does_not_exist_starts_the_run_anew(server: WebServer) -> None:
    run_id = start_run()
    with listening(server) as listener:
        listener.subscribe([run_id], after={run_id: 99})
        assert listener.hear()["type"] == "reset"
        assert listener.hear()["id"] == "1"


def test_a_further_subscription_takes_the_place_of_the_first(server: WebServer) -> None:
    first, second = start_run(), start_run()
    with listening(server) as listener:
        listener.subscribe([first])
        listener.hear(lambda told: told.get("runId") == first)
        listener.subscribe([second])
        say(first, 1)
        end(second)
        listener.hear_end_of(second)
    assert (listener.ids(first), listener.ids(second)) == ([1], [1, 2])


def test_large_frames_arrive_whole(server: WebServer) -> None:
    run_id = start_run()
    with listening(server) as listener:
        listener.subscribe([run_id])
        for size in (100, 300_000, 50):
            with open_unit(tenant=None) as unit:
                unit.events.append(run_id, Draft("log", {"text": "x" * size}, message="a step"))
        end(run_id)
        listener.hear_end_of(run_id)
    assert [len(told["payload"]["text"]) for told in listener.told if told["type"] == "log"] == [100, 300_000, 50]


@pytest.mark.parametrize(
    ("text", "code", "pointer"),
    [
        ("{", "invalid_json", None),
        ('{"subscribe": NaN}', "invalid_json", None),
        ("[]", "validation_failed", ""),
        ("{}", "validation_failed", ""),
        ('{"subscribe": {}}', "validation_failed", "/subscribe/runIds"),
        ('{"subscribe": {"runIds": []}}', "validation_failed", "/subscribe/runIds"),
        ('{"subscribe": {"runIds": "**"}}', "validation_failed", "/subscribe/runIds"),
        ('{"subscribe": {"runIds": [1]}}', "validation_failed", "/subscribe/runIds"),
        ('{"subscribe": {"runIds": "*", "types": ["full_moon"]}}', "validation_failed", "/subscribe/types"),
        ('{"subscribe": {"runIds": ["a"], "after": {"b": 1}}}', "validation_failed", "/subscribe/after/b"),
        ('{"subscribe": {"runIds": ["a"], "after": {"a": -1}}}', "validation_failed", "/subscribe/after/a"),
        ('{"subscribe": {"runIds": "*"}, "tenant_id": "other"}', "validation_failed", "/tenant_id"),
        ('{"subscribe": {"runIds": ["flex_nowhere"]}}', "run_not_found", None),
    ],
)
def test_a_wrong_message_is_answered_with_what_is_wrong(
    server: WebServer, text: str, code: str, pointer: str | None
) -> None:
    with listening(server) as listener:
        listener.say_text(text)
        answer = listener.hear()
        assert (answer["type"], answer["code"]) == ("error", code)
        assert pointer is None or pointer in {problem["pointer"] for problem in answer["errors"]}
        assert listener.hear_close() == 1008


def test_a_server_without_room_says_when_to_come_back(connected: dict[str, str]) -> None:
    # Given a server where a key may hold one stream open
    server = WebServer({**connected, "FLEX_MAX_STREAMS_PER_KEY": "1"})
    try:
        with listening(server) as first, listening(server) as second:
            first.subscribe("*")
            # When the same key asks for one more
            second.say(subscribe={"runIds": "*"})
            answer = second.hear()
            # Then it is told how much room there is, and when to come back
            assert (answer["type"], answer["code"], answer["retry"]) == ("error", "too_many_streams", 5000)
            assert (answer["pending"], answer["limit"]) == (1, 1)
            assert second.hear_close() == 1013
        assert "flex_run_backlog_reject" in server.log
    finally:
        server.stop()


def test_an_address_that_is_asked_without_a_handshake_says_so(server: WebServer) -> None:
    with open_stream(f"{server.url}{FLEX}/events/ws") as reply:
        assert (reply.status_code, reply.headers["Upgrade"]) == (426, "websocket")


def test_pages_of_other_origins_are_refused_at_the_handshake(server: WebServer) -> None:
    for origin in ("https://elsewhere.example", "null", f"{server.url}.elsewhere.example"):
        assert handshake_status(server, Origin=origin) == 403
    for origin in (ORIGIN, server.url):
        assert handshake_status(server, Origin=origin) == 101


def test_a_server_that_stops_says_so_and_exits_within_seconds(own_server: WebServer) -> None:
    run_id = start_run()
    with listening(own_server) as waiting, listening(own_server) as listener, listening(own_server) as star:
        listener.subscribe([run_id])
        star.subscribe("*")
        assert own_server.terminate() < 8
        for one in (waiting, listener, star):
            assert one.hear(lambda told: told["type"] == "server-restart")["retry"] == 500
            assert one.hear_close() == 1012


def test_a_client_that_does_not_read_is_cut_off_and_others_are_served(own_server: WebServer) -> None:
    run_id = start_run()
    other = start_run()
    with listening(own_server) as silent, listening(own_server) as reader:
        silent.subscribe([run_id])
        reader.subscribe([other])
        # Given a client whose receiving thread is stuck
        silent._socket.sock.setblocking(True)
        silent._socket.event.clear()
        stuck = threading.Event()
        receive = silent._socket.ws.receive_data
        silent._socket.ws.receive_data = lambda data: (stuck.wait(60), receive(data))[1]
        for _ in range(60):
            with open_unit(tenant=None) as unit:
                unit.events.append(run_id, *[Draft("log", {"text": "x" * 20_000})] * 20)
        # Then the server gives it up, and the other client is told all the while
        end(other)
        reader.hear_end_of(other)
        wait_until(lambda: "slow_client_cut" in own_server.log, 40)
        stuck.set()
