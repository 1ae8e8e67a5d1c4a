"""The graph of eight empty nodes in LangGraph, every step checkpointed in PostgreSQL before the next begins."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypedDict

# The peers are installed in an environment of their own, which the checkers do not look into.
from langgraph.checkpoint.postgres import PostgresSaver  # type: ignore[import-not-found,unused-ignore]
from langgraph.graph import END, START, StateGraph  # type: ignore[import-not-found,unused-ignore]
from psycopg.rows import dict_row  # type: ignore[import-not-found,unused-ignore]
from psycopg_pool import ConnectionPool  # type: ignore[import-not-found,unused-ignore]

from tests.bench.peers.timing import THREADS, Run, measure

BRANCHES = ("a", "b", "c")


class State(TypedDict):
    done: Annotated[list[str], operator.add]


def node(_state: State) -> dict[str, list[str]]:
    return {"done": ["x"]}


def eight_nodes() -> Any:
    """Return the graph: one node, three branches of two, a join."""
    graph = StateGraph(State)
    for name in ("start", *(f"{step}_{branch}" for branch in BRANCHES for step in ("first", "second")), "join"):
        graph.add_node(name, node)
    graph.add_edge(START, "start")
    for branch in BRANCHES:
        graph.add_edge("start", f"first_{branch}")
        graph.add_edge(f"first_{branch}", f"second_{branch}")
    graph.add_edge([f"second_{branch}" for branch in BRANCHES], "join")
    graph.add_edge("join", END)
    return graph


def prepare(url: str) -> None:
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()


@contextmanager
def opened(url: str, _number: int) -> Iterator[Run]:
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    with ConnectionPool(url, min_size=4, max_size=THREADS, kwargs=options) as pool:
        graph = eight_nodes().compile(checkpointer=PostgresSaver(pool))

        def run(name: str) -> None:
            config = {"configurable": {"thread_id": name}}
            ended = graph.invoke({"done": []}, config, durability="sync")
            if len(ended["done"]) != 8:
                raise RuntimeError(f"{name} ended with {len(ended['done'])} nodes")

        yield run


if __name__ == "__main__":
    measure(opened, prepare)
