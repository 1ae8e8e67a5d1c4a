"""A Flex worker whose agents do nothing, or sleep for as long as BENCH_NODE_SECONDS says; all else is the product."""

from __future__ import annotations

import os
import time
from typing import Any

import tasks.nodes
from planner.progress.bundle import AgentBundle
from tasks.agents.base import AgentResult, CancelToken
from tasks.celery_app import celery as celery
from tests.bench.graph import FACET

SECONDS = float(os.environ.get("BENCH_NODE_SECONDS", "0"))  # noqa: TID251 - a benchmark's own switch


class IdleAgent:
    """Gives the one facet that the benchmark's nodes promise."""

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        if SECONDS:
            cancel.wait(SECONDS)
        return AgentResult({FACET: f"{bundle.node_id} at {time.time_ns()}"})


def _idle(*_: Any) -> IdleAgent:
    return IdleAgent()


# Replaced where it is used, which the module does not offer to others.
tasks.nodes.agent_for = _idle  # type: ignore[attr-defined,assignment]  # the same
