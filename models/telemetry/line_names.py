"""The names of log lines: when each is written and what it may hold, and the names that are absent, with the reason."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One line: its name (`event` in the JSON), its level, and when it is written."""

    name: str
    level: str
    when: str


FRAME_LINES = (
    Line("flex_run_start", "info", "a run is stored (frame `start`)"),
    Line("flex_plan_requested", "info", "its planning begins, or a further draft is asked for"),
    Line("flex_plan_rejected", "warning", "no plan can be made, or a draft lost; `codes` names the diagnostics"),
    Line(
        "flex_plan_generated",
        "info",
        "a plan is stored; `choices` has, per node, the capability, its score, the runners-up and the alternatives",
    ),
    Line("flex_plan_branch", "info", "the plan forks"),
    Line("flex_plan_fallback", "info", "no capability was good enough for a part of the plan"),
    Line("flex_plan_updated", "info", "a new version of the plan takes over; `choices` as above"),
    Line("flex_node_start", "info", "an attempt at a node begins"),
    Line("flex_node_complete", "info", "a node has its result"),
    Line("flex_node_error", "warning", "a node failed, or its capability was given up; `code` says how"),
    Line("flex_virtual_node_start", "info", "as flex_node_start, for a node that the run loop computes"),
    Line("flex_virtual_node_complete", "info", "as flex_node_complete, for such a node"),
    Line("flex_virtual_node_error", "warning", "as flex_node_error, for such a node"),
    Line("flex_routing_node_start", "info", "as flex_node_start, for a routing node"),
    Line("flex_routing_node_complete", "info", "as flex_node_complete, for a routing node"),
    Line("flex_routing_node_error", "warning", "as flex_node_error, for a routing node"),
    Line("flex_node_retry", "info", "the next attempt is announced; `attempt` is its number, `reason` why"),
    Line("flex_node_skipped", "info", "a node is passed over"),
    Line("flex_rewrite_started", "info", "a node's result is to be made again"),
    Line("flex_validation_failed", "warning", "an output breaks a contract; `scope` says which, `codes` the keywords"),
    Line("flex_policy_triggered", "info", "a runtime policy fired"),
    Line("flex_policy_update", "info", "a policy's state changed"),
    Line("flex_goal_condition_failed", "info", "the result misses a goal"),
    Line("flex_feedback_resolution", "info", "findings of an earlier review are settled"),
    Line("flex_hitl_request", "info", "a person is asked"),
    Line("flex_hitl_update", "info", "a question or its answer goes on"),
    Line("flex_hitl_resolved", "info", "a person answered; `outcome` is the request's status"),
    Line("flex_hitl_rejection", "info", "a person answered with a no"),
    Line("flex_run_paused", "info", "a run is paused"),
    Line("flex_run_resume_start", "info", "a run goes on after a pause (frame `run_resumed`)"),
    Line("flex_log", "info", "a remark in the run's log; its `severity`, not its text"),
    Line("flex_run_complete", "info", "the run has ended; `outcome` says how, `code` why it failed"),
)
"""One per stored frame, after the commit, in the order of the run's log."""

BESIDE_LINES = (
    Line(
        "flex_planner_crcs_metrics",
        "info",
        "beside a plan: its reachable set has `mrcs` of `considered` capabilities; it tells of `rows`, by `reasons`",
    ),
    Line(
        "flex_planner_missing_facets",
        "warning",
        "beside a refusal, or a question to a person: `missing` are the facets that nobody makes, or may, or can",
    ),
    Line(
        "flex_planner_missing_pinned_capabilities",
        "warning",
        "beside a refusal: `missing` are required, and no plan can hold them or the draft does not",
    ),
    Line(
        "flex_planner_dropped_facet",
        "info",
        "a draft gives a node a `facet` that it has not: the draft is refused, or goes without it (`not_taken`)",
    ),
    Line(
        "flex_capability_exhausted",
        "warning",
        "a capability is not tried again at a node; an alternative, a person or the end of the run follows",
    ),
    Line(
        "flex_hitl_rejection_default_fail",
        "info",
        "a node fails because a person said no and nothing says what else is to follow",
    ),
)
"""Further lines that follow from a frame, right behind its own."""

CHANGE_LINES = (
    Line("flex_node_cancelled", "info", "a node ends with its run, unfinished; `attempt` is the last that was begun"),
    Line("flex_node_superseded", "info", "a node is not part of the plan any more; `plan_version` last held it"),
    Line("flex_run_status", "info", "a run has another status; `duration_ms` is the time since it was created"),
    Line("flex_hitl_pause", "info", "beside it, when nothing but a person's answer can move the run"),
    Line("flex_human_node_pause", "info", "beside it, when nothing but a person's work can move the run"),
    Line("flex_capability_registered", "info", "a capability is registered, first or again"),
    Line("flex_capability_self_registered", "info", "a built-in capability registers itself"),
    Line("flex_capability_marked_inactive", "info", "a capability left (`deregistered`) or fell silent"),
    Line("flex_capability_dispatch_start", "info", "an agent is called"),
    Line(
        "flex_capability_dispatch_complete", "info", "the call is over; `outcome` is done, asked, lost or the failure"
    ),
    Line("flex_metric", "debug", "what a frame or a status adds to a metric: `metric`, `value`, `labels`"),
    Line("traces_unavailable", "warning", "a collector is set, and the extra `otel` is not installed"),
    Line("flex_telemetry_process_error", "error", "an observer broke; `observer` names it, the rest was told"),
)
"""Changes of rows, calls of agents, and telemetry itself."""

WORK_LINES = (
    Line("flex_planner_failure", "error", "the planner itself broke on an envelope; the run fails as no_plan"),
    Line("flex_planner_prompt_metrics", "info", "a model is asked for a draft of a plan; characters and table rows"),
    Line("flex_planner_draft_received", "info", "the attempt is over; `outcome` and `codes` say what came of it"),
    Line("flex_planner_draft_failure", "error", "the talk with the model broke; the search's plan is used"),
    Line("late_plan_refused", "info", "a plan came when the run was no longer this planner's"),
    Line("late_result_refused", "info", "a result came when its lease was lost; nothing was stored"),
    Line("claim_refused", "debug", "a node was not to be had: another worker has it, or the run moved on"),
    Line("attempt_failed", "info", "an attempt gave nothing of use; `next` says what follows"),
    Line("agent_crashed", "error", "an agent's own code broke"),
    Line("lane_failed", "error", "a lane's task broke outside its nodes; its leases are taken back"),
    Line("lease_lost", "info", "a lease is no longer ours; its call is stopped"),
    Line("heartbeat_missed", "warning", "leases could not be extended: the database is away"),
    Line("heartbeat_failed", "error", "leases could not be extended for another reason"),
    Line("run_nudged", "info", "a run was looked at again because nobody answered"),
    Line("run_gone", "warning", "a message names a run that is not there"),
    Line("publish_failed", "warning", "the broker did not take a message; the sweep will do it"),
    Line("live_publish_failed", "warning", "Redis did not take frames for the open streams; they stand in the log"),
    Line("after_commit_failed", "error", "what follows a commit broke; the commit stands"),
    Line(
        "database_unavailable",
        "warning",
        "a task ended early because the database is away; its message is handed back, ten times at most",
    ),
)
"""Workers, in the order of a run."""

WEB_LINES = (
    Line("request", "info", "a request was answered, or its stream begun; health checks are left out"),
    Line("flex_run_backlog_reject", "info", "a request was refused for want of room; `pending` of `limit` are taken"),
    Line(
        "flex_sse_queue",
        "info",
        "a stream waited for its turn to be opened, `duration_ms` long; `limit` have it at once",
    ),
    Line("request_failed", "error", "a request broke on a fault of ours"),
    Line("live_stream_unavailable", "warning", "the relay cannot read Redis; it asks the log meanwhile"),
    Line("live_stream_restarted", "info", "the live stream began anew; the relay follows from its start"),
    Line("event_log_unavailable", "warning", "the relay cannot read the log"),
    Line("slow_client_cut", "info", "a client did not keep up; it may come back with its last id"),
    Line("stream_failed", "error", "an open stream broke on a fault of ours and was closed"),
    Line("websocket_failed", "error", "an open WebSocket broke on a fault of ours and was closed"),
    Line("builtin_capabilities_registered", "info", "the built-in capabilities are in the registry"),
    Line("builtin_capabilities_not_registered", "warning", "they could not be registered; it is tried again"),
    Line("audit_not_written", "warning", "the database was away when a refused mutation was to be recorded"),
    Line("rates_counted_in_process", "warning", "Redis is away; each web process counts requests for itself"),
    Line("metrics_source_failed", "warning", "`/metrics` could not ask one table"),
)
"""Web processes."""

LINES = (*FRAME_LINES, *BESIDE_LINES, *CHANGE_LINES, *WORK_LINES, *WEB_LINES)

ABSENT_LINES: dict[str, str] = {
    "sse_*": "streams are followed by flex_sse_queue, slow_client_cut and the gauge flex.stream.listeners",
    "flex_normalization_injected": "a mapping is a node with its own flex_virtual_node_start and _complete",
    "flex_capability_self_register_failed": "told for all at once: builtin_capabilities_not_registered",
    "flex_capability_condition_failed, flex_capability_condition_error": "capabilities' conditions are not judged yet",
    "flex_post_condition_retry": "post-conditions are not judged yet",
    "flex_contract_debug, flex_validation_debug": "would hold contents",
    "flex_runtime_policy_*, flex_runtime_startup_policy_missing_node": "runtime policies are not run yet",
    "flex_goal_condition_evaluated": "goal conditions are not judged yet",
    "hitl_rejection_default_fail": "one fact, one line: flex_hitl_rejection_default_fail",
    "hitl_request_created, hitl_response_recorded": "one fact, one line: flex_hitl_request, flex_hitl_resolved",
    "hitl_resume_api, hitl_cancel_api, request_received, request_completed": "every request is one line: request",
    "hitl_request_denied": "a question over HITL_MAX_REQUESTS is not denied, it waits for its turn: flex_log",
    "hitl_autofix, hitl_fallback_used": "nothing mends or answers a question by itself",
    "flex_task_declined": "there are no human tasks yet",
    "flex_schema_hash_failed": "cannot happen: what has no hash is refused before it is stored",
    "flex_sandbox_*": "there is no sandbox yet",
    "strategist_retrieval_*, tool_invalid_args": "there is no retrieval, and agents have no tools",
    "health_probe": "left out on purpose: it would bury the rest",
}
"""Known by name to users of other versions; not written, and why."""

FACTS: dict[str, str] = {
    "run_id, seq": "the run, and the number of the frame in its log",
    "of_seq": "the number of the frame that a further line follows from",
    "correlation_id": "of the request that made the run",
    "tenant": "whose it is",
    "plan_version": "0 before the first plan",
    "node_id, node_status": "the node, and its status from now on",
    "capability_id": "who works on it",
    "facets": "names on the input and output side; never values",
    "attempt": "1, 2, 3 … per node, or per planning",
    "duration_ms": "of the attempt (of a retry: the failed one), the call, the request, the wait, or the run so far",
    "outcome, code, codes, reason": "how it went, in names",
    "status, previous": "of the run",
    "prompt_tokens, completion_tokens, cost": "what was consumed",
    "choices": "node_id, capability_id, score, runners_up (capability_id, score, lost_on), alternatives",
}
"""What lines hold; further facts are counts and names, told in the table of lines."""
