"""The same graph as a bare Celery canvas: chain and chord on the Redis backend, nothing stored, nothing streamed."""

from __future__ import annotations

import os
import time
from typing import Any

import redis
from celery import Celery, chain, chord, group

BROKER = os.environ.get("BENCH_BROKER", "memory://")  # noqa: TID251 - a benchmark's own switch
REDIS = os.environ.get("BENCH_REDIS", "")  # noqa: TID251 - a benchmark's own switch
SECONDS = float(os.environ.get("BENCH_NODE_SECONDS", "0"))  # noqa: TID251 - a benchmark's own switch
DONE = "bench:done"

app = Celery("bare", broker=BROKER, backend=BROKER)
app.conf.update(
    broker_transport_options={"global_keyprefix": "bare:"}, worker_prefetch_multiplier=1, result_expires=600
)
_client: list[redis.Redis] = []


@app.task
def node(_result: Any = None) -> str:
    if SECONDS:
        time.sleep(SECONDS)
    return "x"


@app.task
def join(_results: Any, name: str) -> str:
    if SECONDS:
        time.sleep(SECONDS)
    if not _client:
        _client.append(redis.Redis.from_url(REDIS))
    _client[0].rpush(DONE, name)
    return "x"


def canvas(name: str) -> Any:
    return chain(node.s(), chord(group(chain(node.s(), node.s()) for _ in range(3)), join.s(name)))
