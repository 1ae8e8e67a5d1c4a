"""The measuring half of `tests.bench.relay`, started with the addresses of its servers in the environment."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime

import psutil

from models.events.bus import Bus
from models.events.doorbell import live_bus
from models.events.frames import Frame
from models.settings import get_settings
from models.telemetry import configure_logging
from tests.bench.prepared import prepare
from tests.bench.servers import ROOT

FRAMES_PER_SECOND = 1000
BATCHES_PER_SECOND = 50


def main(counts: list[int], seconds: float) -> None:
    """Print a line of figures for each number of clients."""
    configure_logging(get_settings())
    prepare(1)
    port = get_settings().server_port
    command = [sys.executable, "-m", "gunicorn", "-c", "app/gunicorn_conf.py", "app.wsgi:app"]
    web = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        asyncio.run(_reachable(port))
        [process] = psutil.Process(web.pid).children()
        for count in counts:
            runs = prepare(count)
            before = process.memory_info().rss
            figures = asyncio.run(_relay(port, runs, seconds, process))
            per_client = (figures.pop("rss") - before) / 1024 / count
            print(json.dumps({"clients": count, **figures, "kib_per_client": round(per_client, 1)}), flush=True)
    finally:
        web.kill()
        web.wait()


async def _relay(port: int, runs: list[str], seconds: float, process: psutil.Process) -> dict[str, float]:
    latencies: list[float] = []
    opened = asyncio.Event()
    state = {"open": 0}
    clients = [asyncio.create_task(_listen(port, run_id, latencies, state, opened, len(runs))) for run_id in runs]
    await asyncio.wait_for(opened.wait(), 120)
    await asyncio.sleep(1)
    process.cpu_percent()
    sent = await asyncio.to_thread(_publish, live_bus(), runs, seconds)
    await asyncio.sleep(2)
    figures = {
        "sent": sent,
        "received": len(latencies),
        "p50_ms": round(statistics.median(latencies), 2),
        "p99_ms": round(statistics.quantiles(latencies, n=100)[98], 2),
        "cpu_percent": round(process.cpu_percent(), 1),
        "rss": process.memory_info().rss,
    }
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)
    return figures


def _publish(bus: Bus, runs: list[str], seconds: float) -> int:
    """Put frames on the stream at an even rate, each with the moment at which it left."""
    per_batch = FRAMES_PER_SECOND // BATCHES_PER_SECOND
    began, sent, seqs = time.perf_counter(), 0, dict.fromkeys(runs, 1)
    for batch in range(int(seconds * BATCHES_PER_SECOND)):
        due = began + batch / BATCHES_PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        frames = []
        for offset in range(per_batch):
            run_id = runs[(sent + offset) % len(runs)]
            seqs[run_id] += 1
            payload = {"sent": time.time()}
            frames.append(Frame(run_id, seqs[run_id], "log", datetime.now(UTC), "bench", 1, "default", payload=payload))
        bus.publish(frames)
        sent += per_batch
    return sent


async def _listen(
    port: int, run_id: str, latencies: list[float], state: dict[str, int], opened: asyncio.Event, all_of_them: int
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = f"/api/v1/flex/runs/{run_id}/events"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
    first = True
    try:
        async for line in reader:
            if first and line.startswith(b"data:"):
                first = False
                state["open"] += 1
                if state["open"] == all_of_them:
                    opened.set()
            elif b'"sent"' in line and line.startswith(b"data:"):
                latencies.append((time.time() - json.loads(line[5:])["payload"]["sent"]) * 1000)
    finally:
        writer.close()


async def _reachable(port: int) -> None:
    """Wait until the web process itself answers: the port is open before it is there."""
    for _ in range(300):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = await reader.readline()
        writer.close()
        if b" 200 " in answer:
            return
    raise TimeoutError("the web process does not answer")


if __name__ == "__main__":
    main([int(part) for part in sys.argv[1].split(",")], float(sys.argv[2]))
