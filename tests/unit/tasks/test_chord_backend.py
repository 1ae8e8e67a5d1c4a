"""The chord's counter is the plan: a chord runs on this backend without its body ever being called by Celery."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery, chord, group
from celery.app.task import Context

from tasks.chord_backend import PlanCountedBackend


@pytest.fixture
def app() -> Celery:
    made = Celery("chords", broker="memory://", set_as_current=False)
    made.conf.update(result_backend="tasks.chord_backend:PlanCountedBackend", task_ignore_result=True)
    return made


def test_celery_takes_the_backend_by_its_name(app: Celery) -> None:
    assert isinstance(app.backend, PlanCountedBackend)
    assert app.backend.as_uri() == "plan://"


def test_the_members_of_a_chord_are_published_and_its_body_is_not(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a chord over three members
    published: list[str] = []
    monkeypatch.setattr(app.amqp, "send_task_message", lambda _producer, name, *_args, **_more: published.append(name))
    members = [app.signature("member", kwargs={"number": number}, immutable=True) for number in range(3)]
    # When it is published
    chord(group(members, app=app), app.signature("body", immutable=True), app=app).apply_async()
    # Then only its members are
    assert published == ["member"] * 3


def test_a_chain_inside_a_chord_that_breaks_calls_its_errback(app: Celery) -> None:
    # Given the first link of a chain whose last link is a member of a chord
    told: list[Any] = []

    @app.task(name="note", shared=False)
    def note(request: Any, exc: BaseException, _traceback: Any) -> None:
        told.append((request.id, exc))

    last = app.signature("member", options={"task_id": "2", "group_id": "g", "chord": app.signature("body")})
    request = Context(id="1", chain=[last], errbacks=[note.s()], group=None, chord=None, task="member")
    # When it fails
    error = ValueError()
    app.backend.mark_as_failure("1", error, request=request, store_result=False)
    # Then its errback hears of it
    assert told == [("1", error)]


def test_a_member_that_ends_calls_no_body(app: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a member that knows its chord
    published: list[str] = []
    monkeypatch.setattr(app.amqp, "send_task_message", lambda _producer, name, *_args, **_more: published.append(name))

    @app.task(name="member", shared=False)
    def member() -> int:
        return 1

    # When it runs to its end, and when one fails
    request: Any = {"chord": app.signature("body"), "group": "g", "id": "1"}
    app.backend.mark_as_done("1", 1, request=app.tasks["member"].request)
    app.backend.on_chord_part_return(request, "SUCCESS", 1)
    app.backend.on_chord_part_return(request, "FAILURE", ValueError())
    # Then nobody is called and nothing is kept
    assert member() == 1
    assert published == []
    assert app.backend.store_result("1", 1, "SUCCESS") is None
