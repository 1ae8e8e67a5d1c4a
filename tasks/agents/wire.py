"""One attempt's connections: pinned to checked addresses, cut at a deadline, capped in size, abortable at any moment.

httpx2's own time-outs count per read, so a server that drips bytes could hold a worker for ever; and closing a client
does not wake a thread that waits in `recv`. Hence a network backend of our own beneath the transport: it limits every
read to what is left of the attempt, and `abort` shuts the sockets down, which wakes the reader at once.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Iterable, Iterator
from functools import cache

import httpcore2
import httpx2

from tasks.agents.base import (
    CONNECT_SECONDS,
    MAX_REPLY_BYTES,
    AgentCancelledError,
    AgentError,
    AgentTimeoutError,
    CancelToken,
)
from tasks.agents.deadline import Deadline
from tasks.agents.replies import invalid


class Wire(httpx2.HTTPTransport):
    """A transport for the calls of one attempt; `addresses` empty means: resolve the name as usual.

    `overflowed` holds the first bytes of a reply that grew past the cap, and is None otherwise.
    """

    def __init__(
        self, deadline: Deadline, *, addresses: tuple[str, ...] = (), max_reply_bytes: int = MAX_REPLY_BYTES
    ) -> None:
        super().__init__(verify=_trust())
        self._deadline = deadline
        self._backend = _Backend(deadline, addresses)
        self._pool = httpcore2.ConnectionPool(ssl_context=_trust(), http2=False, network_backend=self._backend)
        self._max_reply_bytes = max_reply_bytes
        self.overflowed: bytes | None = None

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        reply = super().handle_request(request)
        if reply.headers.get("content-encoding", "identity").lower() != "identity":
            reply.close()
            raise httpx2.DecodingError("The reply is compressed although that was not accepted.", request=request)
        reply.stream = _CappedStream(reply.stream, self)
        return reply

    def abort(self) -> None:
        """Shut every connection down; reads that wait end at once, and no new connection is made."""
        self._backend.abort()

    def own_doing(self, cancel: CancelToken) -> AgentError | None:
        """Return the error for a call that we ended ourselves: by a cancel, the cap or the deadline."""
        if cancel.cancelled:
            return AgentCancelledError(f"The call was stopped: {cancel.reason}.")
        if self.overflowed is not None:
            raw = self.overflowed.decode(errors="replace")
            return invalid(f"The reply is larger than {self._max_reply_bytes} bytes.", raw)
        return AgentTimeoutError() if self._deadline.passed else None

    def capped(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the chunks on until they exceed the cap, then raise `httpx2.ReadError`."""
        received, head = 0, b""
        for chunk in chunks:
            received += len(chunk)
            head = head or chunk
            if received > self._max_reply_bytes:
                self.overflowed = head
                raise httpx2.ReadError(f"The reply is larger than {self._max_reply_bytes} bytes.")
            yield chunk


class _CappedStream(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream | httpx2.AsyncByteStream, wire: Wire) -> None:
        self._stream = stream
        self._wire = wire

    def __iter__(self) -> Iterator[bytes]:
        if not isinstance(self._stream, httpx2.SyncByteStream):
            raise TypeError("A synchronous transport answered with an asynchronous stream.")
        return self._wire.capped(self._stream)

    def close(self) -> None:
        if isinstance(self._stream, httpx2.SyncByteStream):
            self._stream.close()


class _Backend(httpcore2.NetworkBackend):
    """Opens connections to the pinned addresses, in order, and remembers them so that they can be shut down."""

    def __init__(self, deadline: Deadline, addresses: tuple[str, ...]) -> None:
        self._deadline = deadline
        self._addresses = addresses
        self._inner = httpcore2.SyncBackend()
        self._lock = threading.Lock()
        self._aborted = False
        self._streams: weakref.WeakSet[_Stream] = weakref.WeakSet()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception | None = None
        for address in self._addresses or (host,):
            try:
                return self._watched(
                    self._inner.connect_tcp(address, port, self.limit(timeout), local_address, socket_options)
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"There is no address for {host}.")

    def limit(self, timeout: float | None) -> float:
        """Return the time-out of one operation in seconds; raises `ConnectTimeout` when no time is left."""
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise httpcore2.ConnectTimeout("The deadline of this attempt has passed.")
        return remaining if timeout is None else min(timeout, remaining)

    def secure(self, stream: httpcore2.NetworkStream) -> _Stream:
        return self._watched(stream)

    def abort(self) -> None:
        with self._lock:
            self._aborted = True
            streams = tuple(self._streams)
        for stream in streams:
            stream.shut_down()

    def _watched(self, inner: httpcore2.NetworkStream) -> _Stream:
        stream = _Stream(inner, self)
        with self._lock:
            aborted = self._aborted
            self._streams.add(stream)
        if aborted:
            stream.close()
            raise httpcore2.ConnectError("The call was stopped.")
        return stream


class _Stream(httpcore2.NetworkStream):
    """A connection whose every operation also ends with the attempt."""

    def __init__(self, inner: httpcore2.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._limit(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._limit(timeout, httpcore2.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        limit = min(self._limit(timeout, httpcore2.ConnectTimeout), CONNECT_SECONDS)
        return self._backend.secure(self._inner.start_tls(ssl_context, server_hostname, limit))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> object:
        return self._inner.get_extra_info(info)

    def shut_down(self) -> None:
        """Wake whoever waits on this connection; harmless on one that is closed already."""
        connection = self._inner.get_extra_info("socket")
        with contextlib.suppress(OSError):
            # The plain socket's method: that of ssl.SSLSocket first drops its TLS state under the reader's feet.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _limit(self, timeout: float | None, error: type[httpcore2.TimeoutException]) -> float:
        try:
            return self._backend.limit(timeout)
        except httpcore2.ConnectTimeout as passed:
            raise error(str(passed)) from None


@cache
def _trust() -> ssl.SSLContext:
    """Return the trust store, read once: it costs tens of milliseconds."""
    return httpx2.create_ssl_context()
