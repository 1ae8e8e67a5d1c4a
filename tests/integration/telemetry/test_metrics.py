"""`/metrics` against the tables: what it counts is what happened, and what it cannot ask takes nothing else with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from models.database import engine
from models.repositories.plan_drafts import DraftAttempt
from models.telemetry.metrics import SOURCES, exposition
from models.telemetry.names import BY_NAME, METRICS
from models.unit_of_work import open_unit
from planner.plan.graph import NodeContract
from tasks.agents.base import AgentRefusedError, AgentResult, AgentUnavailableError, HitlAsk, Usage
from tests.support.envelopes import NEVER_ASK, linkedin_envelope
from tests.support.factories import make_chain, make_node, make_plan
from tests.support.lines import Lines
from tests.support.loop import Loop, dies, gives, raises
from tests.support.web import connected as connected
from tests.support.web import forget_process
from tests.support.web import web_app as web_app

Labels = frozenset[tuple[str, str]]
Samples = dict[tuple[str, Labels], float]


def scrape(body: bytes | None = None) -> Samples:
    """Return the value of every sample by name and labels."""
    families = text_string_to_metric_families((body or exposition({"flex.stream.listeners": 0})).decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def have_a_day(loop: Loop) -> None:
    """Let runs of every sort go their way: a happy one, repaired ones, questions, a no, refusals, a cancel."""
    loop.submit(linkedin_envelope())
    loop.drain()
    loop.agents.on("a", gives(a_text="x"), lambda _b, _c: AgentResult({"a_text": "fine"}, Usage(10, 4, 0.5)))
    loop.install(make_chain("a"))
    loop.drain()
    asks = AgentResult({}, hitl=HitlAsk("clarify", "How formal?"))
    loop.agents.on("q", lambda _b, _c: asks, gives(q_text="x"), gives(q_text="x"))
    asked = loop.install(make_chain("q"))
    loop.drain()
    loop.answer(asked, responseType="freeform", freeformText="Not at all.")
    loop.drain()
    loop.answer(asked, responseType="rejection", freeformText="No.")
    loop.drain()
    loop.agents.on("u", raises(AgentUnavailableError("Away.")))
    loop.settle(loop.install(make_chain("u")))
    loop.agents.always("f", raises(AgentRefusedError("No.")))
    loop.settle(loop.install(make_plan([make_node("f", makes=["t"], contract=NodeContract(1, "abort"))], output=["t"])))
    cancelled = loop.install(make_chain("c"))
    loop.cancel(cancelled)
    loop.drain()
    with open_unit(None) as unit:
        unit.capabilities.retire_builtins(set())
    loop.submit(linkedin_envelope(policies=NEVER_ASK))
    loop.drain()


def test_runs_nodes_and_people_are_counted(loop: Loop) -> None:
    have_a_day(loop)
    found = scrape()
    assert value(found, "flex_run_status", status="completed") == 3
    assert value(found, "flex_run_status", status="cancelled") == 1
    assert value(found, "flex_run_status", status="paused") == 0
    assert value(found, "flex_run_ended_total", status="failed", reason="rejected") == 1
    assert value(found, "flex_run_ended_total", status="failed", reason="no_plan") == 1
    assert value(found, "flex_run_duration_ms_count", status="failed") == 3
    assert value(found, "flex_node_attempts_total", capability_id="acme.a") == 2
    assert value(found, "flex_node_status", capability_id="acme.f", kind="execution", status="error") == 1
    assert value(found, "flex_node_retries_total", reason="invalid_output") == 2
    assert value(found, "flex_node_retries_total", reason="agent_error") == 1
    assert value(found, "flex_validation_retries_total", scope="capability_output") == 3
    assert value(found, "flex_planner_requests_total", phase="initial") == 2
    assert value(found, "flex_planner_rejections_total") == 1
    assert value(found, "flex_hitl_requests_total", kind="clarify", purpose="clarify") == 1
    assert value(found, "flex_hitl_rejected_total", kind="approval", purpose="output") == 1
    assert value(found, "flex_hitl_rejected_total", kind="clarify", purpose="clarify") == 0
    assert value(found, "flex_capability_status", status="active", kind="execution", agent_type="ai") == 5
    with engine().connect() as connection:
        frames = connection.execute(text("SELECT count(*) FROM flex_events")).scalar_one()
    assert value(found, "flex_events_stored_total") == frames


def test_the_histogram_of_a_capability_is_that_of_its_nodes(loop: Loop) -> None:
    # Given nodes whose attempts took a known time
    for _ in range(4):
        loop.install(make_chain("a"))
    loop.drain()
    with engine().begin() as connection:
        for position, duration in enumerate((3.0, 5.0, 700.0, 900_000.0)):
            connection.execute(
                text(
                    "UPDATE flex_plan_nodes SET duration_ms = :d WHERE run_id = "
                    "(SELECT run_id FROM flex_plan_nodes ORDER BY run_id OFFSET :p LIMIT 1)"
                ),
                {"d": duration, "p": position},
            )
    # Then each bucket holds those that are no greater than its bound
    found = scrape()

    def below(bound: str) -> float:
        return value(found, "flex_node_duration_ms_bucket", capability_id="acme.a", le=bound)

    assert [below(bound) for bound in ("5.0", "500.0", "1000.0", "300000.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert value(found, "flex_node_duration_ms_sum", capability_id="acme.a") == pytest.approx(900_708.0)


def test_the_prompts_of_drafts_are_measured_in_characters(loop: Loop) -> None:
    # Given two attempts at a draft, and one of a planning that nobody has sized
    run = loop.run(loop.install(make_chain("a")))
    sizes = {"totalChars": 4000, "systemChars": 1000, "userChars": 3000, "facetRows": 7, "capabilityRows": 3}
    with open_unit(None) as unit:
        for attempt, prompt in enumerate((sizes, {**sizes, "totalChars": 90_000, "userChars": 89_000}, {}), start=1):
            made = DraftAttempt(attempt, "initial", "refused", "m", None, 1.0, prompt_sizes=prompt)
            unit.plan_drafts.add(run, made)
    # Then each part of the prompts has its histogram
    found = scrape()

    def below(part: str, bound: str) -> float:
        return value(found, f"flex_planner_prompt_{part}_chars_bucket", le=bound)

    assert [below("total", bound) for bound in ("2000.0", "5000.0", "100000.0", "+Inf")] == [0, 1, 2, 2]
    assert [below("system", bound) for bound in ("1000.0", "+Inf")] == [2, 2]
    assert value(found, "flex_planner_prompt_user_chars_sum") == 92_000
    assert value(found, "flex_planner_prompt_user_chars_count") == 2


def test_the_reachable_sets_of_plans_are_measured(loop: Loop) -> None:
    # Given a plan that was searched for, one that was given, and one that cannot be: two are required whom nobody knows
    run_id = loop.submit(linkedin_envelope())
    loop.drain()
    loop.install(make_chain("a"))
    loop.submit(linkedin_envelope(policies={"planner": {"selection": {"require": ["acme.ghost", "acme.other"]}}}))
    loop.drain()
    with open_unit(None) as unit:
        crcs = unit.plans.get(run_id, 1)["metadata"]["crcs"]
    # Then the searched one is measured as its frame tells it
    found = scrape()
    assert value(found, "flex_planner_crcs_rows_sum", row_cap="80") == crcs["totalRows"] > 0
    assert value(found, "flex_planner_crcs_rows_count", row_cap="80") == 1
    assert value(found, "flex_planner_crcs_mrcs_sum") == crcs["mrcsSize"]
    told = {dict(labels)["reason"]: v for (name, labels), v in found.items() if name == "flex_planner_crcs_reason_sum"}
    assert told == crcs["reasonCounts"]

    # And what was required in vain is counted with the refusal
    def below(bound: str) -> float:
        return value(found, "flex_planner_crcs_missing_pinned_bucket", le=bound)

    assert [below(bound) for bound in ("0.0", "1.0", "2.0", "+Inf")] == [1, 1, 2, 2]
    assert value(found, "flex_planner_crcs_missing_pinned_sum") == 2


def test_updates_of_metrics_in_the_log_add_up_to_what_is_scraped(loop: Loop, all_lines: Lines) -> None:
    # Given a day of runs, whose updates were logged one by one
    have_a_day(loop)
    logged: dict[tuple[str, Labels], float] = defaultdict(float)
    for line in all_lines.named("flex_metric"):
        logged[line["metric"], frozenset(line["labels"].items())] += line["value"]
    # Then every counter comes out the same from the lines and from the tables
    found = scrape()
    compared = set()
    for (name, labels), amount in logged.items():
        metric = BY_NAME[name]
        if metric.kind == "histogram":
            continue
        sample = metric.prometheus + ("_total" if metric.kind == "counter" else "")
        wanted = {key: text or "(virtual)" for key, text in labels}
        same = [v for (n, given), v in found.items() if n == sample and wanted.items() <= dict(given).items()]
        if not name.startswith("flex.planner.generated"):  # runs with a plan of the test's own have one frame more
            assert sum(same) == amount, (name, labels)
        compared.add(name)
    assert compared >= {"flex.node.attempts", "flex.node.retries", "flex.hitl.rejected", "flex.run.status"}


def test_what_waits_is_told_with_its_age(loop: Loop) -> None:
    # Given a run that a worker walks, a node whose worker fell silent, and a question
    loop.install(make_chain("a"))
    loop.pass_time(60)
    found = scrape()
    assert value(found, "flex_queue_due_runs") == 1
    assert 55 < value(found, "flex_queue_oldest_due_seconds") < 120
    assert value(found, "flex_queue_ready_nodes", dispatched="no") == 1
    # When it is published, and walked
    loop.agents.on("a", lambda _b, _c: AgentResult({}, hitl=HitlAsk("clarify", "How?")))
    loop.drain()
    # Then nothing is due and a person is waited for
    found = scrape()
    assert value(found, "flex_queue_due_runs") == 0
    assert value(found, "flex_queue_ready_nodes", dispatched="no") == 0
    assert value(found, "flex_hitl_open", kind="clarify", purpose="clarify") == 1
    assert value(found, "flex_hitl_oldest_open_seconds") >= 0


def test_a_lease_that_ran_out_shows_until_it_is_taken_back(loop: Loop) -> None:
    # Given a worker that died in the middle of an attempt
    loop.agents.on("a", dies())
    run_id = loop.install(make_chain("a"))
    loop.drain()
    assert value(scrape(), "flex_queue_overdue_leases") == 0
    loop.pass_time(60)
    assert value(scrape(), "flex_queue_overdue_leases") == 1
    # When the sweep has done its work
    loop.settle(run_id)
    # Then nothing is overdue and the retry is counted
    found = scrape()
    assert value(found, "flex_queue_overdue_leases") == 0
    assert value(found, "flex_node_retries_total", reason="lease_lost") == 1


def test_a_queue_that_never_finished_a_canary_is_infinitely_late(loop: Loop) -> None:
    with open_unit(None) as unit:
        unit.canaries.send("nodes")
        unit.canaries.finish(unit.canaries.send("control"), "worker-1")
    found = scrape()
    assert value(found, "flex_canary_age_seconds", queue="nodes") == float("inf")
    assert 0 <= value(found, "flex_canary_age_seconds", queue="control") < 60


def test_the_names_and_labels_are_those_of_the_table(loop: Loop) -> None:
    have_a_day(loop)
    body = exposition({"flex.stream.listeners": 3}).decode()
    families = {family.name: family for family in text_string_to_metric_families(body)}
    assert families.keys() == {metric.prometheus for metric in METRICS}
    for metric in METRICS:
        family = families[metric.prometheus]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        labels = {frozenset(s.labels.keys() - {"le"}) for s in family.samples}
        assert labels <= {frozenset(metric.labels)}, metric.name


def test_an_empty_service_has_every_family_and_no_fault(loop: Loop) -> None:
    found = scrape()
    assert {v for (name, _), v in found.items() if name == "flex_scrape_source_up"} == {1.0}
    assert len([name for name, _ in found if name == "flex_scrape_source_up"]) == len(SOURCES)
    assert value(found, "flex_run_status", status="running") == 0


def test_a_table_that_cannot_be_asked_takes_nothing_else_with_it(loop: Loop) -> None:
    # Given a database in which somebody locked one table away
    with engine().begin() as connection:
        connection.execute(text("ALTER TABLE hitl_requests RENAME TO away"))
    found = scrape()
    # Then its metrics are missing, that is said, and the rest is there
    assert value(found, "flex_scrape_source_up", source="people") == 0
    assert value(found, "flex_scrape_source_up", source="runs") == 1
    assert not [name for name, _ in found if name.startswith("flex_hitl_requests")]


@pytest.fixture
def keyed_app(connected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FLEX_API_KEY", "monitor-key-1")
    forget_process()
    yield
    forget_process()


def test_prometheus_gets_text_of_its_version(web_app: Flask) -> None:
    reply = web_app.test_client().get("/metrics")
    assert (reply.status_code, reply.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert value(scrape(reply.data), "flex_stream_listeners") == 0


def test_metrics_want_the_key(keyed_app: None, web_app: Flask) -> None:
    client = web_app.test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer monitor-key-1"}).status_code == 200


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch, connected: dict[str, str]) -> str:
    """The key of the settings, which is recognised without asking a table; asked for before the app is made."""
    monkeypatch.setenv("FLEX_API_KEY", "scrapes-by-night")
    forget_process()
    return "scrapes-by-night"


def test_without_a_database_the_scrape_says_so(monkeypatch: pytest.MonkeyPatch, api_key: str, web_app: Flask) -> None:
    # Given an address at which no database answers
    monkeypatch.setenv("DATABASE_URL", "postgresql://flex@127.0.0.1:9/none")
    forget_process()
    reply = web_app.test_client().get("/metrics", headers={"Authorization": f"Bearer {api_key}"})
    # Then the scrape succeeds and every source is down
    assert reply.status_code == 200
    found = scrape(reply.data)
    assert {v for (name, _), v in found.items() if name == "flex_scrape_source_up"} == {0.0}
