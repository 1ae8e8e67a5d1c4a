"""How messages reach Redis: kombu's own transport, whose channels keep the client that they publish through.

Kombu makes a new client of redis-py for whatever it publishes, and that costs about as much as to send the message.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kombu import Connection
from kombu.transport import redis


class Channel(redis.Channel):
    """A channel that makes one client for each of its pools, which is one until its process forks."""

    _kept: Any = None

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """Give a client; like a new one it takes a connection out of the pool for each of its commands."""
        if client is None:
            if self._kept is None or self._kept.connection_pool is not self.pool:
                with super().conn_or_acquire() as self._kept:
                    pass
            client = self._kept
        yield client


class Transport(redis.Transport):
    """Kombu's transport of Redis, with these channels."""

    Channel = Channel
    can_parse_url = True  # so that the address of a socket stays whole until the channel reads it, as in kombu's own


def keeping_its_client(connection: Connection) -> Connection:
    """Return a connection that nobody has opened yet; if it leads to Redis, its channels now keep their client."""
    if connection.get_transport_cls() is redis.Transport:
        connection.transport_cls, connection.uri_prefix = Transport, None  # type: ignore[assignment]  # a class will do
    return connection
