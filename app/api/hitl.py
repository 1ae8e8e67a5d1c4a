"""Questions that runs ask people, and the one door through which an answer comes in."""

from __future__ import annotations

from flask import Response, jsonify
from flask_smorest import Blueprint

from app.api.decisions import check_resolution
from app.api.operations import json_reply, operation
from app.auth import tenant
from app.body import read_json
from app.doorbell import ring
from app.mutation import Done, carry_out
from models.errors import HitlRequestNotFoundError
from models.unit_of_work import UnitOfWork, open_unit
from tasks import dispatch

blueprint = Blueprint("hitl", __name__, url_prefix="/api", description="Approvals and clarifications")

RESOLVED = json_reply("The decision as recorded; the run goes on with it", "HitlDecision")


@operation(
    blueprint,
    "GET",
    "/hitl/pending",
    name="listPendingRequests",
    replies={200: json_reply("Open requests", "HitlPending")},
)
def list_pending_requests() -> Response:
    """List the requests that wait for a person, newest first."""
    with open_unit(tenant()) as unit:
        pending = unit.hitl.pending()
    return jsonify({"ok": True, "runs": pending, "data": pending, "nextCursor": None})


@operation(
    blueprint,
    "POST",
    "/hitl/resume",
    name="resumeHitl",
    replies={200: RESOLVED},
    problems=(404, 409),
    body="HitlResolution",
    idempotent=True,
)
def resume_hitl() -> Response:
    """Answer a request; the first answer counts, a second one learns who was first."""
    return _resolve()


@operation(
    blueprint,
    "POST",
    "/v1/flex/hitl/resolve",
    name="resolveHitl",
    replies={200: RESOLVED},
    problems=(404, 409),
    body="HitlResolution",
    idempotent=True,
)
def resolve_hitl() -> Response:
    """Answer a request under the flex prefix; the same decision as `/api/hitl/resume`."""
    return _resolve()


def _resolve() -> Response:
    raw = read_json()
    answer = check_resolution(raw)

    def resolve(unit: UnitOfWork) -> Done:
        decision = unit.hitl.resolve(
            answer.request_id, answer.responses, operator=answer.operator, note=answer.note, run_id=answer.run_id
        )
        run_id = decision["runId"]
        if answer.thread_id is not None and unit.runs.get(run_id).thread_id != answer.thread_id:
            raise HitlRequestNotFoundError(data={"requestId": answer.request_id})
        unit.on_commit(lambda: ring(dispatch.advance_run, run_id))
        return Done(decision, target=answer.request_id, operator=answer.operator)

    return carry_out(raw, resolve).response()
