"""The graph of eight empty nodes as a workflow of DBOS, every step recorded in PostgreSQL.

DBOS numbers the steps of a workflow in the order in which they begin, which must not depend on chance: the three first
steps of the branches begin together, and their three second steps when all the first have ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

# The peers are installed in an environment of their own, which the checkers do not look into.
from dbos import DBOS  # type: ignore[import-not-found,unused-ignore]

from tests.bench.peers.timing import THREADS, Run, measure


@DBOS.step()  # type: ignore[untyped-decorator,unused-ignore]  # see above
async def node(name: str) -> str:
    return name


@DBOS.workflow()  # type: ignore[untyped-decorator,unused-ignore]  # see above
async def eight_nodes() -> int:
    """Run one node, three branches of two, a join; return how many steps were done."""
    done = [await node("start")]
    for step in ("first", "second"):
        done += await asyncio.gather(*(node(f"{step}_{branch}") for branch in "abc"))
    done.append(await node("join"))
    return len(done)


def prepare(url: str) -> None:
    with opened(url, -1):
        """Launching makes the tables."""


@contextmanager
def opened(url: str, number: int) -> Iterator[Run]:
    DBOS(
        config={
            "name": "bench",
            "system_database_url": url,
            "sys_db_pool_size": THREADS,
            "executor_id": f"bench-{number}",
            "application_version": "bench",
            "log_level": "WARNING",
        }
    )
    DBOS.launch()

    def run(name: str) -> None:
        done = DBOS.start_workflow(eight_nodes).get_result()
        if done != 8:
            raise RuntimeError(f"{name} ended with {done} nodes")

    try:
        yield run
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    measure(opened, prepare)
