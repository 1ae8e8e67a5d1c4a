"""Ask a person for what the plan holds a fallback node for: a value, a candidate after all, or the end of the run."""

from __future__ import annotations

from models.tables.base import clock
from planner.progress import steps
from tasks import frames, requests
from tasks.context import Again, Context, Next


def ask(context: Context, step: steps.Ask) -> Next:
    """Put the question of each ready fallback node; its node waits for the answer and holds no worker."""
    unit, run = context.unit, context.run
    for node_id in step.node_ids:
        node = context.plan.plan.node(node_id)
        attempt = context.state.nodes[node_id].attempt + 1
        start = frames.node_start(node, attempt=attempt, capability_id=None)
        unit.events.append(run.run_id, start, unit.hitl.ask(run, requests.for_fallback(node)))
        unit.nodes.change(run.run_id, [node_id], status="awaiting_hitl", attempt=attempt, started_at=clock)
    return Again()
