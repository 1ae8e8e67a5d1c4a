"""Plans that are made anew while a run goes on: directions, routings without a way, and answers of people."""

from __future__ import annotations

from typing import Any

import pytest

from models.errors import InvalidRunStateError
from models.unit_of_work import open_unit
from planner.contracts.json_schema import validator_for
from planner.progress.replanning import Reason, Replanning
from policies.errors import InvalidInputError
from tasks import dispatch
from tasks.planning import plan_and_store
from tests.support.envelopes import NEVER_ASK, VARIANT, linkedin_envelope
from tests.support.goldens import WRITER
from tests.support.invariants import assert_sound
from tests.support.loop import Frame, Loop, dies, gives
from tests.support.planning import like, plan_for

BRIEFING = "StrategyManagerAgent.briefing"
BRIEF = {"angle": "The yard", "keyPoints": ["Boats that last"]}
BRIEFED = {"writerBrief": BRIEF, "strategicRationale": "Welders want to see what they build."}
DIRECTIONS = [{"label": label, "angle": f"The {label}"} for label in ("yard", "people", "sea")]
POST = {"headline": "Come and build boats", "body": "A body that is long enough to count.", "callToAction": "Write us"}


def free_envelope(**members: Any) -> dict[str, Any]:
    """Return an envelope for as many posts as come out, up to six."""
    array = {"type": "array", "minItems": 1, "maxItems": 6, "items": VARIANT}
    schema = {"type": "object", "required": ["copyVariants"], "properties": {"copyVariants": array}}
    envelope = linkedin_envelope(outputContract={"mode": "json_schema", "schema": schema}, **members)
    del envelope["inputs"]["variantCount"]
    return envelope


def routed_envelope(*, else_to: str | None, intensity: float | None) -> dict[str, Any]:
    routes = [
        {"to": "yard.Bold", "condition": {"dsl": "facets.planKnobs.hookIntensity > 0.6"}, "label": "bold"},
        {"to": "yard.Calm", "condition": {"dsl": "facets.planKnobs.hookIntensity < 0.3"}},
    ]
    directive = {"routes": routes, **({"elseTo": else_to} if else_to else {})}
    envelope = free_envelope(policies={"planner": {"directives": {"routing": directive}}})
    if intensity is not None:
        envelope["inputs"]["planKnobs"] = {"hookIntensity": intensity}
    return envelope


def register(*capabilities: Any) -> None:
    with open_unit("default") as unit:
        for capability in capabilities:
            unit.capabilities.register(capability)


def keep_builtins(*names: str) -> None:
    with open_unit(None) as unit:
        unit.capabilities.retire_builtins(set(names))


def nodes_of_kind(loop: Loop, run_id: str, kind: str) -> dict[str, str]:
    return {name: node["status"] for name, node in loop.nodes(run_id).items() if node["kind"] == kind}


def the_frame(loop: Loop, run_id: str, kind: str) -> Frame:
    (found,) = loop.told(run_id, kind)
    return found


# -- an upstream output that holds several directions


def test_three_directions_become_three_pairs_of_writer_and_reviewer(loop: Loop) -> None:
    # Given a strategist that returns three directions
    loop.agents.on("briefing", gives(**BRIEFED, strategicDirections=DIRECTIONS))
    # When the run goes its way
    run_id = loop.submit(free_envelope())
    run = loop.settle(run_id)
    # Then version 2 holds a pair for each, and the strategist's work is kept
    frames = loop.frames(run_id)
    assert_sound(frames)
    assert (run.status, run.plan_version) == ("completed", 2)
    updated = the_frame(loop, run_id, "plan_updated")["payload"]
    assert (updated["previousVersion"], updated["version"]) == (1, 2)
    assert updated["trigger"]["reason"] == "upstream_output"
    assert {node["id"]: node["status"] for node in updated["nodes"]}["briefing"] == "completed"
    branch = the_frame(loop, run_id, "plan_branch")["payload"]
    assert branch["reason"] == "upstream_output"
    assert [b["nodeIds"] for b in branch["branches"]] == [
        [f"linkedinVariants~{label}", f"contentReview~{label}"] for label in "abc"
    ]
    assert len(loop.agents.attempts("briefing")) == 1
    # And each writer followed its own direction, and their posts are joined
    told = [" ".join(loop.agents.attempts(f"linkedinVariants~{label}")[0].instructions) for label in "abc"]
    assert ["The yard" in told[0], "The people" in told[1], "The sea" in told[2]] == [True] * 3
    assert len(frames[-1]["payload"]["output"]["copyVariants"]) == 3
    # And the writer of version 1 was never begun
    assert loop.nodes(run_id)["linkedinVariants"]["status"] == "superseded"
    assert not loop.agents.attempts("linkedinVariants")


def test_the_new_version_is_asked_for_in_the_transaction_that_stores_the_directions(loop: Loop) -> None:
    loop.agents.on("briefing", gives(**BRIEFED, strategicDirections=DIRECTIONS))
    run_id = loop.submit(free_envelope())
    loop.deliver(loop.waiting.pop(0))
    # Then, before anything else is delivered, nothing of the old version can start any more
    run = loop.run(run_id)
    assert (run.status, run.epoch, run.replan and run.replan["reason"]) == ("planning", 2, "upstream_output")
    requested = [f["payload"] for f in loop.told(run_id, "plan_requested")]
    assert [p["phase"] for p in requested] == ["initial"]
    assert [m.ids for m in loop.waiting] == [{"run_id": run_id, "epoch": 2}]


def test_a_replan_whose_planner_dies_is_done_by_another(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a planner that dies when the plan is made anew
    loop.agents.on("briefing", gives(**BRIEFED, strategicDirections=DIRECTIONS))
    run_id = loop.submit(free_envelope())
    loop.deliver(loop.waiting.pop(0))
    with monkeypatch.context() as patch:
        patch.setattr("tasks.planning.plan_in_mode", lambda *_, **__: dies()(None, None))  # type: ignore[arg-type]
        loop.drain()
    # When time passes
    run = loop.settle(run_id)
    # Then the run has been planned anew once, and completes
    assert_sound(loop.frames(run_id))
    assert (run.status, run.plan_version, run.planning_crashes) == ("completed", 2, 1)


def test_directions_beyond_what_the_contract_takes_are_left_out(loop: Loop) -> None:
    loop.agents.on("briefing", gives(**BRIEFED, strategicDirections=DIRECTIONS))
    envelope = free_envelope()
    envelope["outputContract"]["schema"]["properties"]["copyVariants"]["maxItems"] = 2
    run_id = loop.submit(envelope)
    assert loop.settle(run_id).plan_version == 2
    assert len(loop.frames(run_id)[-1]["payload"]["output"]["copyVariants"]) == 2


def test_one_direction_needs_no_new_version(loop: Loop) -> None:
    loop.agents.on("briefing", gives(**BRIEFED, strategicDirections=DIRECTIONS[:1]))
    run_id = loop.submit(free_envelope())
    assert loop.settle(run_id).plan_version == 1


def test_a_run_goes_on_with_its_plan_when_the_directions_cannot_be_followed(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a registry that has lost its writer by the time the directions are there
    def lose(_bundle: Any, _cancel: Any) -> Any:
        with open_unit(None) as unit:
            unit.capabilities.retire_builtins({BRIEFING, "QualityAssuranceAgent.contentReview"})
        return gives(**BRIEFED, strategicDirections=DIRECTIONS)(_bundle, _cancel)

    loop.agents.on("briefing", lose)
    run_id = loop.submit(free_envelope(policies=NEVER_ASK))
    loop.drain()
    # Then the refusal is told, and the version in force goes on
    rejected = the_frame(loop, run_id, "plan_rejected")["payload"]
    assert (rejected["phase"], rejected["reason"]) == ("replan", "upstream_output")
    assert loop.run(run_id).plan_version == 1
    assert loop.run(run_id).replan is None


# -- routing


@pytest.fixture
def ways(loop: Loop) -> Loop:
    register(like(WRITER, capability_id="yard.Bold"), like(WRITER, capability_id="yard.Calm"))
    return loop


@pytest.mark.parametrize(("intensity", "taken"), [(0.9, "Bold"), (0.1, "Calm"), (0.5, "linkedinVariants")])
def test_one_of_three_ways_is_taken_and_the_others_are_skipped(ways: Loop, intensity: float, taken: str) -> None:
    run_id = ways.submit(routed_envelope(else_to=WRITER, intensity=intensity))
    run = ways.settle(run_id)
    frames = ways.frames(run_id)
    assert_sound(frames)
    assert (run.status, run.plan_version) == ("completed", 1)
    writers = nodes_of_kind(ways, run_id, "execution")
    assert writers == {w: "completed" if w == taken else "skipped" for w in ("Bold", "Calm", "linkedinVariants")}
    # And only the reviewer of that way had something to review
    assert sorted(nodes_of_kind(ways, run_id, "validation").values()) == ["completed", "skipped", "skipped"]
    assert len(ways.told(run_id, "node_skipped")) == 4
    # And the decision is told with its reasons
    (routed,) = (f["payload"]["routingResult"] for f in ways.told(run_id, "node_complete") if f["nodeId"] == "routing")
    assert routed["selectedTarget"] == taken
    assert routed["resolution"] == ("else" if taken == "linkedinVariants" else "match")
    assert [trace["matched"] for trace in routed["traces"]] == [taken == "Bold", taken == "Calm"]
    assert [f["message"] for f in ways.told(run_id, "log")] == [f"routing_selected:{taken}"]


def test_where_no_route_fits_the_planner_chooses_the_way_itself(ways: Loop) -> None:
    run_id = ways.submit(routed_envelope(else_to=None, intensity=0.5))
    run = ways.settle(run_id)
    assert_sound(ways.frames(run_id))
    assert (run.status, run.plan_version) == ("completed", 2)
    assert the_frame(ways, run_id, "plan_updated")["payload"]["trigger"]["reason"] == "routing_no_match"
    assert [f["message"] for f in ways.told(run_id, "log")] == ["routing_replan_required"]
    assert "routing" in the_frame(ways, run_id, "plan_updated")["payload"]["replan"]["diff"]["removed"]
    assert len(ways.agents.attempts("briefing")) == 1


def test_a_condition_that_cannot_be_decided_does_not_hold(ways: Loop) -> None:
    run_id = ways.submit(routed_envelope(else_to=WRITER, intensity=None))
    ways.settle(run_id)
    (routed,) = (f["payload"]["routingResult"] for f in ways.told(run_id, "node_complete") if f["nodeId"] == "routing")
    assert routed["resolution"] in {"match", "else"}


# -- fallback


@pytest.fixture
def without_writer(loop: Loop) -> Loop:
    keep_builtins(BRIEFING)
    return loop


def ask_about(loop: Loop, envelope: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Submit an envelope and return its run with the one question that it waits for."""
    run_id = loop.submit(envelope)
    loop.drain()
    run = loop.run(run_id)
    assert (run.status, run.plan_version) == ("awaiting_hitl", 1)
    (request,) = loop.requests(run_id)
    return run_id, request


@pytest.mark.parametrize("empty", [True, False])
def test_what_nobody_makes_is_asked_of_a_person_who_supplies_it(loop: Loop, *, empty: bool) -> None:
    # Given a registry without a writer, or an empty one
    keep_builtins(*([] if empty else [BRIEFING]))
    # When a run needs posts
    run_id, request = ask_about(loop, linkedin_envelope())
    # Then version 1 holds the question, and the stream and the request say why
    fallback = the_frame(loop, run_id, "plan_fallback")["payload"]
    assert fallback["reason"] == ("empty_registry" if empty else "no_candidate")
    assert (fallback["best"], fallback["minimumScore"]) == (None, 0.35)
    assert "copyVariants" in fallback["facets"]
    assert request["payload"]["additionalContext"]["facets"] == fallback["facets"]
    assert [option["id"] for option in request["payload"]["options"]] == ["supply", "stop"]
    # When a person supplies the value
    loop.answer(run_id, output={"copyVariants": [POST, POST]})
    loop.drain()
    # Then it is the result
    frames = loop.frames(run_id)
    assert_sound(frames)
    assert frames[-1]["payload"]["output"]["copyVariants"] == [POST, POST]
    (done,) = (f for f in loop.told(run_id, "node_complete") if f["nodeId"] == fallback["nodeId"])
    assert done["payload"]["provenance"]["provider"] == "person"


def test_a_person_may_stop_the_run(without_writer: Loop) -> None:
    run_id, _ = ask_about(without_writer, linkedin_envelope())
    without_writer.answer(run_id, approved=False, freeformText="We do this by hand.")
    without_writer.drain()
    run, end = without_writer.run(run_id), without_writer.frames(run_id)[-1]["payload"]
    assert (run.status, run.reason) == ("failed", "rejected")
    assert "We do this by hand." in end["error"]["message"]
    assert_sound(without_writer.frames(run_id), status="failed")


def test_stop_may_be_chosen_like_any_option(without_writer: Loop) -> None:
    run_id, _ = ask_about(without_writer, linkedin_envelope())
    without_writer.answer(run_id, selectedOptionId="stop")
    without_writer.drain()
    assert without_writer.run(run_id).reason == "rejected"


def lowest_score() -> float:
    """Return the lowest score in the plan of the envelope, as long as nothing has been measured."""
    return min(float(node.score["total"]) for node in plan_for(linkedin_envelope()).nodes if node.score)


def with_minimum(score: float) -> dict[str, Any]:
    return linkedin_envelope(policies={"planner": {"directives": {"minimumScore": round(score, 4)}}})


def test_at_the_minimum_score_nobody_is_asked_and_just_below_it_a_person_is(loop: Loop) -> None:
    # Given a registry in which the strategist has the lowest score
    lowest = lowest_score()
    # Then just below it a run asks, naming the candidate, its score and the minimum
    run_id, request = ask_about(loop, with_minimum(lowest + 0.0001))
    fallback = the_frame(loop, run_id, "plan_fallback")["payload"]
    assert fallback["reason"] == "below_minimum_score"
    assert fallback["best"]["score"] == lowest
    assert fallback["minimumScore"] == round(lowest + 0.0001, 4)
    assert [option["id"] for option in request["payload"]["options"]] == ["supply", "choose", "stop"]
    # And at that score it completes
    assert loop.settle(loop.submit(with_minimum(lowest))).status == "completed"


@pytest.mark.parametrize("answer", [{"selectedOptionId": "choose"}, {"approved": True}])
def test_a_candidate_below_the_minimum_is_used_when_a_person_says_so(loop: Loop, answer: dict[str, Any]) -> None:
    # Given a run that asks about its best candidate
    lowest = lowest_score()
    run_id, request = ask_about(loop, with_minimum(lowest + 0.0001))
    chosen = request["originAgent"]
    # When a person chooses it anyway
    loop.answer(run_id, **answer)
    run = loop.settle(run_id)
    # Then version 2 holds it in place of the question, and the run completes
    frames = loop.frames(run_id)
    assert_sound(frames)
    assert (run.status, run.plan_version) == ("completed", 2)
    updated = the_frame(loop, run_id, "plan_updated")["payload"]
    assert updated["trigger"] == {
        "reason": "candidate_chosen",
        "details": {"nodeId": request["pendingNodeId"], "capabilityId": chosen},
    }
    assert loop.nodes(run_id)[request["pendingNodeId"]]["status"] == "superseded"
    assert chosen in {node["capabilityId"] for node in updated["nodes"]}
    assert validator_for(linkedin_envelope()["outputContract"]["schema"]).is_valid(frames[-1]["payload"]["output"])


@pytest.mark.parametrize(
    ("answer", "pointer"),
    [
        ({"selectedOptionId": "choose"}, "/responses/0/selectedOptionId"),
        ({"selectedOptionId": "supply"}, "/responses/0/output"),
        ({"approved": True}, "/responses/0"),
        ({"freeformText": "perhaps"}, "/responses/0"),
        ({"output": {"copyVariants": []}}, "/responses/0/output/copyVariants"),
    ],
)
def test_an_answer_that_says_none_of_the_options_is_refused_at_its_place(
    without_writer: Loop, answer: dict[str, Any], pointer: str
) -> None:
    run_id, _ = ask_about(without_writer, linkedin_envelope())
    with pytest.raises(InvalidInputError) as refused:
        without_writer.answer(run_id, **answer)
    assert [problem.pointer for problem in refused.value.problems] == [pointer]
    assert len(without_writer.requests(run_id)) == 1


def test_an_operator_has_a_run_planned_anew_when_somebody_can_do_what_was_asked_for(without_writer: Loop) -> None:
    # Given a run that asks for posts, and a writer that has been registered since
    run_id, request = ask_about(without_writer, linkedin_envelope())
    register(like(WRITER, capability_id="yard.Writer"))
    # When an operator has it planned anew
    operator_replans(without_writer, run_id)
    run = without_writer.settle(run_id)
    # Then the writer writes, and the question is closed
    frames = without_writer.frames(run_id)
    assert_sound(frames)
    assert (run.status, run.plan_version) == ("completed", 2)
    assert the_frame(without_writer, run_id, "plan_updated")["payload"]["trigger"]["details"]["note"] == "go on"
    with open_unit(None) as unit:
        assert [r["status"] for r in unit.hitl.of_run(run_id) if r["id"] == request["id"]] == ["cancelled"]


def test_a_plan_made_anew_that_does_nothing_new_is_refused_and_the_run_goes_on_as_before(without_writer: Loop) -> None:
    run_id, request = ask_about(without_writer, linkedin_envelope())
    operator_replans(without_writer, run_id)
    without_writer.drain()
    (rejected,) = (f["payload"] for f in without_writer.told(run_id, "plan_rejected"))
    assert [d["code"] for d in rejected["diagnostics"]] == ["plan_not_new"]
    # Then the same question still waits for its answer
    run = without_writer.run(run_id)
    assert (run.status, run.plan_version) == ("awaiting_hitl", 1)
    assert [r["id"] for r in without_writer.requests(run_id)] == [request["id"]]
    without_writer.answer(run_id, output={"copyVariants": [POST, POST]})
    assert without_writer.settle(run_id).status == "completed"


def operator_replans(loop: Loop, run_id: str) -> None:
    with open_unit("default") as unit:
        assert unit.planning.request(unit.runs.lock(run_id), Replanning(Reason.OPERATOR, details={"note": "go on"}))
        unit.on_commit(lambda: dispatch.advance_run(run_id))


def test_where_fallback_is_forbidden_nobody_is_asked(without_writer: Loop) -> None:
    run_id = without_writer.submit(linkedin_envelope(policies=NEVER_ASK))
    without_writer.drain()
    assert (without_writer.run(run_id).status, without_writer.run(run_id).reason) == ("failed", "no_plan")


def test_an_answer_given_twice_plans_anew_once(loop: Loop) -> None:
    lowest = lowest_score()
    run_id, _ = ask_about(loop, with_minimum(lowest + 0.0001))
    loop.answer(run_id, selectedOptionId="choose")
    # When the message about the answer comes three times
    loop.waiting.extend([loop.waiting[-1]] * 2)
    run = loop.settle(run_id)
    assert (run.status, run.plan_version) == ("completed", 2)
    assert len(loop.told(run_id, "plan_updated")) == 1


def test_a_run_that_is_cancelled_while_it_is_planned_anew_stays_cancelled(loop: Loop) -> None:
    loop.agents.on("briefing", gives(**BRIEFED, strategicDirections=DIRECTIONS))
    run_id = loop.submit(free_envelope())
    loop.deliver(loop.waiting.pop(0))
    loop.cancel(run_id)
    run = loop.settle(run_id)
    assert_sound(loop.frames(run_id), status="cancelled")
    assert (run.status, run.plan_version) == ("cancelled", 1)


def test_work_that_is_done_is_kept_although_a_better_capability_has_come(loop: Loop) -> None:
    # Given a strategist that has returned directions, and a better one that was registered meanwhile
    def improve(bundle: Any, cancel: Any) -> Any:
        with open_unit("default") as unit:
            unit.capabilities.register(like(BRIEFING, capability_id="yard.Strategist", input_traits={}))
        return gives(**BRIEFED, strategicDirections=DIRECTIONS)(bundle, cancel)

    loop.agents.on("briefing", improve)
    preferring = {"planner": {"selection": {"prefer": ["yard.Strategist"]}}}
    run_id = loop.submit(free_envelope(policies=preferring))
    run = loop.settle(run_id)
    # Then the new version keeps what the first one did
    assert (run.status, run.plan_version) == ("completed", 2)
    assert set(nodes_of_kind(loop, run_id, "structuring").items()) == {("briefing", "completed")}


def test_directions_that_come_while_a_plan_is_made_anew_for_nothing_are_followed_after_all(loop: Loop) -> None:
    # Given an operator who has a run planned anew while its strategist works, which changes nothing
    run_ids: list[str] = []

    def meanwhile(bundle: Any, cancel: Any) -> Any:
        operator_replans(loop, run_ids[0])
        return gives(**BRIEFED, strategicDirections=DIRECTIONS)(bundle, cancel)

    loop.agents.on("briefing", meanwhile)
    run_ids.append(loop.submit(free_envelope()))
    run = loop.settle(run_ids[0])
    # Then the directions that came meanwhile are followed
    assert_sound(loop.frames(run_ids[0]))
    assert (run.status, run.plan_version) == ("completed", 2)
    assert [f["payload"]["reason"] for f in loop.told(run_ids[0], "plan_rejected")] == ["operator"]
    assert the_frame(loop, run_ids[0], "plan_updated")["payload"]["trigger"]["reason"] == "upstream_output"


def test_work_that_is_done_is_kept_although_its_capability_has_gone(loop: Loop) -> None:
    # Given a strategist that is deregistered as soon as it has returned directions
    keep_builtins(WRITER)
    register(like(BRIEFING, capability_id="yard.Strategist"), like(BRIEFING, capability_id="yard.Other"))

    def leave(bundle: Any, cancel: Any) -> Any:
        with open_unit("default") as unit:
            unit.capabilities.deactivate("yard.Strategist")
        return gives(**BRIEFED, strategicDirections=DIRECTIONS)(bundle, cancel)

    loop.agents.on("Strategist", leave)
    run_id = loop.submit(free_envelope(policies={"planner": {"selection": {"prefer": ["yard.Strategist"]}}}))
    run = loop.settle(run_id)
    # Then nobody does its work again
    assert (run.status, run.plan_version) == ("completed", 2)
    assert nodes_of_kind(loop, run_id, "structuring") == {"Strategist": "completed"}


def test_nobody_can_answer_while_the_plan_is_made_anew(without_writer: Loop) -> None:
    run_id, _ = ask_about(without_writer, linkedin_envelope())
    with open_unit("default") as unit:
        unit.planning.request(unit.runs.lock(run_id), Replanning(Reason.OPERATOR))
    with pytest.raises(InvalidRunStateError, match="planned anew"):
        without_writer.answer(run_id, output={"copyVariants": [POST, POST]})
    # Then the question is still there when the run goes on
    without_writer.settle(run_id)
    without_writer.answer(run_id, output={"copyVariants": [POST, POST]})
    assert without_writer.settle(run_id).status == "completed"


def test_a_question_that_the_new_plan_does_not_ask_is_told_to_be_closed(without_writer: Loop) -> None:
    run_id, request = ask_about(without_writer, linkedin_envelope())
    register(like(WRITER, capability_id="yard.Writer"))
    operator_replans(without_writer, run_id)
    without_writer.settle(run_id)
    closed = [f["payload"]["requestId"] for f in without_writer.told(run_id, "log")]
    assert closed == [request["id"]]


def test_after_a_plan_that_was_made_anew_for_nothing_ready_work_is_published_at_once(loop: Loop) -> None:
    # Given a run whose first lane is published, and not claimed before an operator has the run planned anew
    run_id = loop.submit(linkedin_envelope())
    plan_and_store(run_id, 1)
    with open_unit(None) as unit:
        unit.runs.lock(run_id)
        unit.nodes.note_dispatch(run_id, ["briefing"])
    loop.waiting.clear()
    operator_replans(loop, run_id)
    # When the new plan is refused because it does nothing new
    loop.drain()
    # Then no time has to pass for the run to complete
    assert loop.run(run_id).status == "completed"
    assert len(loop.told(run_id, "plan_rejected")) == 1


def test_a_skipped_way_is_not_blamed_for_a_result_that_breaks_a_constraint(ways: Loop) -> None:
    # Given a routing, and a hard constraint that the taken way breaks at first
    envelope = routed_envelope(else_to=WRITER, intensity=0.9)
    hard = {"constraintId": "named", "level": "hard", "expr": "copyVariants.0.headline == 'Come and build boats'"}
    envelope["outputContract"]["constraints"] = [hard]
    ways.agents.on("Bold", gives(copyVariants=[{**POST, "headline": "Another one"}]), gives(copyVariants=[POST]))
    run_id = ways.submit(envelope)
    run = ways.settle(run_id)
    # Then the taken way writes again, the others stay skipped, and the result is computed a second time
    assert run.status == "completed"
    assert len(ways.agents.attempts("Bold")) == 2
    writers = nodes_of_kind(ways, run_id, "execution")
    assert writers == {"Bold": "completed", "Calm": "skipped", "linkedinVariants": "skipped"}
    starts = [f["payload"]["attempt"] for f in ways.told(run_id, "node_start") if f["nodeId"] == "output"]
    assert starts == [1, 2]
