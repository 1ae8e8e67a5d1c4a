"""Everything known about one run in one document, for people who want to understand it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from models.events.frames import timestamp_text
from models.repositories.runs import Run
from models.unit_of_work import UnitOfWork

DECISION_TYPES = ("policy_triggered", "policy_update", "plan_updated", "hitl_resolved")


def run_snapshot(unit: UnitOfWork, run_id: str) -> dict[str, Any]:
    """Return the run with its output, plan versions, nodes, decisions, policies and costs. Raises RunNotFoundError."""
    run = unit.runs.get(run_id)
    nodes = unit.nodes.list(run_id)
    versions = unit.plans.versions(run_id)
    output = unit.outputs.get(run_id)
    decisions = unit.events.page(run_id, types=DECISION_TYPES)
    return {
        "ok": True,
        "run": {**_run_document(run), "contextSnapshot": _context(nodes)},
        "output": output,
        "planVersions": versions,
        "latestSnapshot": versions[-1] if versions else None,
        "planDrafts": unit.plan_drafts.list(run_id),
        "nodes": nodes,
        "decisions": [frame.as_json() for frame in decisions],
        "hitlRequests": unit.hitl.of_run(run_id),
        "policyMap": _policy_map(run.envelope),
        "goalConditionResults": (output or {}).get("goalConditionResults") or [],
        "costs": {**run.usage, "parts": _parts(nodes)},
    }


def _run_document(run: Run) -> dict[str, Any]:
    return {
        **run.summary(),
        "threadId": run.thread_id,
        "correlationId": run.correlation_id,
        "clientId": run.client_id,
        "schemaHash": run.schema_hash,
        "metadata": dict(run.metadata),
        "envelope": dict(run.envelope),
        "lastSeq": run.last_seq,
        "usage": run.usage,
        "finishedAt": None if run.finished_at is None else timestamp_text(run.finished_at),
    }


def _context(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the nodes produced, by facet: the latest value, and every node that gave one."""
    facets: dict[str, dict[str, Any]] = {}
    done = [node for node in nodes if node["status"] == "completed" and isinstance(node["output"], Mapping)]
    for node in sorted(done, key=lambda one: one["completedAt"] or ""):
        for facet, value in node["output"].items():
            known = facets.get(facet, {"provenance": []})
            source = {
                "nodeId": node["nodeId"],
                "capabilityId": node["capabilityId"],
                "timestamp": node["completedAt"],
            }
            facets[facet] = {
                "value": value,
                "updatedAt": node["completedAt"],
                "provenance": [*known["provenance"], source],
            }
    return {"facets": facets, "hitlClarifications": []}


def _policy_map(envelope: Mapping[str, Any]) -> dict[str, Any]:
    policies = envelope.get("policies") or {}
    runtime = policies.get("runtime") or [] if isinstance(policies, Mapping) else []
    return {policy["id"]: policy for policy in runtime if isinstance(policy, Mapping) and "id" in policy}


def _parts(nodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"nodeId": node["nodeId"], "capabilityId": node["capabilityId"], **node["usage"]}
        for node in nodes
        if node["usage"]
    ]
