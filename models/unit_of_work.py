"""One transaction with its repositories, and what happens once it has been committed.

Frames are published and messages sent only after the commit, and what is sent then may fail without consequence: the
sweep finds every run whose wake-up is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import structlog

from models.database import database_errors, engine, statements
from models.events.bus import Bus
from models.events.doorbell import live_bus
from models.events.log import EventLog
from models.faults import fault
from models.repositories.audit import AuditRepository
from models.repositories.capabilities import CapabilityRepository
from models.repositories.claims import ClaimRepository
from models.repositories.endings import EndingRepository
from models.repositories.hitl import HitlRepository
from models.repositories.idempotency import IdempotencyRepository
from models.repositories.keys import KeyRepository
from models.repositories.measured import MeasuredRepository
from models.repositories.moves import MoveRepository
from models.repositories.nodes import NodeRepository
from models.repositories.outputs import OutputRepository
from models.repositories.overviews import OverviewRepository
from models.repositories.plan_drafts import PlanDraftRepository
from models.repositories.planning import PlanningRepository
from models.repositories.plans import PlanRepository
from models.repositories.runs import RunRepository
from models.repositories.service import CanaryRepository
from models.scope import DEFAULT_TENANT, Source, WhenAsked
from models.telemetry import observe_frame, observe_node, observe_status, observed
from planner.contracts.capabilities import RegistrySnapshot

logger = structlog.get_logger(__name__)


class UnitOfWork:
    """A transaction as one tenant sees the tables; `tenant_id` None is the service itself."""

    def __init__(self, connection: Source, tenant_id: str | None) -> None:
        self._connection = connection
        self.tenant_id = tenant_id
        self.after_commit: list[Callable[[], object]] = []

    @cached_property
    def events(self) -> EventLog:
        return EventLog(self._connection, self.tenant_id)

    @cached_property
    def runs(self) -> RunRepository:
        return RunRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def planning(self) -> PlanningRepository:
        return PlanningRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def nodes(self) -> NodeRepository:
        return NodeRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def claims(self) -> ClaimRepository:
        return ClaimRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def moves(self) -> MoveRepository:
        return MoveRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def plans(self) -> PlanRepository:
        return PlanRepository(self._connection, self.tenant_id)

    @cached_property
    def overviews(self) -> OverviewRepository:
        return OverviewRepository(self._connection, self.tenant_id, self.events, self.plans)

    @cached_property
    def plan_drafts(self) -> PlanDraftRepository:
        return PlanDraftRepository(self._connection, self.tenant_id)

    @cached_property
    def endings(self) -> EndingRepository:
        return EndingRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def outputs(self) -> OutputRepository:
        return OutputRepository(self._connection, self.tenant_id)

    @cached_property
    def capabilities(self) -> CapabilityRepository:
        return CapabilityRepository(self._connection, self.tenant_id, self.on_commit)

    @cached_property
    def measured(self) -> MeasuredRepository:
        return MeasuredRepository(self._connection, self.tenant_id)

    def registry_of(self, tenant_id: str) -> RegistrySnapshot:
        """Return the capabilities that a run of this tenant may use, whoever has opened the unit."""
        return CapabilityRepository(self._connection, tenant_id, self.on_commit).snapshot()

    @cached_property
    def hitl(self) -> HitlRepository:
        return HitlRepository(self._connection, self.tenant_id, self.events)

    @cached_property
    def keys(self) -> KeyRepository:
        return KeyRepository(self._connection, self.tenant_id)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        return IdempotencyRepository(self._connection, self.tenant_id)

    @cached_property
    def audit(self) -> AuditRepository:
        return AuditRepository(self._connection, self.tenant_id)

    @cached_property
    def canaries(self) -> CanaryRepository:
        return CanaryRepository(self._connection, self.tenant_id)

    def on_commit(self, action: Callable[[], object]) -> None:
        """Call `action` once the transaction has been committed, in the order of these calls."""
        self.after_commit.append(action)


@contextmanager
def open_reading(tenant: str | None) -> Iterator[UnitOfWork]:
    """Open a unit that only reads, each statement by itself: without a transaction to begin and to commit.

    It takes a connection when it has something to ask: much of what is read is remembered. Raises
    DatabaseUnavailableError when the server is away.
    """
    connect = WhenAsked(statements)
    with database_errors():
        try:
            yield UnitOfWork(connect, tenant)
        finally:
            connect.give_back()


@contextmanager
def open_unit(tenant: str | None = DEFAULT_TENANT, *, bus: Bus | None = None) -> Iterator[UnitOfWork]:
    """Open a transaction; commit it on a clean exit and roll it back on an error.

    Raises DatabaseUnavailableError when the server is away; whatever was done in the transaction is then undone.
    """
    with database_errors(), engine().begin() as connection:
        unit = UnitOfWork(connection, tenant)
        yield unit
        fault("before_commit")
    _follow_up(unit, bus or live_bus())


@contextmanager
def open_statement(tenant: str | None) -> Iterator[UnitOfWork]:
    """Open a unit for one statement that is a transaction by itself: no round trips to begin one and to commit it.

    What is read before it is read without a transaction too. Raises DatabaseUnavailableError when the server is away;
    the statement may have taken effect then.
    """
    fault("before_commit")
    with open_reading(tenant) as unit:
        yield unit
    _follow_up(unit, live_bus())


def _follow_up(unit: UnitOfWork, bus: Bus) -> None:
    """Do what follows a commit: publish and observe what was written, and what else was asked for."""
    fault("after_commit")
    frames = unit.events.written
    if frames:
        bus.publish(frames)
        for frame in frames:
            if observed(frame.type):
                observe_frame(frame.as_json(), frame.tenant_id)
    for end in unit.events.ended:
        observe_node(end)
    for change in unit.events.moved:
        observe_status(change)
    for action in unit.after_commit:
        try:
            action()
        except Exception:
            # The transaction stands; what follows it is a hint, and the sweep gives it again.
            logger.exception("after_commit_failed")
