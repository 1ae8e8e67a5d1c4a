"""What is put on Redis for runs: every message and every live frame, as the server itself reports its commands.

MONITOR slows a server down, so sizes are taken in a pass of their own that nobody times.
"""

from __future__ import annotations

import base64
import json
import threading
from typing import Any

import redis

from models.events.bus import STREAM
from models.settings import get_settings
from tests.bench.systems import System, at_once

MARK = "bench:end-of-pass"
NOT_OF_RUNS = frozenset({"tasks.sweep", "tasks.send_canary", "tasks.finish_canary"})


def sizes(system: System, runs: int) -> dict[str, float]:
    """Return messages per run, bytes of their bodies, the largest of those, and bytes of live frames per run.

    A body is what Celery serialised; `queued` is what stands on the queue: kombu's envelope with the body in base64.
    """
    bodies, queued, live = _heard(system, runs)
    return {
        "messages_per_run": round(len(bodies) / runs, 2),
        "body_bytes_per_run": round(sum(bodies) / runs),
        "largest_body_bytes": max(bodies),
        "queued_bytes_per_run": round(sum(queued) / runs),
        "largest_queued_bytes": max(queued),
        "live_bytes_per_run": round(sum(live) / runs),
    }


def _heard(system: System, runs: int) -> tuple[list[int], list[int], list[int]]:
    client = redis.Redis.from_url(get_settings().redis_url or "")
    bodies: list[int] = []
    queued: list[int] = []
    live: list[int] = []

    def listen(monitor: Any) -> None:
        for entry in monitor.listen():
            name, _, rest = entry["command"].partition(" ")
            key, _, value = rest.partition(" ")
            if MARK in rest:
                return
            if name.upper() == "XADD" and key == STREAM:
                live.append(len(value.partition(" frames ")[2]))
            elif name.upper() == "LPUSH" and value.startswith('{"body"'):
                message = json.loads(value)
                if message["headers"]["task"] not in NOT_OF_RUNS:
                    bodies.append(len(base64.b64decode(message["body"])))
                    queued.append(len(value))

    with client.monitor() as monitor:  # type: ignore[no-untyped-call]  # redis-py leaves it without types
        listener = threading.Thread(target=listen, args=(monitor,))
        listener.start()
        try:
            at_once(system, runs)
        finally:
            client.echo(MARK)
            listener.join()
    client.close()
    return bodies, queued, live
