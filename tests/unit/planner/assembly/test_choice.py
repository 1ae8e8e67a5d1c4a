"""Each part of a score alone turns the choice, as objectives, pins, goals and the minimum do."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.assembly.choice import choose
from planner.assembly.diagnostics import PlanRejectedError
from planner.assembly.drafts import Drafting
from planner.assembly.index import index_of
from planner.assembly.modes import PlannerMode, plan_in_mode
from planner.assembly.outlook import look
from planner.assembly.reachability import Reach
from planner.assembly.request import Situation, read_request
from planner.assembly.scoring import OBJECTIVE_WEIGHTS, WEIGHTS, Measured, Wish, points, score
from planner.contracts.capabilities import Capability, RegistrySnapshot
from planner.envelope import envelope_from_json
from planner.plan.graph import PlanGraph
from tests.support.goldens import WRITER, Golden, planner
from tests.support.options import Option, forward
from tests.support.planning import (
    capability,
    catalogue,
    facet_contract,
    like,
    linkedin,
    registry,
    text_facets,
    with_capabilities,
)

RIVAL = "A.Rival"
BASE: dict[str, Any] = {
    "capability_id": RIVAL,
    "input_traits": {"languages": ["en"], "formats": ["linkedin_post"], "strengths": ["short_form_copy", "hooks"]},
}


def writer_of(plan: PlanGraph) -> set[str | None]:
    return {node.capability_id for node in plan.nodes if node.kind == "execution"}


@pytest.mark.parametrize(
    ("part", "inputs", "changes"),
    [
        ("language", {"language": "en"}, {"input_traits": {**BASE["input_traits"], "languages": ["nl"]}}),
        ("channel", {}, {"input_traits": {**BASE["input_traits"], "formats": ["blog_post"]}}),
        ("content", {"formatType": "video"}, {"metadata": {"contentTypes": ["text"]}}),
        ("cost", {}, {"cost": {"estimatedTokens": 9000, "pricePer1kTokens": 0.5}}),
        ("strengths", {"goal": "hooks"}, {"input_traits": {**BASE["input_traits"], "strengths": ["patience"]}}),
        ("alignment", {}, {"output_facets": ("copyVariants", "post_visual"), "output_schema": {}}),
        ("preference", {}, {}),
        ("health", {}, {"builtin": False, "heartbeat": None}),
        ("success", {}, {}),
        ("speed", {}, {}),
    ],
)
def test_one_part_alone_changes_the_choice(part: str, inputs: dict[str, Any], changes: dict[str, Any]) -> None:
    # Given a twin of the writer whose id comes first, so that it wins every tie
    common = {"metadata": {"contentTypes": ["video"]}, "builtin": True}
    writer = like(WRITER, **common, input_traits=BASE["input_traits"])
    twin = like(WRITER, **BASE, **common)
    worse = like(WRITER, **{**BASE, **common, **changes})
    measured = {"success": {RIVAL: Measured(40, 30)}, "speed": {RIVAL: Measured(40, 20, 600.0)}}.get(part, {})
    policies = planner(selection={"avoid": [RIVAL]}) if part == "preference" else {}
    told = {WRITER: Measured(40, 20, 5.0), **measured} if part == "speed" else measured
    raw = linkedin(inputs=inputs, **({"policies": policies} if policies else {}))
    situation = Situation(measured=told)
    if part not in {"preference", "success", "speed"}:
        assert writer_of(Golden(raw, with_capabilities(writer, twin)).plan()) == {RIVAL}
    # When the twin is worse in this one part
    plan = Golden(raw, with_capabilities(writer, worse), situation=situation).plan()
    # Then the writer is chosen, and the plan says what the twin lost on
    assert writer_of(plan) == {WRITER}
    runner_up = next(r for r in plan.node("linkedinVariants~a").score["runnersUp"] if r["capabilityId"] == RIVAL)
    assert runner_up["lostOn"] == [part]


def test_every_part_has_a_weight_and_every_objective_speaks_of_parts() -> None:
    parts = score(like(WRITER), read_request(envelope_from_json(linkedin(), catalogue()), catalogue()).wish).parts
    assert parts.keys() == WEIGHTS.keys()
    assert all(weights.keys() <= WEIGHTS.keys() for weights in OBJECTIVE_WEIGHTS.values())


@pytest.mark.parametrize(
    ("objective", "chosen"),
    [(None, "B.Cheap"), ("speed", "A.Fast"), ("quality", "C.Sure"), ("token_efficiency", "B.Cheap")],
)
def test_the_objective_changes_what_counts(objective: str | None, chosen: str) -> None:
    # Given three writers, each best at something
    cheap = like(WRITER, capability_id="B.Cheap", cost={"estimatedTokens": 10, "pricePer1kTokens": 0.001})
    dear = {"estimatedTokens": 2000, "pricePer1kTokens": 0.02}
    fast, sure = like(WRITER, capability_id="A.Fast", cost=dear), like(WRITER, capability_id="C.Sure", cost=dear)
    told = {"A.Fast": Measured(9, 5, 1.0), "B.Cheap": Measured(9, 5, 60.0), "C.Sure": Measured(60, 0, 60.0)}
    policies = planner(optimisation={"objective": objective}) if objective else {}
    golden = Golden(
        linkedin(policies=policies),
        with_capabilities(cheap, fast, sure, without=[WRITER]),
        situation=Situation(measured=told),
    )
    assert writer_of(golden.plan()) == {chosen}


def test_a_goals_facet_is_made_although_the_contract_does_not_ask_for_it() -> None:
    goal = {"facet": "qaFindings", "path": "/overallStatus", "condition": {"dsl": 'overallStatus == "pass"'}}
    plan = Golden(linkedin(goal_condition=[goal]), registry()).plan()
    assert any("qaFindings" in node.output_facets for node in plan.nodes)
    assert "qaFindings" not in plan.metadata["output"]["facets"]
    assert plan.metadata["crcs"]["reasonCounts"]["goal_condition"] == 1


def test_a_goal_that_nobody_can_reach_is_refused_at_its_place() -> None:
    goal = {"facet": "post_visual", "path": "#", "condition": {"dsl": "exists(value)"}}
    with pytest.raises(PlanRejectedError) as rejected:
        Golden(linkedin(goal_condition=[goal]), registry()).plan()
    assert rejected.value.diagnostics[0].pointer == "/goal_condition/0/facet"


@pytest.mark.parametrize("enabled", [True, False])
def test_an_enabled_policy_that_names_a_missing_capability_is_a_warning(*, enabled: bool) -> None:
    rule = {
        "id": "p",
        "enabled": enabled,
        "trigger": {"kind": "onNodeComplete", "selector": {"capabilityId": "no.body"}},
        "action": {"type": "replan"},
    }
    plan = Golden(linkedin(policies={"runtime": [rule]}), registry()).plan()
    codes = [finding["code"] for finding in plan.metadata["plannerDiagnostics"]]
    assert codes == (["policy_capability_unknown"] if enabled else [])
    assert plan.metadata["crcs"]["missingPinnedCapabilityIds"] == (["no.body"] if enabled else [])


def test_the_row_cap_never_drops_a_pin() -> None:
    path = tuple(f"c{i:03}" for i in range(100))
    reach = Reach((path[::2], path[1::2]), frozenset({"c099"}), frozenset({"c050"}), missing=("gone",), considered=200)
    told = replace(reach, cap=5).as_json()
    assert [row["capabilityId"] for row in told["rows"]] == ["c000", "c001", "c002", "c050", "c099"]
    assert (told["totalRows"], told["mrcsSize"], told["truncated"]) == (5, 100, True)
    assert told["rows"][-1]["reasonCodes"] == ["path", "policy_reference"]
    assert replace(reach, cap=1).as_json()["totalRows"] == 2


@pytest.mark.parametrize("mode", ["static", "deterministic"])
def test_the_cap_on_rows_holds_in_each_mode_and_for_drafts(mode: PlannerMode) -> None:
    # Given
    required = planner(selection={"require": [WRITER]})
    task = envelope_from_json(linkedin(policies=required), catalogue())
    # When
    plan = plan_in_mode(mode, task, registry(), catalogue(), most_rows=1)
    drafting = Drafting.of(task, registry(), catalogue(), most_rows=1)
    # Then the pin is told of and nothing else, although more could matter
    for crcs in (plan.metadata["crcs"], drafting.plan.metadata["crcs"], drafting.ground.choice.reach.as_json()):
        assert [row["capabilityId"] for row in crcs["rows"]] == [WRITER]
        assert (crcs["rowCap"], crcs["truncated"]) == (1, True)
    # And by default there is room for all
    assert not plan_in_mode(mode, task, registry(), catalogue()).metadata["crcs"]["truncated"]


FACETS = ("fa", "fb", "fc", "fd", "fe", "ff")
TEXTS = text_facets(FACETS)
SOME = st.lists(st.sampled_from(FACETS), max_size=2, unique=True)
MOST = 12


@st.composite
def registries(draw: st.DrawFn) -> tuple[Capability, ...]:
    """Draw up to twelve capabilities that differ in what they speak, so that some stay below the minimum."""
    return tuple(
        capability(
            f"c.{index:02}",
            draw(SOME),
            draw(st.lists(st.sampled_from(FACETS), min_size=1, max_size=3, unique=True)),
            input_traits={"languages": [draw(st.sampled_from(["en", "nl"]))]},
            cost={"estimatedTokens": draw(st.integers(1, 5000))},
        )
        for index in range(draw(st.integers(0, MOST)))
    )


@given(registries(), SOME, st.lists(st.sampled_from(FACETS), min_size=1, max_size=2, unique=True))
def test_a_plan_of_good_enough_capabilities_is_found_exactly_when_there_is_one_and_is_the_cheapest(
    found: tuple[Capability, ...], given_facets: list[str], targets: list[str]
) -> None:
    # Given targets that are not given
    given_facets = [facet for facet in given_facets if facet not in targets]
    raw = {
        "objective": "Make it",
        "inputs": {**dict.fromkeys(given_facets, "given"), "language": "en"},
        "policies": planner(directives={"minimumScore": 0.55}),
        "outputContract": facet_contract(*targets),
    }
    request = read_request(envelope_from_json(raw, TEXTS), TEXTS)
    registry_of_found = RegistrySnapshot(found)
    index = index_of(registry_of_found)
    wanted = look(request, index.codes.copy(), index, index.shapes).wanted
    # When
    try:
        choice = choose(request, registry_of_found)
    except PlanRejectedError:
        choice = None
    # Then
    wish = replace(request.wish, facets=wanted)
    best = cheapest_by_trying(found, wish, given_facets, set(targets))
    assert (None if choice is None else choice.cost) == best


def cheapest_by_trying(
    found: tuple[Capability, ...], wish: Wish, given_facets: list[str], targets: set[str]
) -> int | None:
    """Return the least cost of a set of capabilities at or above the minimum that can all run and make the targets."""
    scores = {c.capability_id: score(c, wish) for c in found}
    good = [c for c in found if scores[c.capability_id].total >= wish.minimum]
    prices = {c.capability_id: points(c, scores[c.capability_id], wish) for c in good}
    options = [Option(c.capability_id, frozenset(c.input_facets), frozenset(c.output_facets)) for c in good]
    best: int | None = None
    for chosen in chain.from_iterable(combinations(options, size) for size in range(len(options) + 1)):
        cost = sum(prices[option.name] for option in chosen)
        if best is not None and cost >= best:
            continue
        had, running = forward(chosen, given_facets)
        if targets <= had and len(running) == len(chosen):
            best = cost
    return best
