"""Fixtures and moves of the web tests: an envelope, and a run that is moved by hand where no worker is needed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.catalogue import catalogue
from models.events.frames import Draft
from models.repositories.hitl import NewRequest
from models.unit_of_work import open_unit
from planner.envelope import check_envelope
from tests.support.web import ROOT
from tests.support.web import connected as connected
from tests.support.web import web_app as web_app


@pytest.fixture
def envelope() -> dict[str, Any]:
    return dict(json.loads((ROOT / "docs/examples/linkedin.json").read_text(encoding="utf-8")))


@pytest.fixture
def new_run(connected: dict[str, str], envelope: dict[str, Any]) -> str:
    """The id of a stored run with its `start` frame, of which no worker knows."""
    with open_unit() as unit:
        return unit.runs.create(envelope=check_envelope(envelope, catalogue()), correlation_id="c-1").run_id


def say(run_id: str, count: int = 1) -> None:
    """Store and publish `count` frames of the run, each in a transaction of its own."""
    for _ in range(count):
        with open_unit(tenant=None) as unit:
            unit.events.append(run_id, Draft("log", {}, message="a step"))


def end(run_id: str) -> None:
    """Complete the run."""
    with open_unit(tenant=None) as unit:
        unit.events.append(run_id, Draft("complete", {"status": "completed", "output": {}}))
        unit.runs.change(run_id, status="completed", wake_at=None, waiting_for=None)


def open_request(run_id: str, schema: dict[str, Any] | None = None) -> str:
    """Let the run ask a person for an output that fits the schema; return the request's id."""
    question = NewRequest(
        node_id="writer",
        kind="approval",
        purpose="output",
        origin_agent="acme.writer",
        payload={"question": "Is this right?", "kind": "approval", "allowFreeForm": True, "urgency": "normal"},
        operator_prompt="Please write the headline",
        contract_summary={"nodeId": "writer", "contract": {"output": schema or {"type": "object"}}},
    )
    with open_unit(tenant=None) as unit:
        draft = unit.hitl.ask(unit.runs.lock(run_id), question)
        unit.events.append(run_id, draft)
        unit.runs.change(run_id, status="awaiting_hitl", wake_at=None)
    return str((draft.payload or {})["request"]["id"])
