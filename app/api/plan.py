"""A plan to look at: assembled, explained and priced, without storing or running anything."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from app.api.operations import json_reply, operation
from app.api.submission import read_envelope
from app.aside import run_aside
from app.auth import tenant
from app.extensions import services
from models.unit_of_work import open_unit
from planner.assembly.diagnostics import PlanRejectedError, report, report_on
from planner.assembly.explain import explanation, mermaid, plan_cost
from planner.assembly.modes import plan_in_mode
from planner.assembly.request import Situation
from planner.plan.codec import plan_to_json

blueprint = Blueprint("plan", __name__, url_prefix="/api/v1/flex", description="Plans before they run")


@operation(
    blueprint,
    "POST",
    "/plan",
    name="previewPlan",
    replies={200: json_reply("The plan, or why there is none", "PlanPreview")},
    body="TaskEnvelope",
)
def preview_plan() -> Response:
    """Show the plan that an envelope would get; nothing is stored, nothing runs, and no model is asked."""
    (_, envelope), catalogue, mode = read_envelope(), services().catalogue, services().settings.planner_mode
    with open_unit(tenant()) as unit:
        registry, situation = unit.capabilities.snapshot(), Situation(measured=unit.measured.snapshot())
    most_rows = services().settings.crcs_max_rows
    try:
        plan = run_aside(
            lambda: plan_in_mode(mode, envelope, registry, catalogue, situation=situation, most_rows=most_rows)
        )
    except PlanRejectedError as rejected:
        return jsonify(_rejection(rejected))
    told = plan.metadata["plannerDiagnostics"]
    return jsonify(
        {
            "status": plan.metadata["status"],
            "plan": plan_to_json(plan),
            "cost": plan_cost(plan, registry),
            "diagnostics": report_on(told, plan.metadata["satisfactionScore"]),
            "explanation": explanation(plan),
            "mermaid": mermaid(plan),
        }
    )


def _rejection(rejected: PlanRejectedError) -> dict[str, Any]:
    return {
        "status": "rejected",
        "plan": None,
        "cost": {"total": 0, "parts": []},
        "diagnostics": report(rejected.diagnostics),
        "explanation": {"summary": rejected.message, "notes": [], "nodes": []},
        "mermaid": None,
    }
