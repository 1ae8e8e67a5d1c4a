"""What has been measured of capabilities: by tenant, from recent runs alone, by indexes, and not at every planning."""

from __future__ import annotations

import pytest
from sqlalchemy.dialects import postgresql

from models.repositories import measured
from models.unit_of_work import open_unit
from planner.assembly.scoring import Measured
from tests.integration.core import moves

pytestmark = pytest.mark.usefixtures("database")

RUNS = """
    INSERT INTO flex_runs (run_id, tenant_id, correlation_id, envelope, objective, status, created_at)
    SELECT :prefix || i, :tenant, 'c', '{}', 'o', 'completed', clock_timestamp() - :age * interval '1 day'
      FROM generate_series(1, :count) AS i
"""
NODES = """
    INSERT INTO flex_plan_nodes (run_id, node_id, tenant_id, identity, plan_version, kind, capability_id, label, status,
                                 waiting, attempt, crashes, candidate, timeout_seconds, duration_ms, output)
    SELECT run_id, :node, tenant_id, :node, 1, 'execution', :capability, 'l', :status,
           0, :attempt, :crashes, :candidate, 60, CAST(:duration AS float), '{}'
      FROM flex_runs WHERE run_id LIKE :prefix || '%'
"""


def runs(prefix: str, count: int = 1, *, tenant: str = "default", age: float = 0) -> None:
    moves.statement(RUNS, prefix=prefix, tenant=tenant, count=count, age=age)


def node(
    prefix: str,
    capability: str | None = "yard.writer",
    *,
    status: str = "completed",
    attempt: int = 1,
    crashes: int = 0,
    candidate: int = 0,
    duration: float | None = 2000,
) -> None:
    """Give each run of the prefix one more node."""
    moves.statement(
        NODES,
        prefix=prefix,
        node=f"{capability}.{status}.{attempt}.{crashes}.{candidate}.{duration}",
        capability=capability,
        status=status,
        attempt=attempt,
        crashes=crashes,
        candidate=candidate,
        duration=duration,
    )


def found(tenant: str = "default", *, fresh: bool = True) -> dict[str, Measured]:
    with open_unit(tenant) as unit:
        return dict(unit.measured.snapshot(fresh=fresh))


def test_calls_failures_and_the_median_are_counted_for_each_capability() -> None:
    # Given three quick calls, one slow one at the second attempt, and somebody else's
    runs("a", 3)
    node("a", duration=1000)
    runs("b")
    node("b", attempt=2, duration=90_000)
    node("b", "yard.reviewer", duration=500)
    # Then
    assert found() == {"yard.writer": Measured(5, 1, 1.0), "yard.reviewer": Measured(1, 0, 0.5)}


def test_each_ending_counts_as_what_it_says_of_the_capability() -> None:
    runs("a")
    # Given one given up after three tries, one that an alternative finished, one that a person finished
    node("a", "given.up", status="error", attempt=3, duration=None)
    node("a", "replaced", attempt=4, candidate=1)
    node("a", "helped", attempt=2, duration=None)
    # And one whose worker was lost, one that was replaced later, and what says nothing yet
    node("a", "lost.worker", attempt=2, crashes=1)
    node("a", "superseded", status="superseded")
    node("a", "cut.short", status="cancelled", duration=None)
    node("a", "waiting", status="pending", attempt=0, duration=None)
    node("a", None)
    # Then
    assert found() == {
        "given.up": Measured(3, 3, None),
        "replaced": Measured(1, 1, None),
        "helped": Measured(2, 2, None),
        "lost.worker": Measured(1, 0, 2.0),
        "superseded": Measured(1, 0, 2.0),
    }


def test_other_tenants_and_old_runs_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    for prefix, tenant, age in (("mine", "default", 0), ("theirs", "other", 0), ("old", "default", 15)):
        runs(prefix, tenant=tenant, age=age)
        node(prefix, f"{prefix}.writer")
    # Then
    assert found().keys() == {"mine.writer"}
    assert found("other").keys() == {"theirs.writer"}
    # And of many runs only the last ones count
    monkeypatch.setattr(measured, "LAST_RUNS", 2)
    runs("later", 2)
    node("later", "later.writer")
    assert found().keys() == {"later.writer"}


def test_it_is_read_again_only_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    runs("a")
    assert found(fresh=False) == {}
    node("a")
    # Then it is remembered for each tenant
    assert found(fresh=False) == {}
    assert found("other", fresh=False) == {}
    # When the time is over
    now = measured.time.monotonic()
    monkeypatch.setattr(measured.time, "monotonic", lambda: now + measured.KEPT_SECONDS + 1)
    # Then
    assert found(fresh=False) == {"yard.writer": Measured(1, 0, 2.0)}


def test_among_a_hundred_thousand_nodes_only_those_of_the_last_runs_are_looked_at() -> None:
    # Given
    runs("a", 12_500)
    for place in range(8):
        node("a", f"c.{place}", duration=100 + place)
    moves.statement("ANALYZE flex_runs")
    moves.statement("ANALYZE flex_plan_nodes")
    with open_unit("default") as unit:
        query = unit.measured.statement().compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
    # When
    plan = "\n".join(row[0] for row in moves.statement(f"EXPLAIN (ANALYZE, TIMING OFF) {query}"))
    # Then both tables are read by the indexes that they have
    assert "Seq Scan" not in plan, plan
    assert "ix_flex_runs_tenant_id_created_at_run_id" in plan, plan
    assert "pk_flex_plan_nodes" in plan, plan
    assert found()["c.0"].calls == measured.LAST_RUNS
