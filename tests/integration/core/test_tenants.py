"""Another tenant's things are not there: every door of every repository, opened by a stranger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.errors import (
    CapabilityNotFoundError,
    HitlRequestNotFoundError,
    NotFoundError,
    PlanNotFoundError,
    RunNotFoundError,
)
from models.unit_of_work import UnitOfWork, open_unit
from tests.support.factories import make_chain
from tests.support.loop import Loop, gives

STRANGER = "stranger"


@pytest.fixture
def run_id(loop: Loop) -> str:
    """A run of the tenant `default` that waits for a person, with everything that a run can have."""
    loop.agents.on("b", gives(), gives())
    found = loop.install(make_chain("a", "b"))
    assert loop.settle(found).status == "awaiting_hitl"
    return found


def request_of(run_id: str) -> str:
    with open_unit() as unit:
        return str(unit.hitl.of_run(run_id)[0]["id"])


RAISES: list[tuple[type[NotFoundError], Callable[[UnitOfWork, str, str], Any]]] = [
    (RunNotFoundError, lambda unit, run, _: unit.runs.get(run)),
    (RunNotFoundError, lambda unit, run, _: unit.runs.lock(run)),
    (RunNotFoundError, lambda unit, run, _: unit.runs.cancel(run)),
    (RunNotFoundError, lambda unit, run, _: unit.overviews.read(run)),
    (PlanNotFoundError, lambda unit, run, _: unit.plans.get(run, 1)),
    (PlanNotFoundError, lambda unit, run, _: unit.plans.stored(run, 1)),
    (HitlRequestNotFoundError, lambda unit, _, request: unit.hitl.resolve(request, [{"approved": False}])),
    (CapabilityNotFoundError, lambda unit, _run, _request: unit.capabilities.get("acme.a")),
    (CapabilityNotFoundError, lambda unit, _run, _request: unit.capabilities.heartbeat("acme.a")),
    (CapabilityNotFoundError, lambda unit, _run, _request: unit.capabilities.deactivate("acme.a")),
]
EMPTY: list[Callable[[UnitOfWork, str], Any]] = [
    lambda unit, _: unit.runs.list().data,
    lambda unit, run: unit.runs.last_seqs([run]),
    lambda unit, run: unit.nodes.states(run),
    lambda unit, run: unit.nodes.outputs(run),
    lambda unit, run: unit.nodes.list(run),
    lambda unit, run: unit.plans.versions(run),
    lambda unit, run: unit.outputs.get(run),
    lambda unit, run: unit.events.page(run),
    lambda unit, _: unit.hitl.pending(),
    lambda unit, run: unit.hitl.of_run(run),
    lambda unit, run: unit.hitl.open_states(run),
    lambda unit, run: unit.hitl.clarifications(run, "b"),
    lambda unit, _: [c for c in unit.capabilities.snapshot().capabilities if not c.builtin],
]


def test_another_tenants_things_are_not_found(run_id: str) -> None:
    request_id = request_of(run_id)
    for error, ask in RAISES:
        # The plan was read before by its owner: what is kept in memory is nobody else's either.
        with pytest.raises(error), open_unit(STRANGER) as unit:
            ask(unit, run_id, request_id)


def test_another_tenants_things_are_in_no_list(run_id: str) -> None:
    for number, ask in enumerate(EMPTY):
        with open_unit(STRANGER) as unit:
            assert not ask(unit, run_id), number


def test_their_owner_finds_them(run_id: str) -> None:
    with open_unit() as unit:
        found = [bool(ask(unit, run_id)) for ask in EMPTY]
    nothing_yet = {6, 11}  # the run has no output, and nobody was asked in words
    assert [number for number, there in enumerate(found) if not there] == sorted(nothing_yet)


def test_a_stranger_changes_nothing(run_id: str, loop: Loop) -> None:
    before = loop.nodes(run_id), loop.frames(run_id), loop.requests(run_id)
    with open_unit(STRANGER) as unit:
        unit.nodes.change(run_id, ["a", "b"], status="cancelled")
        unit.hitl.close(run_id, list(loop.nodes(run_id)))
        unit.runs.change(run_id, status="failed", wake_at=None)
    assert (loop.nodes(run_id), loop.frames(run_id), loop.requests(run_id)) == before
    assert loop.run(run_id).status == "awaiting_hitl"


def test_what_is_written_belongs_to_its_runs_tenant(loop: Loop) -> None:
    run_id = loop.install(make_chain("a"), tenant=STRANGER)
    loop.drain()
    assert loop.run(run_id).status == "completed"
    with open_unit(STRANGER) as unit:
        assert unit.outputs.get(run_id) is not None
        assert unit.events.page(run_id)[-1].terminal
    with open_unit() as unit:
        assert unit.outputs.get(run_id) is None


def test_the_service_itself_owns_nothing() -> None:
    with pytest.raises(LookupError, match="owner"):
        _ = UnitOfWork(None, None).runs.owner  # type: ignore[arg-type]  # no statement is made
