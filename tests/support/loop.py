"""The run loop in this process: the real tasks on a real database, with the broker and the agents in a test's hand.

`Loop` takes what `tasks.dispatch` would publish (its one seam, `_send`) and keeps it as messages in a list. A test
delivers them, once, twice or never, in any order and from any thread; it lets time pass by moving every stored moment
into the past; and it says what agents do, node by node. What is not said is done by the real offline agent.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from celery.canvas import Signature
from sqlalchemy import text

import tasks.nodes
import tasks.planning
import tasks.runs
import tasks.sweep
import tasks.walk
from models.builtins import register_builtins
from models.catalogue import catalogue
from models.database import engine
from models.repositories import capabilities as registry
from models.repositories.runs import Run
from models.settings import Settings
from models.tables.base import clock
from models.unit_of_work import open_unit
from planner.contracts.capabilities import Capability
from planner.envelope import check_envelope
from planner.plan.graph import PlanGraph
from planner.progress.bundle import AgentBundle
from tasks import dispatch, frames
from tasks.agents.base import AgentResult, CancelToken
from tasks.agents.offline.agent import OfflineAgent
from tasks.base import WORKER
from tasks.heartbeat import Heartbeat
from tests.support.factories import make_capability

Step = Callable[[AgentBundle, CancelToken], AgentResult]
Frame = dict[str, Any]
TASKS = {
    task.name: task
    for task in (tasks.runs.plan_run, tasks.runs.advance_run, tasks.runs.cancel_run, tasks.runs.walk_lane)
}


class WorkerDiedError(BaseException):
    """The process is gone in the middle of an attempt: nothing behind this point happens."""


@dataclass(frozen=True)
class Message:
    """What a worker would get: a task by name, ids, and the links of a chain that follow it."""

    task: str
    ids: Mapping[str, Any]
    chain: tuple[Message, ...] = ()


@dataclass
class ScriptedAgents:
    """Stands in for `tasks.agents.registry.agent_for`: by node id, what each attempt does, in order.

    `meanwhile` is what the rest of the world does in the middle of every attempt.
    """

    script: dict[str, list[Step]] = field(default_factory=dict)
    bundles: list[AgentBundle] = field(default_factory=list)
    meanwhile: Callable[[AgentBundle], None] | None = None

    def on(self, node_id: str, *steps: Step) -> None:
        """Let the node's next attempts do `steps`; those after them are done by the offline agent."""
        self.script.setdefault(node_id, []).extend(steps)

    def always(self, node_id: str, step: Step) -> None:
        self.script[node_id] = [step] * 99

    def attempts(self, node_id: str) -> list[AgentBundle]:
        return [bundle for bundle in self.bundles if bundle.node_id == node_id]

    def __call__(self, _capability: Capability, _settings: Settings) -> ScriptedAgents:
        return self

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        self.bundles.append(bundle)
        if self.meanwhile is not None:
            self.meanwhile(bundle)
        steps = self.script.get(bundle.node_id)
        return steps.pop(0)(bundle, cancel) if steps else OfflineAgent().run(bundle, cancel=cancel)


def gives(**output: Any) -> Step:
    """Return an attempt that gives this output."""
    return lambda _bundle, _cancel: AgentResult(dict(output))


def raises(error: BaseException) -> Step:
    """Return an attempt that ends with this error."""

    def step(_bundle: AgentBundle, _cancel: CancelToken) -> AgentResult:
        raise error

    return step


def dies() -> Step:
    """Return an attempt in whose middle the worker is killed."""
    return raises(WorkerDiedError())


class Loop:
    """A service of one process without threads of its own: messages move when the test says so."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.waiting: list[Message] = []
        self.published: list[Message] = []
        self.agents = ScriptedAgents()
        self.heartbeat = Heartbeat(WORKER)
        self.heartbeat._thread = threading.current_thread()  # beats come from the test, not from a thread
        patch.setattr(dispatch, "_send", self._take)
        patch.setattr(tasks.nodes, "agent_for", self.agents)
        for module in (tasks.walk, tasks.planning):
            patch.setattr(module, "heartbeat", self.heartbeat)
        register_builtins()

    # -- runs

    def submit(self, envelope: Mapping[str, Any], *, tenant: str = "default") -> str:
        """Store a run and publish its planning, as the web does."""
        with open_unit(tenant) as unit:
            checked = check_envelope(dict(envelope), catalogue())
            run = unit.runs.create(envelope=checked, correlation_id="corr-1")
            unit.on_commit(lambda: dispatch.plan_run(run.run_id, run.epoch))
        return run.run_id

    def install(self, plan: PlanGraph, *, tenant: str = "default", values: Mapping[str, Any] | None = None) -> str:
        """Store a run with this plan, as its planner would, register its capabilities, and look at it."""
        return install_run(plan, tenant=tenant, values=values, look=True)

    def run(self, run_id: str) -> Run:
        with open_unit(None) as unit:
            return unit.runs.get(run_id)

    def frames(self, run_id: str) -> list[Frame]:
        with open_unit(None) as unit:
            return [frame.as_json() for frame in unit.events.page(run_id)]

    def told(self, run_id: str, *types: str) -> list[Frame]:
        return [frame for frame in self.frames(run_id) if frame["type"] in types]

    def nodes(self, run_id: str) -> dict[str, dict[str, Any]]:
        with open_unit(None) as unit:
            return {node["nodeId"]: node for node in unit.nodes.list(run_id)}

    def requests(self, run_id: str) -> list[dict[str, Any]]:
        with open_unit(None) as unit:
            return [r for r in unit.hitl.of_run(run_id) if r["status"] == "pending"]

    def answer(self, run_id: str, **response: Any) -> None:
        """Answer the run's one open request, as the web does."""
        (request,) = self.requests(run_id)
        with open_unit() as unit:
            unit.hitl.resolve(request["id"], [response], operator={"id": "op-1"})
            unit.on_commit(lambda: dispatch.advance_run(run_id))

    def cancel(self, run_id: str) -> None:
        with open_unit() as unit:
            unit.runs.cancel(run_id)
            unit.on_commit(lambda: dispatch.cancel_run(run_id))

    # -- messages

    def deliver(self, message: Message) -> None:
        """Let a worker have the message; a worker that dies takes what it had with it."""
        task = TASKS[message.task]
        task.push_request(id="task-1", chain=list(message.chain), headers={})
        try:
            task(**message.ids)
            following: Any = task.request.chain
        except WorkerDiedError:
            return
        finally:
            task.pop_request()
        if following:
            first, *rest = following
            self._publish(Message(first.task, first.ids, tuple(rest)))

    def drain(self) -> None:
        """Deliver messages in the order in which they were published until there are none."""
        while self.waiting:
            self.deliver(self.waiting.pop(0))

    def drain_in_threads(self, count: int) -> None:
        """Deliver messages from several threads until none is left and nobody works on one."""
        changed, busy = threading.Condition(), set[int]()

        def work() -> None:
            while True:
                with changed:
                    changed.wait_for(lambda: self.waiting or not busy)
                    if not self.waiting:
                        return
                    message = self.waiting.pop(0)
                    busy.add(threading.get_ident())
                try:
                    self.deliver(message)
                finally:
                    with changed:
                        busy.discard(threading.get_ident())
                        changed.notify_all()

        workers = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(30)
        assert not any(worker.is_alive() for worker in workers)

    def settle(self, run_id: str, most: int = 40) -> Run:
        """Let messages, time and sweeps do their work until the run has ended or only a person can move it."""
        for _ in range(most):
            self.drain()
            run = self.run(run_id)
            if run.wake_at is None:
                return run
            self.pass_time_until_due(run_id)
            self.sweep()
        raise AssertionError(f"the run does not come to its end: {self.run(run_id)}")

    def sweep(self) -> None:
        tasks.sweep.sweep()

    # -- time

    def pass_time(self, seconds: float) -> None:
        """Let time pass: every moment that is stored moves into the past."""
        pass_time(seconds)

    def pass_time_until_due(self, run_id: str) -> None:
        """Let exactly the time pass that the run said it would wait."""
        run = self.run(run_id)
        assert run.wake_at is not None
        self.pass_time(max(0.0, (run.wake_at - database_now()).total_seconds()))

    def _take(self, canvas: Signature) -> None:
        for message in _messages(canvas):
            self._publish(message)

    def _publish(self, message: Message) -> None:
        self.published.append(message)
        self.waiting.append(message)


def install_run(
    plan: PlanGraph, *, tenant: str = "default", values: Mapping[str, Any] | None = None, look: bool = False
) -> str:
    """Store a run whose plan is given and whose contract asks for every facet of the plan's output as a text."""
    wanted = plan.metadata["output"]["facets"]
    texts = {facet: {"type": "string", "minLength": 3} for facet in wanted}
    contract = {"mode": "json_schema", "schema": {"type": "object", "required": wanted, "properties": texts}}
    envelope = check_envelope({"objective": "Do the steps of the plan", "outputContract": contract}, catalogue())
    with open_unit(tenant) as unit:
        for capability_id in _capabilities_of(plan):
            unit.capabilities.register(make_capability(capability_id))
        run = unit.runs.create(envelope=envelope, correlation_id="corr-1")
        intake = {"objective": envelope.objective, "specialInstructions": [], "values": dict(values or {})}
        unit.plans.add(run, plan, intake=intake)
        unit.nodes.install(run, plan)
        planned = frames.plan_generated(run.run_id, plan)
        changes = {"status": "running", "plan_version": plan.version, "wake_at": clock}
        unit.events.append(run.run_id, *planned, changes=changes)
        if look:
            unit.on_commit(lambda: dispatch.advance_run(run.run_id))
    return run.run_id


def pass_time(seconds: float) -> None:
    """Move the moments of every run and node so many seconds into the past."""
    moved = {
        "flex_runs": ("wake_at", "planning_lease_until", "dispatched_at"),
        "flex_plan_nodes": ("lease_until", "deadline", "retry_at", "dispatched_at"),
        "hitl_requests": ("expires_at",),
    }
    with engine().begin() as connection:
        for table, columns in moved.items():
            sets = ", ".join(f"{column} = {column} - make_interval(secs => :s)" for column in columns)
            connection.execute(text(f"UPDATE {table} SET {sets}"), {"s": seconds + 0.001})


def age_capability(capability_id: str, seconds: float) -> None:
    """Let a capability's last heartbeat lie so many seconds further back."""
    statement = (
        "UPDATE flex_capabilities SET last_seen_at = last_seen_at - make_interval(secs => :s) WHERE capability_id = :c"
    )
    with engine().begin() as connection:
        connection.execute(text(statement), {"s": seconds, "c": capability_id})
    registry._snapshots.forget()


def database_now() -> Any:
    with engine().begin() as connection:
        return connection.execute(text("SELECT clock_timestamp()")).scalar_one()


def run_together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Call `act(0)` … `act(count - 1)` at the same moment, each in a thread; return results, errors included."""
    barrier = threading.Barrier(count)
    results: list[Any] = [None] * count

    def one(number: int) -> None:
        barrier.wait(10)
        try:
            results[number] = act(number)
        except Exception as error:  # noqa: BLE001 - what was raised is what the test asks for
            results[number] = error

    threads = [threading.Thread(target=one, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def _capabilities_of(plan: PlanGraph) -> Iterable[str]:
    named = [c for node in plan.nodes if not node.virtual for c in (node.capability_id, *node.alternatives)]
    return dict.fromkeys(c for c in named if c)


def _messages(canvas: Any) -> list[Message]:
    """Return what Celery would publish at once, a chain's later links inside its first message."""
    if canvas["task"] == "celery.chord":
        return [message for member in canvas.tasks for message in _messages(member)]
    links = [Message(link["task"], dict(link.kwargs)) for link in getattr(canvas, "tasks", [canvas])]
    return [Message(links[0].task, links[0].ids, tuple(links[1:]))]
