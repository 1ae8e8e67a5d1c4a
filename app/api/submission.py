"""An envelope on its way in: read, checked, stored with its first frame, and announced to the workers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
from flask import request, url_for

from app import correlation
from app.aside import run_aside
from app.auth import subject, tenant
from app.body import read_json
from app.doorbell import ring
from app.extensions import services
from app.limits import check_backlog
from app.mutation import Done, carry_out
from app.stream.response import hang_up
from app.stream.subscription import Subscription
from app.stream.turnstile import take_turn
from models.repositories.runs import Run
from models.unit_of_work import UnitOfWork, open_unit
from planner.envelope import TaskEnvelope, check_envelope
from tasks import dispatch


def read_envelope() -> tuple[Any, TaskEnvelope]:
    """Return the document in the body and the envelope that it is; raises what reading and checking raise."""
    shared = services()
    raw = read_json()
    # Taken before the check, so that a refusal carries it too.
    correlation.adopt(raw.get("metadata") if isinstance(raw, dict) else None)
    policies_enabled = shared.settings.policies_enabled
    return raw, run_aside(lambda: check_envelope(raw, shared.catalogue, policies_enabled=policies_enabled))


def submit() -> Done:
    """Store the run of the envelope in the body; a known Idempotency-Key gets the run that was stored first."""
    return _submit(lambda _run: None)


def submit_and_listen(*, opens_stream: bool = False) -> tuple[Done, Run, Subscription]:
    """Store a run as `submit` does; return it with a place in the relay, taken before any worker knows of it.

    Whoever `opens_stream` waits for a turn between reading and storing.
    """
    placed: list[tuple[Run, Subscription]] = []
    try:
        done = _submit(lambda run: placed.append((run, listen(run.run_id))), opens_stream=opens_stream)
    except BaseException:
        for _, subscription in placed:
            subscription.close()
        raise
    if done.replayed:
        with open_unit(tenant()) as unit:
            run = unit.runs.get(str(done.run_id))
        placed.append((run, listen(run.run_id)))
    return done, *placed[0]


def listen(run_id: str) -> Subscription:
    """Return a place in the relay for this request. Raises `ServerFullError` and `TooManyStreamsError`."""
    return services().hub.subscribe(run_id, owner=subject(), hang_up=hang_up(request.environ))


def _submit(stored: Callable[[Run], None], *, opens_stream: bool = False) -> Done:
    raw, envelope = read_envelope()
    if opens_stream:
        take_turn()
    limit = services().settings.max_waiting_runs

    def store(unit: UnitOfWork) -> Done:
        check_backlog(unit, limit)
        run = unit.runs.create(envelope=envelope, correlation_id=correlation.current())
        stored(run)
        unit.on_commit(lambda: ring(dispatch.plan_run, run.run_id, run.epoch))
        headers = {"X-Run-Id": run.run_id, "Location": url_for("runs.get_run", run_id=run.run_id)}
        return Done(run.summary(), 202, headers, target=run.run_id, run_id=run.run_id)

    done = carry_out(raw, store)
    structlog.contextvars.bind_contextvars(run_id=done.run_id)
    return done
