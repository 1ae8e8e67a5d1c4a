"""The names that dashboards and alerts stand on: every metric with its labels and meaning, and those that are absent.

A dotted name is the metric's own; Prometheus spells it with underscores and, for a counter, with `_total` behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `unit` is part of its name where there is one."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str

    @property
    def prometheus(self) -> str:
        """Return the name of its family; the samples of a counter carry `_total` behind it."""
        return self.name.replace(".", "_")

    @property
    def help(self) -> str:
        return f"{self.name}: {self.meaning}"


METRICS: tuple[Metric, ...] = (
    Metric("flex.run.status", "gauge", ("status",), "runs by their present status"),
    Metric("flex.run.ended", "counter", ("status", "reason"), "runs that have ended, by how and why"),
    Metric("flex.run.duration_ms", "histogram", ("status",), "from the creation of a run to its end"),
    Metric(
        "flex.run.tokens", "counter", ("direction",), "tokens that runs have consumed, of prompts and of completions"
    ),
    Metric("flex.run.cost", "counter", (), "what runs have cost, in the currency of the capabilities' prices"),
    Metric("flex.node.status", "gauge", ("status", "kind", "capability_id"), "nodes by their present status"),
    Metric("flex.node.attempts", "counter", ("capability_id",), "attempts that have begun"),
    Metric("flex.node.duration_ms", "histogram", ("capability_id",), "the attempt that gave a node its result"),
    Metric("flex.node.retries", "counter", ("reason",), "attempts announced after the first, by the reason"),
    Metric("flex.validation.retries", "counter", ("scope",), "outputs that broke a contract, by what was checked"),
    Metric("flex.planner.requests", "counter", ("phase",), "plannings that have begun, and further drafts asked for"),
    Metric("flex.planner.rejections", "counter", (), "plannings that found no plan, and drafts that lost"),
    Metric("flex.planner.generated", "counter", (), "first plans that were stored"),
    Metric("flex.planner.updated", "counter", (), "further versions of plans that were stored"),
    Metric("flex.planner.prompt.total_chars", "histogram", (), "characters of what a model is asked for a draft"),
    Metric("flex.planner.prompt.system_chars", "histogram", (), "of these, in the system prompt"),
    Metric("flex.planner.prompt.user_chars", "histogram", (), "of these, in what is said of the run"),
    Metric(
        "flex.planner.crcs.rows",
        "histogram",
        ("row_cap",),
        "rows of the reachable set that a stored plan tells of, by how many it may",
    ),
    Metric("flex.planner.crcs.mrcs", "histogram", (), "capabilities in the reachable set that a plan was searched in"),
    Metric("flex.planner.crcs.reason", "histogram", ("reason",), "rows of a plan's reachable set that have a reason"),
    Metric(
        "flex.planner.crcs.missing_pinned",
        "histogram",
        (),
        "capabilities that policies name and no plan can hold, per stored plan and per planning refused for them",
    ),
    Metric("flex.hitl.requests", "counter", ("kind", "purpose"), "questions put to people"),
    Metric("flex.hitl.resolved", "counter", ("kind", "purpose"), "questions that a person answered, either way"),
    Metric("flex.hitl.rejected", "counter", ("kind", "purpose"), "questions that a person answered with a no"),
    Metric("flex.hitl.open", "gauge", ("kind", "purpose"), "questions that wait for a person"),
    Metric("flex.hitl.oldest_open_seconds", "gauge", (), "how long the oldest open question has waited"),
    Metric("flex.policy.triggers", "counter", (), "runtime policies that fired; zero until policies run"),
    Metric("flex.goal_condition.replans", "counter", (), "replans for an unmet goal; zero until goals are judged"),
    Metric(
        "flex.feedback.resolution", "counter", (), "frames that tell of settled feedback; zero until there are some"
    ),
    Metric("flex.capability.status", "gauge", ("status", "kind", "agent_type"), "registered capabilities"),
    Metric("flex.queue.due_runs", "gauge", (), "open runs whose wake-up is due and which nobody has looked at yet"),
    Metric("flex.queue.oldest_due_seconds", "gauge", (), "how long the oldest of those has been due"),
    Metric("flex.queue.ready_nodes", "gauge", ("dispatched",), "nodes that could start: published to workers, or not"),
    Metric("flex.queue.overdue_leases", "gauge", (), "leases that ran out and that no sweep has taken back yet"),
    Metric("flex.queue.due_timers", "gauge", (), "timers whose moment has passed"),
    Metric(
        "flex.canary.age_seconds", "gauge", ("queue",), "since a queue last finished a canary; +Inf if it never did"
    ),
    Metric("flex.events.stored", "counter", (), "frames in the logs of all runs"),
    Metric("flex.events.size_bytes", "gauge", (), "the event log on disk, with its indexes"),
    Metric("flex.stream.listeners", "gauge", (), "event streams open at this web process"),
    Metric(
        "flex.scrape.source_up", "gauge", ("source",), "1 for each table that could be asked, 0 for one that could not"
    ),
)

BY_NAME = {metric.name: metric for metric in METRICS}

ABSENT: dict[str, str] = {
    "flex.capability_condition_failed": "conditions of capabilities are not judged yet",
    "flex.capability_condition_error": "conditions of capabilities are not judged yet",
    "flex.goal_condition.total": "goal conditions are not judged yet",
    "flex.goal_condition.satisfied": "goal conditions are not judged yet",
    "flex.goal_condition.failed": "goal conditions are not judged yet",
    "flex.goal_condition.errors": "goal conditions are not judged yet",
}
"""Known by name to users of other versions; not emitted, and why."""
