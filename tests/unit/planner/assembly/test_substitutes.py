"""Where no declared capability will do: derived ones, then a person, and never anything else."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.diagnostics import PlanRejectedError
from planner.assembly.explain import plan_cost
from planner.assembly.request import Situation
from planner.contracts.capabilities import RegistrySnapshot
from planner.plan.graph import PlanGraph
from tests.support.goldens import BLOGGER, WRITER, Golden, planner
from tests.support.planning import like, linkedin, registry, with_capabilities

BRIEFING = "StrategyManagerAgent.briefing"
NO_WRITER = with_capabilities(without=[WRITER])


def asked(raw: dict[str, Any], snapshot: RegistrySnapshot, **situation: Any) -> PlanGraph:
    return Golden(raw, snapshot, fallbacks=True, situation=Situation(**situation)).plan()


def minimum(score: float) -> dict[str, Any]:
    return linkedin(policies=planner(directives={"minimumScore": score}))


def asks(plan: PlanGraph) -> list[dict[str, Any]]:
    return [dict(node.metadata) for node in plan.nodes if node.kind == "fallback"]


def test_what_nobody_makes_is_asked_of_a_person() -> None:
    # When
    plan = asked(linkedin(), NO_WRITER)
    # Then
    (question,) = asks(plan)
    assert question["reason"] == "no_candidate"
    assert question["facets"] == ["copyVariants"]
    assert question["best"] is None
    assert question["options"] == ["supply", "stop"]
    node = plan.node("fallback")
    assert (node.executor_type, node.capability_id) == ("human", None)
    assert node.output_schema["properties"]["copyVariants"]["minItems"] == 2
    assert plan_cost(plan, NO_WRITER)["total"] == 0


def test_an_input_is_asked_for_rather_than_the_whole_result() -> None:
    # Given a writer, and nobody who writes the brief that it needs
    plan = asked(linkedin(), with_capabilities(without=[BRIEFING]))
    # Then
    assert [question["facets"] for question in asks(plan)] == [["writerBrief"]]
    assert sum(node.capability_id == WRITER for node in plan.nodes) == 2


def test_an_empty_registry_is_one_question() -> None:
    (question,) = asks(asked(linkedin(), RegistrySnapshot(())))
    assert (question["reason"], question["facets"]) == ("empty_registry", ["copyVariants"])


@pytest.mark.parametrize(("gap", "questions"), [(0.0, 0), (0.0001, 1)], ids=["just at", "just below"])
def test_a_candidate_below_the_minimum_is_asked_about(gap: float, questions: int) -> None:
    # Given a minimum that the worst capability of the plan just reaches, or just misses
    plan = Golden(linkedin(), registry()).plan()
    worst = min(n.score["total"] for n in plan.nodes if n.score and n.kind != "validation")
    # When
    found = asks(asked(minimum(round(worst + gap, 4)), registry()))
    # Then
    assert len(found) == questions
    if found:
        assert found[0]["reason"] == "below_minimum_score"
        assert found[0]["best"] == {"capabilityId": BRIEFING, "score": worst}
        assert found[0]["minimumScore"] == round(worst + gap, 4)
        assert found[0]["options"] == ["supply", "choose", "stop"]


def test_who_was_accepted_by_a_person_is_asked_about_no_more() -> None:
    plan = asked(minimum(0.9), registry(), accepted=frozenset({WRITER, BRIEFING}))
    assert asks(plan) == []


def test_a_better_candidate_is_taken_although_it_costs_more() -> None:
    # Given a cheap writer for another channel, below the minimum, and a dear one for this channel
    wrong = like(WRITER, capability_id="a.Writer", input_traits={"formats": ["radio_post"], "languages": ["nl"]})
    raw = linkedin(inputs={"language": "en"}, policies=planner(directives={"minimumScore": 0.48}))
    plan = asked(raw, with_capabilities(wrong))
    assert {n.capability_id for n in plan.nodes if n.kind == "execution"} == {WRITER}
    assert plan.node("linkedinVariants~a").alternatives == ()


def test_under_token_efficiency_nobody_is_asked() -> None:
    policies = planner(directives={"minimumScore": 0.9}, optimisation={"objective": "token_efficiency"})
    assert asks(asked(linkedin(policies=policies), registry())) == []


def test_without_fallback_nodes_all_of_that_is_refused() -> None:
    for raw in (minimum(0.9), linkedin(policies=planner(topology={"forbiddenKinds": ["fallback"]}))):
        snapshot = registry() if raw["policies"]["planner"].get("directives") else NO_WRITER
        allowed = "topology" in raw["policies"]["planner"]
        with pytest.raises(PlanRejectedError) as rejected:
            Golden(raw, snapshot, fallbacks=allowed).plan()
        assert {d.code for d in rejected.value.diagnostics} <= {"below_minimum_score", "no_producer"}


def test_a_supported_facet_is_derived_when_nothing_declared_fits() -> None:
    # Given
    able = like(BLOGGER, supported_facets=("copyVariants", "objectiveBrief"))
    # When a declared writer is there, it is taken
    assert Golden(linkedin(), with_capabilities(able)).plan().metadata["derivedCapabilityCount"] == 0
    # And when there is none
    plan = Golden(linkedin(), with_capabilities(able, without=[WRITER])).plan()
    node = plan.node("blogPost~a")
    assert (node.derived, node.derived_from, node.capability_id) == (True, BLOGGER, BLOGGER)
    assert node.output_facets == ("copyVariants",)
    assert any(sentence.startswith("Derived:") for sentence in node.rationale)
    assert plan.metadata["derivedCapabilities"][0] == {
        "nodeId": "blogPost~a",
        "fromCapabilityId": BLOGGER,
        "facets": ["copyVariants"],
    }


def test_a_derived_capability_comes_before_a_question() -> None:
    able = like(BLOGGER, supported_facets=("copyVariants",))
    plan = asked(linkedin(), with_capabilities(able, without=[WRITER]))
    assert asks(plan) == []
