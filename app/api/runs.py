"""Runs: submitted, listed, read, planned anew and cancelled."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response, jsonify, request
from flask_smorest import Blueprint

from app.api.arguments import EventsQuery, PreferHeaders, ResumeHeaders, RunsQuery, split_types
from app.api.decisions import check_operator_note
from app.api.operations import EVENT_STREAM, JSON, Reply, json_reply, operation
from app.api.redaction import redact
from app.api.snapshot import run_snapshot
from app.api.submission import listen, submit, submit_and_listen
from app.auth import tenant
from app.body import read_optional_json
from app.doorbell import ring
from app.extensions import services
from app.mutation import Done, carry_out
from app.stream.follow import Follower, Signal
from app.stream.response import HEADERS as STREAM_HEADERS
from app.stream.response import stream_response
from app.stream.sse import Stream, reset_text, write_events
from models.repositories.runs import Run
from models.unit_of_work import UnitOfWork, open_unit
from planner.progress.replanning import Reason, Replanning
from tasks import dispatch

blueprint = Blueprint(
    "runs", __name__, url_prefix="/api/v1/flex", description="Envelopes in, results out, step by step"
)

MAX_WAIT_SECONDS = 300
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})\"?(?:$|[,;\s])")
STREAM = Reply("Frames as server-sent events", {EVENT_STREAM: None}, ("X-Run-Id", "Location", "X-Correlation-Id"))
RUN = json_reply("The run", "Run", headers=("Location", "X-Run-Id"))


@operation(
    blueprint, "POST", "/run.stream", name="streamRun", replies={200: STREAM}, body="TaskEnvelope", idempotent=True
)
def stream_run() -> Response:
    """Submit an envelope and stream its run; closing the stream does not stop the run."""
    done, run, subscription = submit_and_listen(opens_stream=True)
    hub, log = services().hub, services().log
    follower = Follower(subscription, log, caught_up=hub.caught_up, until_paused=True)
    events = write_events(follower, Stream(run.run_id, run.correlation_id))
    return stream_response(events, close=subscription.close, headers=done.all_headers())


@operation(
    blueprint,
    "POST",
    "/runs",
    name="createRun",
    replies={200: RUN, 202: RUN},
    body="TaskEnvelope",
    headers=PreferHeaders,
    idempotent=True,
)
def create_run(asked: Mapping[str, Any]) -> Response:
    """Submit an envelope; with `Prefer: wait=N`, answer the finished run if it ends within N seconds."""
    seconds = _preferred_wait(asked.get("prefer", ""))
    if seconds is None:
        return submit().response()
    done, run, subscription = submit_and_listen()
    follower = Follower(
        subscription, services().log, caught_up=services().hub.caught_up, until_paused=True, heartbeat_seconds=0.5
    )
    _wait_for_end(follower, time.monotonic() + seconds)
    with open_unit(tenant()) as unit:
        run = unit.runs.get(run.run_id)
        output = unit.outputs.get(run.run_id) if run.terminal else None
    body = run.summary()
    if run.terminal:
        body["output"] = None if output is None else output["output"]
    headers = {**done.headers, "Preference-Applied": f"wait={seconds}"}
    return replace(done, body=body, status=200 if run.terminal else 202, headers=headers).response()


@operation(
    blueprint,
    "GET",
    "/runs",
    name="listRuns",
    replies={200: json_reply("Runs, newest first", "RunPage")},
    query=RunsQuery,
)
def list_runs(query: Mapping[str, Any]) -> Response:
    """List runs."""
    with open_unit(tenant()) as unit:
        page = unit.runs.list(**query)
    return jsonify({"data": [run.summary() for run in page.data], "nextCursor": page.next_cursor})


@operation(
    blueprint,
    "GET",
    "/runs/<run_id>",
    name="getRun",
    replies={200: json_reply("Everything known about the run, without secrets", "RunSnapshot")},
    problems=(404,),
)
def get_run(run_id: str) -> tuple[Response, dict[str, str]]:
    """Show a run with its plan versions, nodes, output and decisions."""
    with open_unit(tenant()) as unit:
        snapshot = run_snapshot(unit, run_id)
    return jsonify(redact(snapshot)), {"Cache-Control": "no-store"}


@operation(
    blueprint,
    "GET",
    "/runs/<run_id>/events",
    name="readEvents",
    replies={
        200: Reply("The frames", {EVENT_STREAM: None, JSON: "FramePage"}),
        204: Reply("The run has ended and the client has seen all of it", {}),
    },
    problems=(404,),
    query=EventsQuery,
    headers=ResumeHeaders,
)
def read_events(query: Mapping[str, Any], resumed: Mapping[str, Any], run_id: str) -> Response:
    """Stream a run from any place in its log, or with `Accept: application/json` read one page of it."""
    wanted = split_types(query.get("types")) or None
    after = resumed.get("last_event_id", query.get("after", 0))
    with open_unit(tenant()) as unit:
        run = unit.runs.get(run_id)
        if request.accept_mimetypes.best_match([EVENT_STREAM, JSON], default=EVENT_STREAM) == JSON:
            limit = query["limit"]
            frames = unit.events.page(run_id, after=after, limit=limit, types=wanted)
            # A short page has seen the log to its end, also where the filter left frames out.
            last = frames[-1].seq if len(frames) == limit else max(after, run.last_seq)
            return jsonify({"data": [frame.as_json() for frame in frames], "nextAfter": last})
        drained = run.terminal and not unit.events.page(run_id, after=after, limit=1, types=wanted)
    if drained:
        return Response(status=204)
    return _stream(run, after, frozenset(wanted) if wanted else None)


@operation(
    blueprint,
    "GET",
    "/runs/<run_id>/plans/<int:version>",
    name="getPlan",
    replies={200: json_reply("The stored plan of this version", "PlanGraph")},
    problems=(404,),
)
def get_plan(run_id: str, version: int) -> Response:
    """Show one stored version of a run's plan."""
    with open_unit(tenant()) as unit:
        unit.runs.get(run_id)
        return jsonify(redact(unit.plans.get(run_id, version)))


@operation(
    blueprint,
    "POST",
    "/runs/<run_id>/cancel",
    name="cancelRun",
    replies={202: RUN},
    problems=(404, 409),
    body="OperatorNote",
    body_required=False,
    idempotent=True,
)
def cancel_run(run_id: str) -> Response:
    """Ask a run to stop; asking again changes nothing."""
    raw = read_optional_json()
    operator, note = check_operator_note(raw)

    def cancel(unit: UnitOfWork) -> Done:
        run = unit.runs.cancel(run_id, operator=operator, note=note)
        unit.on_commit(lambda: ring(dispatch.cancel_run, run_id))
        return Done(run.summary(), 202, target=run_id, operator=operator)

    return carry_out(raw, cancel).response()


@operation(
    blueprint,
    "POST",
    "/runs/<run_id>/replan",
    name="replanRun",
    replies={202: RUN},
    problems=(404, 409),
    body="OperatorNote",
    body_required=False,
    idempotent=True,
)
def replan_run(run_id: str) -> Response:
    """Have a run planned anew with what is registered now; finished work is kept. Asking again changes nothing."""
    raw = read_optional_json()
    operator, note = check_operator_note(raw)
    told = {"operator": dict(operator or {}), "note": note}
    why = Replanning(Reason.OPERATOR, details={name: value for name, value in told.items() if value})

    def replan(unit: UnitOfWork) -> Done:
        if unit.planning.request(unit.runs.lock(run_id), why):
            unit.on_commit(lambda: ring(dispatch.advance_run, run_id))
        return Done(unit.runs.get(run_id).summary(), 202, target=run_id, operator=operator)

    return carry_out(raw, replan).response()


def _stream(run: Run, after: int, types: frozenset[str] | None) -> Response:
    if request.method == "HEAD":
        return Response(mimetype=EVENT_STREAM, headers=STREAM_HEADERS)
    unknown_place = after > run.last_seq
    subscription = listen(run.run_id)
    follower = Follower(
        subscription, services().log, after=0 if unknown_place else after, caught_up=services().hub.caught_up
    )
    stream = Stream(run.run_id, run.correlation_id, run.plan_version)
    events = write_events(follower, stream, types=types, opening=reset_text(stream) if unknown_place else "")
    return stream_response(events, close=subscription.close, headers={"X-Run-Id": run.run_id})


def _wait_for_end(follower: Follower, deadline: float) -> None:
    """Follow the run until it ends, waits for a person, or the deadline (monotonic seconds) passes."""
    for item in follower:
        if item in {Signal.OVERRUN, Signal.RESTART} or time.monotonic() >= deadline:
            return


def _preferred_wait(header: str) -> int | None:
    found = _WAIT.search(header)
    return min(int(found[1]), MAX_WAIT_SECONDS) if found else None
