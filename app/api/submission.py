"""An envelope on its way in: read, checked, stored with its first frame, and announced to the workers."""

from __future__ import annotations

import structlog
from flask import request

from app import correlation
from app.aside import run_aside
from app.auth import tenant
from app.body import read_json
from app.doorbell import ring
from app.extensions import services
from app.stream.sse import hang_up
from app.stream.subscription import Subscription
from models.repositories.runs import Run
from models.unit_of_work import open_unit
from planner.envelope import TaskEnvelope, check_envelope
from tasks import dispatch


def read_envelope() -> TaskEnvelope:
    """Return the checked envelope in the body; raises what `read_json` and `check_envelope` raise."""
    shared = services()
    raw = read_json()
    # Taken before the check, so that a refusal carries it too.
    correlation.adopt(raw.get("metadata") if isinstance(raw, dict) else None)
    policies_enabled = shared.settings.policies_enabled
    return run_aside(lambda: check_envelope(raw, shared.catalogue, policies_enabled=policies_enabled))


def submit() -> tuple[Run, Subscription]:
    """Store the run of the envelope in the body; return it with a place in the relay, taken before any worker knows."""
    envelope = read_envelope()
    subscription: Subscription | None = None
    try:
        with open_unit(tenant()) as unit:
            run = unit.runs.create(envelope=envelope, correlation_id=correlation.current())
            subscription = services().hub.subscribe(run.run_id, hang_up=hang_up(request.environ))
            unit.on_commit(lambda: ring(dispatch.plan_run, run.run_id, run.epoch))
    except BaseException:
        if subscription is not None:
            subscription.close()
        raise
    structlog.contextvars.bind_contextvars(run_id=run.run_id)
    return run, subscription
