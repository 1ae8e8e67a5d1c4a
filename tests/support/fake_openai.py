"""A real HTTP server, in a thread, that speaks the OpenAI chat-completions protocol by a script.

Each request takes the next step of the script and every request is recorded; when the script is at its end, the last
step is repeated. Without a script every answer is right.

    with FakeOpenAI([rate_limited(1), OK]) as fake: ...
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

CHUNK = b" " * 65536


@dataclass(frozen=True, slots=True)
class Step:
    """What one request meets: an HTTP answer, or a connection that hangs, drips or breaks."""

    kind: str = "answer"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    content: Callable[[dict[str, Any]], str] | None = None
    body: str | None = None
    size: int = 0
    finish_reason: str = "stop"
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def user(self) -> str:
        return str(self.body["messages"][1]["content"])

    @property
    def format(self) -> dict[str, Any]:
        return dict(self.body["response_format"]["json_schema"])


def sample(schema: Any) -> Any:
    """Return the plainest value of a schema, as a model that does what it is told would."""
    if not isinstance(schema, dict):
        return "text"
    if "anyOf" in schema:
        return sample(schema["anyOf"][0])
    listed = [schema["const"]] if "const" in schema else schema.get("enum", [])
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    return listed[0] if listed else _PLAINEST[kind](schema)


def _sample_object(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    return {key: sample(properties.get(key)) for key in schema.get("required", properties)}


_PLAINEST: dict[str, Callable[[dict[str, Any]], Any]] = {
    "object": _sample_object,
    "array": lambda s: [sample(s.get("items")) for _ in range(max(s.get("minItems", 1), 1))],
    "string": lambda s: "A sentence from the model.".ljust(s.get("minLength", 0), "!")[: s.get("maxLength")],
    "integer": lambda s: s.get("minimum", 1),
    "number": lambda s: s.get("minimum", 0.5),
    "boolean": lambda _: True,
    "null": lambda _: None,
}


def valid(request: dict[str, Any]) -> str:
    return json.dumps(sample(request["response_format"]["json_schema"]["schema"]))


OK = Step(content=valid)
INVALID_JSON = Step(content=lambda _: '{"headline": "half a')
SCHEMA_VIOLATION = Step(content=lambda _: '{"somethingElse": 1}')
FENCED = Step(content=lambda request: f"```json\n{valid(request)}\n```")
WRAPPED = Step(content=lambda request: json.dumps({"output": json.loads(valid(request))}))
NOT_AN_OBJECT = Step(content=lambda _: "[1, 2]")
CUT_OFF = Step(content=lambda _: '{"copyVariants": [', finish_reason="length")
REFUSED = Step(content=lambda _: "", refusal="I cannot help with that.")
SERVER_ERROR = Step(status=500, body='{"error": {"message": "boom", "type": "server_error"}}')
BAD_KEY = Step(status=401, body='{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}')
NO_QUOTA = Step(status=429, body='{"error": {"message": "You are out of money", "code": "insufficient_quota"}}')
NO_STRICT = Step(
    status=400, body='{"error": {"message": "Invalid schema for response_format", "param": "response_format"}}'
)
HTML = Step(body="<html>Welcome to the proxy</html>", headers=(("Content-Type", "text/html"),))
HANG = Step("hang")
DRIP = Step("drip")
DROP = Step("drop")
DROP_MIDWAY = Step("drop_midway")
HUGE = Step("huge", size=6 * 1024 * 1024)


def rate_limited(retry_after: float | None = None) -> Step:
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Step(status=429, headers=headers, body='{"error": {"message": "Slow down", "code": "rate_limit_exceeded"}}')


def says(text: str) -> Step:
    """Return the step whose completion says exactly `text`."""
    return Step(content=lambda _: text)


class FakeOpenAI:
    """The server; `base_url` is what OPENAI_BASE_URL would hold, `requests` what arrived so far."""

    def __init__(self, script: Iterable[Step] = ()) -> None:
        self._script = list(script) or [OK]
        self._lock = threading.Lock()
        self.released = threading.Event()
        self.arrived = threading.Condition()
        self.requests: list[Recorded] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Handler,), {"fake": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def play(self, *script: Step) -> None:
        """Replace what is left of the script."""
        with self._lock:
            self._script = list(script) or [OK]

    def wait_for_requests(self, count: int, seconds: float = 10) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, seconds), "the request did not arrive"

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def next_step(self) -> Step:
        with self._lock:
            return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def record(self, recorded: Recorded) -> None:
        with self.arrived:
            self.requests.append(recorded)
            self.arrived.notify_all()


class _Handler(BaseHTTPRequestHandler):
    """Plays one step per request; which one, its server's owner knows."""

    protocol_version = "HTTP/1.1"
    fake: FakeOpenAI

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length) or b"{}")
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.fake.record(Recorded(self.path, headers, body))
        try:
            self._play(self.fake.next_step(), body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self) -> None:
        self._send(200, json.dumps({"object": "list", "data": [{"id": "gpt-5", "object": "model"}]}), ())

    def log_message(self, *_: object) -> None:
        """Stay silent: the requests are recorded."""

    def _play(self, step: Step, body: dict[str, Any]) -> None:
        if step.kind == "answer":
            self._send(step.status, step.body or json.dumps(_completion(step, body)), step.headers)
            return
        self.close_connection = True
        play = {"hang": self._hang, "drip": self._drip, "drop_midway": self._drop_midway, "huge": self._huge}
        play.get(step.kind, lambda _: None)(step)

    def _hang(self, _: Step) -> None:
        self.fake.released.wait(60)

    def _drip(self, _: Step) -> None:
        self._head(10_000)
        while not self.fake.released.wait(0.05):
            self.wfile.write(b" ")

    def _drop_midway(self, _: Step) -> None:
        self._head(10_000)
        self.wfile.write(b'{"id": "chatcmpl-1", "choi')

    def _huge(self, step: Step) -> None:
        self._head(step.size)
        for _ in range(step.size // len(CHUNK)):
            self.wfile.write(CHUNK)

    def _head(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, status: int, text: str, headers: tuple[tuple[str, str], ...]) -> None:
        payload = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **dict(headers)}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _completion(step: Step, body: dict[str, Any]) -> dict[str, Any]:
    content = step.content(body) if step.content else ""
    message = {"role": "assistant", "content": content, "refusal": step.refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": body.get("model", "unknown"),
        "choices": [{"index": 0, "message": message, "finish_reason": step.finish_reason, "logprobs": None}],
        "usage": {"prompt_tokens": 120, "completion_tokens": 80, "total_tokens": 200},
    }
