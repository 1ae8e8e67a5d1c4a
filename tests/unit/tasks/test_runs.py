"""The tasks as Celery runs them: what becomes of the rest of a chain, and where a lane that breaks is heard of."""

from __future__ import annotations

from typing import Any

import pytest
from celery.app.trace import build_tracer

from models.errors import DatabaseUnavailableError
from tasks import base, runs
from tasks.celery_app import celery
from tasks.walk import Walked

IDS: dict[str, Any] = {"run_id": "run", "epoch": 1, "node_ids": ["a"]}


class Worker:
    """Runs a task through Celery's own tracer, with a chain and an error task as a message would bring them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.driven: list[str] = []
        self.failed: list[tuple[str, str]] = []
        patch.setattr(runs, "drive", lambda run_id, **_: self.driven.append(run_id))
        patch.setattr(runs.lane_failed, "run", self._note)
        patch.setattr(celery.amqp, "send_task_message", self._publish)

    def run(self, task: Any, **ids: Any) -> None:
        following = celery.signature("tasks.walk_lane", kwargs={**IDS, "node_ids": ["b"]}, immutable=True)
        request = {
            "chain": [dict(following)],
            "errbacks": [dict(celery.signature("tasks.lane_failed"))],
            "delivery_info": {"routing_key": "nodes"},
            "kwargs": ids,
        }
        build_tracer(task.name, task, app=celery)("task-1", [], ids, request)

    def _publish(self, _producer: Any, name: str, message: Any, **_: Any) -> None:
        self.published.append((name, message.body[1]))

    def _note(self, request: Any, exc: BaseException, _traceback: Any) -> None:
        self.failed.append((request.kwargs["run_id"], type(exc).__name__))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    return Worker(monkeypatch)


def walking(patch: pytest.MonkeyPatch, *, look: bool = False, handed_over: bool = False) -> list[bool]:
    """Let every lane end like this; return whether each knew of a link behind it."""
    chained: list[bool] = []

    def walk(*_: Any, **how: bool) -> Walked:
        chained.append(how["chained"])
        return Walked(look, handed_over)

    patch.setattr(runs, "walk", walk)
    return chained


def test_a_link_that_came_to_its_end_is_followed_by_the_next(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    chained = walking(monkeypatch, handed_over=True)
    worker.run(runs.walk_lane, **IDS)
    assert chained == [True]
    assert [(name, ids["node_ids"]) for name, ids in worker.published] == [("tasks.walk_lane", ["b"])]
    assert worker.driven == []


@pytest.mark.parametrize("look", [True, False])
def test_a_link_that_did_not_takes_its_chain_with_it(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, *, look: bool
) -> None:
    walking(monkeypatch, look=look)
    worker.run(runs.walk_lane, **IDS)
    assert worker.published == []
    assert worker.driven == ["run"] * look


def test_a_lane_that_breaks_is_heard_of_by_its_error_task(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "walk", lambda *_, **__: 1 / 0)
    worker.run(runs.walk_lane, **IDS)
    assert worker.failed == [("run", "ZeroDivisionError")]
    assert worker.published == []


def test_a_database_that_is_away_is_no_broken_lane(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> Walked:
        raise DatabaseUnavailableError

    monkeypatch.setattr(runs, "walk", away)
    monkeypatch.setattr(base, "SECONDS_BETWEEN_HANDS", 0.0)
    worker.run(runs.walk_lane, **IDS)
    assert worker.failed == []
    assert worker.published == [("tasks.walk_lane", IDS)]


def test_the_control_worker_never_keeps_a_lane(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bool] = []
    monkeypatch.setattr(runs, "drive", lambda _run_id, *, keep: kept.append(keep))
    for task in (runs.cancel_run, runs.advance_run):
        task(run_id="run")
    assert kept == [False, True]
