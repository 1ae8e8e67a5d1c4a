"""Laws of `next_step`: it is a function, it never raises, and it leaves every open run a reason to move."""

from __future__ import annotations

from hypothesis import given

from planner.plan.graph import PlanGraph
from planner.progress import steps
from planner.progress.state import TERMINAL, RunState
from planner.progress.steps import next_step
from tests.support.factories import make_state, plans, run_states


@given(run_states())
def test_the_same_state_gives_the_same_step_and_none_raises(state: RunState) -> None:
    assert next_step(state) == next_step(state)


@given(run_states())
def test_only_ended_and_paused_runs_rest(state: RunState) -> None:
    assert isinstance(next_step(state), steps.Rest) is (state.status in TERMINAL or state.status == "paused")


@given(run_states())
def test_every_open_run_keeps_a_reason_to_move(state: RunState) -> None:
    step = next_step(state)
    if isinstance(step, steps.Wait):
        # A wait ends, and names what it is for.
        assert step.until > state.now or any(r.expires_at == step.until for r in state.requests)
        assert step.waiting_for
    elif isinstance(step, steps.AskHuman):
        # Somebody is asked who has not answered yet.
        assert step.requests
        assert all(request.answer is None for request in step.requests)
    elif isinstance(step, steps.Dispatch):
        assert step.lanes
    elif isinstance(step, steps.Reclaim | steps.Compute):
        assert step.node_ids


@given(run_states())
def test_only_nodes_that_may_start_are_started(state: RunState) -> None:
    step = next_step(state)
    if isinstance(step, steps.Dispatch):
        firsts = [lane.node_ids[0] for lane in step.lanes]
    elif isinstance(step, steps.Compute):
        firsts = list(step.node_ids)
    else:
        return
    for node_id in firsts:
        node = state.nodes[node_id]
        assert node.status in {"pending", "retrying"}
        assert node.waiting == 0
        assert node.retry_at is None or node.retry_at <= state.now


@given(plans())
def test_a_run_whose_steps_all_succeed_finishes_with_every_node_settled_once(plan: PlanGraph) -> None:
    # Given a plan, and an outside world in which everything that is dispatched completes
    done: dict[str, dict[str, object]] = {}
    settled: list[str] = []
    for _ in range(len(plan.nodes) + 1):
        # When the loop is asked again and again
        step = next_step(make_state(plan, done))
        if isinstance(step, steps.Finish):
            break
        assert isinstance(step, steps.Compute | steps.Dispatch)
        ids = step.node_ids if isinstance(step, steps.Compute) else [n for lane in step.lanes for n in lane.node_ids]
        settled.extend(ids)
        done.update({node_id: {"status": "completed"} for node_id in ids})
    # Then it finishes, each node was settled once, and none before its parents
    assert sorted(settled) == sorted(plan.order)
    assert all(settled.index(edge.source) < settled.index(edge.target) for edge in plan.edges)
