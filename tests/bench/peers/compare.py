"""LangGraph with its PostgreSQL checkpointer and DBOS on the same graph, beside what `make bench` found for Flex.

`python -m tests.bench.peers.compare [--ours FILE] [--json FILE] [--scale 0.1] [--rounds 1]`. A peer that cannot be
installed, for want of a network, is left out and said so; that is no failure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from typing import Any

from tests.bench.measure import AT_ONCE, IN_A_ROW, scaled
from tests.bench.peers.environment import PACKAGES, NotInstallableError, install, interpreter
from tests.bench.report import conditions, read, row, table, write
from tests.bench.runs import ROWS
from tests.bench.servers import ROOT, bench_environ
from tests.bench.statistic import medians

COMPARED = ("runs_per_second", "nodes_per_second", "p50_ms", "p95_ms", "processor_ms_per_run", "memory_mib")


def main() -> None:
    """Install what can be, measure the peers in turn, print them beside Flex."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", default=".flex/bench.json", help="what `make bench` has written")
    parser.add_argument("--json", help="a file that the figures are written to")
    parser.add_argument("--scale", type=float, default=1.0, help="a share of the runs, for a trial; figures need 1")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    versions = _installed()
    if not versions:
        print("No peer is there to be measured; nothing was compared.")
        return
    told = conditions(given.scale, given.rounds) | {
        "peers": versions,
        "peer": "2 processes of 32 threads; each step stored before the next; no stream, no contracts",
    }
    del told["bare"]
    rounds = _rounds(list(versions), given.scale, given.rounds)
    summary = {peer: medians([one[peer] for one in rounds]) for peer in versions}
    _print(told, summary, read(given.ours))
    if given.json:
        write(given.json, {"conditions": told, "rounds": rounds, "summary": summary})


def _installed() -> dict[str, str]:
    """Return the peers that are there, each with its version."""
    versions = {}
    for peer in PACKAGES:
        try:
            versions[peer] = install(peer)
        except NotInstallableError as error:
            print(f"{peer} cannot be installed here and is left out: {error}")
    return versions


def _rounds(peers: list[str], scale: float, rounds: int) -> list[dict[str, Any]]:
    counts = (str(scaled(AT_ONCE, scale)), str(scaled(IN_A_ROW, scale)))
    found = []
    with bench_environ() as environ:
        url = environ["DATABASE_URL"].replace("+psycopg2", "")
        for _ in range(rounds):
            one = {}
            for peer in peers:
                command = (str(interpreter()), "-m", f"tests.bench.peers.on_{peer}", url, *counts)
                done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
                one[peer] = json.loads(done.stdout.splitlines()[-1])
            found.append(one)
    return found


def _print(told: dict[str, Any], peers: dict[str, Any], ours: dict[str, Any] | None) -> None:
    print("conditions:", json.dumps(told, ensure_ascii=False))
    columns = dict(peers)
    if ours is None:
        print("There are no figures of Flex yet: run `make bench` first to see them beside these.")
    else:
        print("conditions of flex and bare:", json.dumps(ours["conditions"], ensure_ascii=False))
        columns = {"flex": ours["summary"]["flex"], "bare": ours["summary"]["bare"], **peers}
    print("medians of the rounds\n")
    print(row("", list(columns)))
    print(table({name: ROWS[name] for name in COMPARED}, list(columns.values())))
    for peer in peers if ours else ():
        ratio = columns["flex"]["runs_per_second"] / peers[peer]["runs_per_second"]
        print(f"\nratio flex / {peer}: throughput {ratio:.2f}, ", end="")
        print(f"p50 {columns['flex']['p50_ms'] / peers[peer]['p50_ms']:.2f}")


if __name__ == "__main__":
    main()
