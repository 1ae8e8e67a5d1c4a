"""How many messages tell monitors of many tasks."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import closing
from typing import Any

import redis
from kombu import Connection

from models.settings import broker_url
from tasks.celery_app import celery


def test_the_events_of_many_tasks_leave_in_one_message(redis_url: str) -> None:
    # Given a monitor, and a worker that has told of a hundred tasks
    with closing(redis.Redis.from_url(redis_url)) as client, closing(client.pubsub()) as monitor:
        monitor.psubscribe("*celeryev*")
        assert monitor.get_message(timeout=5)
        with Connection(broker_url(redis_url)) as connection:
            options: dict[str, Any] = {"hostname": "w@here", "buffer_group": ["task"]}
            with celery.events.Dispatcher(connection, **options) as dispatcher:
                for number in range(100):
                    dispatcher.send("task-succeeded", uuid=str(number))

                # When it sends what has gathered
                dispatcher.flush()

        # Then the first message tells of them all, in their order
        heard: Any = monitor.get_message(timeout=5)
        told = json.loads(b64decode(json.loads(heard["data"])["body"]))
        assert [event["uuid"] for event in told] == [str(number) for number in range(100)]
