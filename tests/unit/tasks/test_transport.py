"""Channels that keep their client, for every address of Redis, and what others read of what they publish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kombu import Connection

from models.settings import broker_url
from tasks.transport import Channel, Transport, keeping_its_client


@pytest.fixture
def pool(redis_url: str) -> Iterator[Any]:
    """A pool of connections to a real server, whose channels keep their client."""
    made = keeping_its_client(Connection(broker_url(redis_url))).Pool(limit=2)
    yield made
    made.force_close_all()


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("redis://:secret@cache:6380/2", "cache"),
        ("rediss://:secret@cache:6380/2", "cache"),
        ("redis+socket:///run/redis.sock?virtual_host=2", "socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_every_address_of_redis_leads_where_it_did(address: str, host: str) -> None:
    as_ever = Connection(address).Pool(limit=1).new()
    pooled = keeping_its_client(Connection(address)).Pool(limit=1).new()

    assert pooled.get_transport_cls() is Transport
    assert pooled.hostname == as_ever.hostname == host
    for part in ("port", "virtual_host", "password", "ssl"):
        assert getattr(pooled, part) == getattr(as_ever, part)


def test_another_broker_keeps_its_own_transport() -> None:
    connection = Connection("memory://")
    assert keeping_its_client(connection).get_transport_cls() is Connection("memory://").get_transport_cls()


def test_a_channel_makes_one_client_until_its_process_forks(pool: Any) -> None:
    # Given a channel of a pooled connection
    with pool.acquire() as connection:
        channel = connection.default_channel
        assert isinstance(channel, Channel)

        # When it is used twice, and again in a process that was forked
        clients = []
        for _ in range(2):
            with channel.conn_or_acquire() as client:
                clients.append(client)
        channel._after_fork()
        with channel.conn_or_acquire() as client:
            clients.append(client)

        # Then both uses had one client, and the fork has another, with connections of its own
        assert clients[0] is clients[1]
        assert clients[1].connection_pool is not clients[2].connection_pool
        assert clients[2].ping()


def test_what_is_published_is_read_by_kombu_as_ever(pool: Any, redis_url: str) -> None:
    # Given messages that were published one by one and together
    with pool.acquire() as connection, connection.Producer() as producer:
        producer.publish({"number": 1}, routing_key="some")
        with producer.batch():
            producer.publish({"number": 2}, routing_key="some")
            producer.publish({"number": 3}, routing_key="some")

    # When a connection of kombu's own reads the queue
    with Connection(broker_url(redis_url)) as reader, closing(reader.SimpleQueue("some")) as queue:
        told = [queue.get(timeout=5).payload["number"] for _ in range(3)]

    # Then they are there, in their order
    assert told == [1, 2, 3]
