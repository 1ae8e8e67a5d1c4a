"""A model proposes, over the real loop: the drafts that win, those that lose, and a model that is no help at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import tasks.drafting
from models.unit_of_work import open_unit
from planner.progress.replanning import Reason, Replanning
from tasks.agents.offline.agent import OfflineAgent
from tests.integration.core.conftest import forget_process
from tests.support import fake_openai as fake
from tests.support.drafts import BRIEFING, LINKEDIN, REVIEW, codes, draft, step
from tests.support.envelopes import NEVER_ASK, linkedin_envelope
from tests.support.fake_openai import FakeOpenAI, Step, says
from tests.support.loop import Loop

VALID = draft(
    step(BRIEFING, rationale="The writer needs a brief."),
    step(LINKEDIN, instructions=["Mention the yard cat."]),
    step(REVIEW, kind="validation"),
)
NO_WRITER = draft(BRIEFING)
SEARCHED = [
    *("briefing", "branch", "linkedinVariants~a", "contentReview~a", "linkedinVariants~b", "contentReview~b", "output")
]
"""The nodes of the search's plan for the LinkedIn envelope."""
Frames = list[dict[str, Any]]


@pytest.fixture
def model() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as running:
        yield running


@pytest.fixture
def in_mode(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Loop]:
    """Return what puts this process into a planner's mode."""

    def change(**settings: str) -> Loop:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        forget_process()
        return loop

    return change


@pytest.fixture
def hybrid(in_mode: Callable[..., Loop], model: FakeOpenAI) -> Loop:
    """The loop whose planner asks the model; its agents are offline."""
    return in_mode(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=model.base_url, FLEX_PLANNER_MODEL="planner-1")


def planned(loop: Loop, **members: Any) -> tuple[str, Frames]:
    """Run the LinkedIn envelope to its end and return its frames."""
    run_id = loop.submit(linkedin_envelope(**members))
    loop.drain()
    assert loop.run(run_id).status == "completed"
    return run_id, loop.frames(run_id)


def planning(frames: Frames) -> list[tuple[str, int]]:
    """Return the frames about planning, with their attempt."""
    kinds = ("plan_requested", "plan_rejected", "plan_generated")
    return [(f["type"], f["payload"].get("attempt", 0)) for f in frames if f["type"] in kinds]


def metadata_of(frames: Frames) -> dict[str, Any]:
    return next(dict(f["payload"]["plan"]["metadata"]) for f in frames if f["type"] == "plan_generated")


def stored(run_id: str) -> list[dict[str, Any]]:
    with open_unit(None) as unit:
        return unit.plan_drafts.list(run_id)


def test_a_valid_draft_becomes_the_plan(hybrid: Loop, model: FakeOpenAI) -> None:
    # Given a model whose first draft is valid and no dearer than the search's plan
    model.play(says(VALID))
    # When a run is planned
    run_id, frames = planned(hybrid)
    # Then the draft is the plan, made with the planner's own hands, in one attempt
    assert planning(frames) == [("plan_requested", 1), ("plan_generated", 0)]
    told = metadata_of(frames)
    assert (told["plannerRuntime"], told["plannerModel"], told["plannerAttempts"]) == ("llm", "planner-1", 1)
    assert told["drafting"]["cost"] == told["drafting"]["searchCost"]
    generated = next(f["payload"]["plan"] for f in frames if f["type"] == "plan_generated")
    assert [node["id"] for node in generated["nodes"]] == SEARCHED
    assert "The model's reason: The writer needs a brief." in generated["nodes"][0]["rationale"]
    # And the attempt is stored with what it consumed
    (attempt,) = stored(run_id)
    assert (attempt["attempt"], attempt["phase"], attempt["outcome"]) == (1, "initial", "accepted")
    assert attempt["draft"] == json.loads(VALID)
    assert attempt["promptSizes"]["totalChars"] > 1000
    assert attempt["usage"]["promptTokens"] == 120
    assert hybrid.run(run_id).prompt_tokens >= 120
    # And the request names the planner's model, the schema of a draft, and the run's correlation
    (request,) = model.requests
    assert request.body["model"] == "planner-1"
    assert request.format["name"] == "plan_draft"
    assert request.format["strict"] is True
    assert request.headers["x-correlation-id"] == "corr-1"


def test_an_invalid_draft_is_repaired_with_its_diagnostics_in_the_prompt(hybrid: Loop, model: FakeOpenAI) -> None:
    # Given a model that forgets the writer at first
    model.play(says(NO_WRITER), says(VALID))
    # When a run is planned
    run_id, frames = planned(hybrid)
    # Then the refusal is told between two requests, and the second draft is the plan
    assert planning(frames) == [
        *(("plan_requested", 1), ("plan_rejected", 1), ("plan_requested", 2), ("plan_generated", 0))
    ]
    rejected = next(f["payload"] for f in frames if f["type"] == "plan_rejected")
    assert (rejected["reason"], rejected["phase"]) == ("draft_refused", "initial")
    assert codes(rejected["diagnostics"]) == {"output_facet_uncovered"}
    assert [attempt["outcome"] for attempt in stored(run_id)] == ["refused", "accepted"]
    # And the second prompt holds every finding and the first draft
    first, second = (request.user for request in model.requests)
    assert "Repair" not in first
    assert "no node of the draft makes it" in second
    assert "<last_draft>" in second
    # And both calls are paid for
    by_nodes = sum(f["payload"]["usage"]["promptTokens"] for f in frames if f["type"] == "node_complete")
    assert hybrid.run(run_id).prompt_tokens == by_nodes + 2 * 120


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (says(NO_WRITER), "output_facet_uncovered"),
        (says(draft(BRIEFING, "acme.ghost")), "capability_not_registered"),
        (says("Certainly! Here is your plan:"), "draft_not_json"),
        (says("[" * 5000), "draft_not_json"),
        (says('{"nodes": {"a": 1}}'), "draft_malformed"),
        (fake.CUT_OFF, "draft_cut_off"),
        (fake.HTML, "model_invalid_agent_reply"),
        (Step("huge", size=100 * 1024 * 1024), "model_invalid_agent_reply"),
    ],
    ids=["never valid", "undeclared id", "prose", "deep", "malformed", "cut off", "no completion", "huge"],
)
def test_a_model_that_never_gets_it_right_costs_three_attempts(
    hybrid: Loop, model: FakeOpenAI, answer: Step, code: str
) -> None:
    # Given a model that answers nonsense each time
    model.play(answer)
    # When a run is planned
    run_id, frames = planned(hybrid)
    # Then three attempts are told and stored, and the search's plan is used
    assert planning(frames) == [
        *(("plan_requested", 1), ("plan_rejected", 1), ("plan_requested", 2), ("plan_rejected", 2)),
        *(("plan_requested", 3), ("plan_rejected", 3), ("plan_generated", 0)),
    ]
    assert len(model.requests) == 3
    attempts = stored(run_id)
    assert [(a["attempt"], a["outcome"]) for a in attempts] == [(n, "refused") for n in (1, 2, 3)]
    assert all(code in codes(a["diagnostics"]) for a in attempts)
    told = metadata_of(frames)
    assert (told["plannerRuntime"], told["drafting"]["outcome"]) == ("deterministic", "refused")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (fake.BAD_KEY, "model_refused"),
        (fake.NO_QUOTA, "model_rate_limited"),
        (fake.REFUSED, "model_refused"),
        (fake.rate_limited(300), "model_rate_limited"),
    ],
    ids=["wrong key", "empty account", "refusal", "too many"],
)
def test_a_model_that_cannot_be_used_is_asked_once(hybrid: Loop, model: FakeOpenAI, answer: Step, code: str) -> None:
    model.play(answer)

    run_id, frames = planned(hybrid)

    assert planning(frames) == [("plan_requested", 1), ("plan_rejected", 1), ("plan_generated", 0)]
    (attempt,) = stored(run_id)
    assert attempt["outcome"] == "failed"
    assert codes(attempt["diagnostics"]) == {code}
    assert metadata_of(frames)["plannerRuntime"] == "deterministic"


@pytest.mark.parametrize("answer", [fake.HANG, fake.DRIP], ids=["hangs", "drips"])
def test_a_slow_model_costs_its_time_and_no_more(
    hybrid: Loop, model: FakeOpenAI, answer: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a model that does not come to an end
    monkeypatch.setattr(tasks.drafting, "ATTEMPT_SECONDS", 0.4)
    model.play(answer)
    # When a run is planned
    run_id, frames = planned(hybrid)
    # Then the attempt ended at its deadline and the search's plan is used
    (attempt,) = stored(run_id)
    assert codes(attempt["diagnostics"]) == {"model_timeout"}
    assert 300 < attempt["durationMs"] < 5000
    assert metadata_of(frames)["drafting"]["outcome"] == "failed"


def test_a_model_that_is_down_costs_little(in_mode: Callable[..., Loop]) -> None:
    # Given a server that is gone
    with FakeOpenAI() as gone:
        address = gone.base_url
    loop = in_mode(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=address)
    # When a run is planned
    run_id, frames = planned(loop)
    # Then the search's plan is used
    (attempt,) = stored(run_id)
    assert codes(attempt["diagnostics"]) == {"model_unavailable"}
    assert metadata_of(frames)["plannerRuntime"] == "deterministic"


def test_a_dearer_draft_loses_at_once_unless_the_envelope_prefers_drafts(hybrid: Loop, model: FakeOpenAI) -> None:
    # Given a draft that also writes an article that nobody asked for
    model.play(says(draft(BRIEFING, "ContentGeneratorAgent.blogPost", LINKEDIN)))
    # When a run is planned, then one whose envelope prefers drafts
    run_id, frames = planned(hybrid)
    prefer = {"planner": {"directives": {"preferDraft": True}}}
    _, preferred = planned(hybrid, policies=prefer)
    # Then the first has the search's plan after one attempt
    assert planning(frames) == [("plan_requested", 1), ("plan_rejected", 1), ("plan_generated", 0)]
    (attempt,) = stored(run_id)
    assert (attempt["outcome"], codes(attempt["diagnostics"])) == ("too_costly", {"draft_too_costly"})
    assert metadata_of(frames)["drafting"]["outcome"] == "too_costly"
    # And the second has the draft's
    told = metadata_of(preferred)
    assert told["plannerRuntime"] == "llm"
    assert told["drafting"]["cost"] > 1.1 * told["drafting"]["searchCost"]


def test_a_models_instructions_reach_agents_only_where_the_caller_prefers_drafts(
    hybrid: Loop, model: FakeOpenAI
) -> None:
    model.play(says(VALID))
    planned(hybrid)
    assert not any("yard cat" in line for bundle in hybrid.agents.bundles for line in bundle.instructions)

    planned(hybrid, policies={"planner": {"directives": {"preferDraft": True}}})
    assert any("yard cat" in line for bundle in hybrid.agents.bundles for line in bundle.instructions)


def test_no_model_is_asked_for_what_no_plan_can_do(hybrid: Loop, model: FakeOpenAI) -> None:
    contract = {"mode": "facets", "facets": ["post_visual"]}

    run_id = hybrid.submit(linkedin_envelope(outputContract=contract, policies=NEVER_ASK))
    hybrid.drain()

    assert hybrid.run(run_id).reason == "no_plan"
    assert not model.requests


def test_a_run_that_is_cancelled_meanwhile_stops_the_talk(hybrid: Loop, model: FakeOpenAI) -> None:
    # Given a run whose model hangs
    model.play(Step("hang"))
    run_id = hybrid.submit(linkedin_envelope())
    # When it is cancelled and the lease is lost while the model is being asked
    real = tasks.drafting._ask

    def cancelled(desk: Any, prompt: Any) -> Any:
        with open_unit("default") as unit:
            unit.runs.cancel(run_id)
        hybrid.heartbeat.beat()
        return real(desk, prompt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.drafting, "_ask", cancelled)
        hybrid.deliver(hybrid.waiting.pop(0))
    # Then nothing more is told or stored of planning
    assert planning(hybrid.frames(run_id)) == [("plan_requested", 1)]
    assert stored(run_id) == []
    hybrid.settle(run_id)
    assert hybrid.run(run_id).status == "cancelled"


@pytest.mark.parametrize("mode", ["static", "deterministic", "hybrid"])
def test_the_linkedin_envelope_completes_in_each_mode(
    in_mode: Callable[..., Loop], model: FakeOpenAI, mode: str
) -> None:
    model.play(says(VALID))
    loop = in_mode(FLEX_PLANNER_MODE=mode, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=model.base_url)

    _, frames = planned(loop)

    runtime = metadata_of(frames)["plannerRuntime"]
    assert runtime == {"static": "static", "deterministic": "deterministic", "hybrid": "llm"}[mode]
    assert len(frames[-1]["payload"]["output"]["copyVariants"]) == 2
    assert len(model.requests) == (mode == "hybrid")


def test_without_a_key_the_hybrid_planner_searches_alone(in_mode: Callable[..., Loop]) -> None:
    _, frames = planned(in_mode(FLEX_PLANNER_MODE="hybrid"))

    assert metadata_of(frames)["plannerRuntime"] == "deterministic"
    assert planning(frames) == [("plan_requested", 1), ("plan_generated", 0)]


def test_the_static_planner_refuses_other_work_and_names_the_way_out(in_mode: Callable[..., Loop]) -> None:
    loop = in_mode(FLEX_PLANNER_MODE="static")

    run_id = loop.submit(linkedin_envelope(outputContract={"mode": "facets", "facets": ["positioning"]}))
    loop.drain()

    run = loop.run(run_id)
    assert (run.status, run.reason) == ("failed", "no_plan")
    rejected = loop.told(run_id, "plan_rejected")[0]["payload"]["diagnostics"]
    unknown = next(one for one in rejected if one["code"] == "static_plan_unknown")
    assert "FLEX_PLANNER_MODE" in unknown["suggestion"]


def test_a_plan_that_is_made_anew_is_talked_about_with_what_there_is(hybrid: Loop, model: FakeOpenAI) -> None:
    # Given a run whose plan came from a draft, and an operator who has it planned anew while its briefing is done
    model.play(says(VALID), says(VALID))
    run_ids: list[str] = []

    def replan(bundle: Any, cancel: Any) -> Any:
        with open_unit("default") as unit:
            unit.planning.request(unit.runs.lock(run_ids[0]), Replanning(Reason.OPERATOR))
        return OfflineAgent().run(bundle, cancel=cancel)

    hybrid.agents.on("briefing", replan)
    run_ids.append(hybrid.submit(linkedin_envelope()))
    run = hybrid.settle(run_ids[0])
    # Then the model was told of the plan in force and of what is done
    assert run.status == "completed"
    assert [(d["phase"], d["outcome"]) for d in stored(run_ids[0])] == [
        ("initial", "accepted"),
        ("replan", "accepted"),
    ]
    told = model.requests[-1].user
    assert '"version": 1' in told or '"version":1' in told
    assert "operator" in told
    # And a draft that changes nothing makes no new version
    assert run.plan_version == 1
    (rejected,) = (f["payload"]["diagnostics"] for f in hybrid.told(run_ids[0], "plan_rejected"))
    assert [finding["code"] for finding in rejected] == ["plan_not_new"]
    assert len(hybrid.agents.attempts("briefing")) == 1
