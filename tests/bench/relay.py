"""How the relay carries many clients: from XADD to receipt, with memory and processor of the web process.

`python -m tests.bench.relay [--clients 200,1000] [--seconds 10] [--json FILE]` starts one web process on servers of its
own, opens one stream per run and client, publishes 1 000 frames a second over all of them, and prints the figures.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys

from models.settings import child_environ
from tests.bench.report import judged, read, write
from tests.bench.servers import ROOT, bench_environ

LIMITS = {"p99_ms": 25, "kib_per_client": 30}
"""What is to be reached with 1 000 clients."""


def main() -> None:
    """Start the servers and measure in a process that knows them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="200,1000")
    parser.add_argument("--seconds", default="10")
    parser.add_argument("--json", help="a file that the figures are written to, beside those that it has")
    given = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.bench.relay_measure", given.clients, given.seconds]
    figures = []
    with bench_environ() as environ:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=child_environ({**environ, "FLEX_SERVER_PORT": port}),
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            for line in process.stdout or ():
                print("relay:", line.strip(), flush=True)
                figures.append(json.loads(line))
    if process.returncode:
        sys.exit(f"the relay could not be measured: its process ended with {process.returncode}")
    for found in figures:
        if found["clients"] == 1000:
            print(judged({name: (found[name], "<", limit) for name, limit in LIMITS.items()}))
    if given.json:
        write(given.json, {**(read(given.json) or {}), "relay": figures})


if __name__ == "__main__":
    main()
