"""The HTTP client of our own API that the command line uses: requests, problems in one line, streams that come back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

import httpx2

from policies.errors import FlexError

PREFIX = "/api/v1/flex"
TIMEOUT = httpx2.Timeout(10.0, read=30.0)
STREAM_TIMEOUT = httpx2.Timeout(10.0, read=60.0)
RECONNECTS, RECONNECT_SECONDS = 60, 0.5
ENDINGS = ("stream_paused",)

Frame = dict[str, Any]


class ClientError(FlexError):
    """The server could not be asked, or refused what was asked."""

    code = "request_failed"

    def __init__(self, message: str, *, status: int | None = None, problem: Mapping[str, Any] | None = None) -> None:
        self.status = status
        self.problem = dict(problem or {})
        super().__init__(message)


class ServerUnreachableError(ClientError):
    """No Flex server answers there; start one with `flex up`, or name another with --url."""

    code = "server_unreachable"


class FlexClient:
    """One server's API. Use it as a context manager, or close it."""

    def __init__(
        self, base_url: str, api_key: str | None = None, transport: httpx2.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.base_url = base_url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.base_url, headers=headers, timeout=TIMEOUT, trust_env=False, transport=transport
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def is_alive(self) -> bool:
        """Tell whether the web process answers at all."""
        return self._send("GET", "/healthz").status_code == httpx2.codes.OK

    def health(self) -> dict[str, Any]:
        """Return what the server says of itself, also when it is degraded."""
        return dict(self._json(self._send("GET", "/api/v1/health"), also=(503,)))

    def plan(self, envelope: Any) -> dict[str, Any]:
        """Return the plan for an envelope, without running it."""
        return dict(self._json(self._send("POST", f"{PREFIX}/plan", body=envelope)))

    def runs(self, **filters: Any) -> dict[str, Any]:
        """Return one page of runs: `{data, nextCursor}`; filters as the API has them."""
        given = {name: value for name, value in filters.items() if value is not None}
        return dict(self._json(self._send("GET", f"{PREFIX}/runs", query=given)))

    def run(self, run_id: str) -> dict[str, Any]:
        """Return the debug snapshot of a run."""
        return dict(self._json(self._send("GET", f"{PREFIX}/runs/{run_id}")))

    def cancel(self, run_id: str, note: str | None = None) -> dict[str, Any]:
        """Ask for the end of a run; return it."""
        body = {} if note is None else {"note": note}
        return dict(self._json(self._send("POST", f"{PREFIX}/runs/{run_id}/cancel", body=body)))

    def replan(self, run_id: str, note: str | None = None) -> dict[str, Any]:
        """Ask for a new plan of a run; return it."""
        body = {} if note is None else {"note": note}
        return dict(self._json(self._send("POST", f"{PREFIX}/runs/{run_id}/replan", body=body)))

    def pending_requests(self) -> list[dict[str, Any]]:
        """Return the open questions to people, with their runs."""
        return list(self._json(self._send("GET", "/api/hitl/pending"))["runs"])

    def answer(self, request_id: str, response: Mapping[str, Any], note: str | None = None) -> dict[str, Any]:
        """Answer a question; return what was decided."""
        body = {"requestId": request_id, "responses": [dict(response)], **({} if note is None else {"note": note})}
        return dict(self._json(self._send("POST", f"{PREFIX}/hitl/resolve", body=body)))

    def audit(self, **filters: Any) -> dict[str, Any]:
        """Return one page of the audit: `{data, nextCursor}`; filters as the API has them."""
        given = {name: value for name, value in filters.items() if value is not None}
        return dict(self._json(self._send("GET", f"{PREFIX}/audit", query=given)))

    def capabilities(self) -> dict[str, Any]:
        """Return the registry's list."""
        return dict(self._json(self._send("GET", f"{PREFIX}/capabilities")))

    def start_run(self, envelope: Any) -> dict[str, Any]:
        """Submit an envelope without listening to it; return its run."""
        return dict(self._json(self._send("POST", f"{PREFIX}/runs", body=envelope)))

    def run_stream(self, envelope: Any) -> Iterator[Frame]:
        """Submit an envelope and yield its run's frames to the end, over as many connections as it takes."""
        run_id, last = None, 0
        try:
            with self._stream("POST", f"{PREFIX}/run.stream", body=envelope) as response:
                run_id = response.headers.get("X-Run-Id")
                for frame in frames_of(response):
                    last = int(frame.get("id") or last)
                    yield frame
                    if is_last(frame):
                        return
        except httpx2.TransportError as error:
            if run_id is None:
                raise self._unreachable(error) from None
        if run_id is None:
            raise ClientError("the server opened a stream without naming its run")
        yield from self.events(run_id, after=last, until_waiting=True)

    def events(self, run_id: str, after: int = 0, *, until_waiting: bool = False) -> Iterator[Frame]:
        """Yield a run's frames after a sequence number, reconnecting until the run has ended.

        With `until_waiting`, which goes on with a stream that broke, it also ends when the run waits for a person.
        Raises `ServerUnreachableError`, at once if the server has not answered before.
        """
        failures, reached = 0, until_waiting
        while True:
            try:
                with self._stream("GET", f"{PREFIX}/runs/{run_id}/events", after=after) as response:
                    reached = True
                    if response.status_code == httpx2.codes.NO_CONTENT:
                        return
                    for frame in frames_of(response):
                        failures = 0
                        after = int(frame.get("id") or after)
                        yield frame
                        if is_last(frame) or (until_waiting and self._waits_after(frame)):
                            return
            except httpx2.TransportError as error:
                failures += 1
                if not reached or failures > RECONNECTS:
                    raise self._unreachable(error) from None
            time.sleep(RECONNECT_SECONDS)

    def _waits_after(self, frame: Frame) -> bool:
        """Tell whether this frame asked a person and nothing else in the run can move meanwhile."""
        asks = frame["type"] == "hitl_request" or (frame.get("payload") or {}).get("executorType") == "human"
        return asks and str(self.run(frame["runId"])["run"]["status"]).startswith("awaiting_")

    def _stream(self, method: str, path: str, *, body: Any = None, after: int | None = None) -> _Stream:
        headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": str(after)})
        request = self._http.build_request(method, path, json=body, headers=headers, timeout=STREAM_TIMEOUT)
        return _Stream(self, request)

    def open(self, request: httpx2.Request) -> httpx2.Response:
        """Open a stream. Raises `ClientError` when the server refuses it."""
        response = self._http.send(request, stream=True)
        if response.is_error:
            response.read()
            response.close()
            raise refusal(response)
        return response

    def _send(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        try:
            return self._http.request(method, path, json=body, params=query)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    def _json(self, response: httpx2.Response, also: tuple[int, ...] = ()) -> Any:
        if response.is_error and response.status_code not in also:
            raise refusal(response)
        try:
            return response.json()
        except ValueError:
            raise ClientError(f"{self.base_url} answered something that is not JSON; is it a Flex server?") from None

    def _unreachable(self, error: Exception) -> ServerUnreachableError:
        return ServerUnreachableError(
            f"no Flex server answers at {self.base_url} ({str(error) or type(error).__name__}); "
            "start one with `flex up`, or name another with --url."
        )


class _Stream:
    """A streamed response that is closed when its block ends."""

    def __init__(self, client: FlexClient, request: httpx2.Request) -> None:
        self._client, self._request = client, request

    def __enter__(self) -> httpx2.Response:
        self._response = self._client.open(self._request)
        return self._response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._response.close()


def frames_of(response: httpx2.Response) -> Iterator[Frame]:
    """Yield the stored frames of an event stream, and the mark that its run waits; other marks only end a stream."""
    for event in httpx2.EventSource(response, max_event_size=None):
        if event.data:
            frame: Frame = json.loads(event.data)
            if "id" in frame or is_last(frame):
                yield frame


def is_last(frame: Frame) -> bool:
    """Tell whether the server closes the stream after this frame."""
    return frame["type"] == "complete" or (frame["type"] == "log" and frame.get("message") in ENDINGS)


def refusal(response: httpx2.Response) -> ClientError:
    """Return the error that says in plain lines what the server's problem document says."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    lines = [f"  {entry.get('pointer') or '/'}: {entry.get('message')}" for entry in problem.get("errors") or []]
    detail = problem.get("detail") or problem.get("title") or f"the server answered {response.status_code}"
    headline = f"refused ({problem.get('code', response.status_code)})" if lines else detail
    return ClientError("\n".join([str(headline), *lines]), status=response.status_code, problem=problem)
