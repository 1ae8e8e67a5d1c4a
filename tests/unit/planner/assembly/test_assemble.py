"""Plans of the built-in registry: LinkedIn, blog post, refusals, and what policies change about them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from planner.assembly.diagnostics import PlanRejectedError
from planner.contracts.capabilities import RegistrySnapshot
from planner.contracts.json_schema import validator_for
from planner.plan.codec import plan_from_json, plan_hash, plan_to_json
from planner.plan.graph import PlanGraph
from tests.support.planning import (
    ITEM,
    facet_contract,
    json_contract,
    like,
    linkedin,
    object_contract,
    plan_for,
    registry,
    variants,
    with_capabilities,
)

WRITER = "ContentGeneratorAgent.linkedinVariants"
REVIEWER = "QualityAssuranceAgent.contentReview"
BRIEFING = "StrategyManagerAgent.briefing"
LINKEDIN_NODES = [
    "briefing",
    "branch",
    "linkedinVariants~a",
    "contentReview~a",
    "linkedinVariants~b",
    "contentReview~b",
    "output",
]
LINKEDIN_EDGES = {
    ("briefing", "branch"),
    ("branch", "linkedinVariants~a"),
    ("linkedinVariants~a", "contentReview~a"),
    ("branch", "linkedinVariants~b"),
    ("linkedinVariants~b", "contentReview~b"),
    ("contentReview~a", "output"),
    ("contentReview~b", "output"),
}


def ids(plan: PlanGraph) -> list[str]:
    return [node.id for node in plan.nodes]


def edges(plan: PlanGraph) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in plan.edges}


def rejection(raw: dict[str, Any], snapshot: RegistrySnapshot | None = None) -> dict[str, Any]:
    """Return the first diagnostic of a refusal."""
    with pytest.raises(PlanRejectedError) as rejected:
        plan_for(raw, snapshot)
    return rejected.value.diagnostics[0].as_json()


def policies(**groups: Any) -> dict[str, Any]:
    return {"policies": {"planner": groups}}


@pytest.mark.parametrize(
    ("contract", "transform"),
    [
        (object_contract(copyVariants=variants()), {"properties": {"copyVariants": "copyVariants[].value[]"}}),
        (object_contract(variants=variants()), {"properties": {"variants": "copyVariants[].value[]"}}),
        (json_contract(variants()), {"expression": "copyVariants[].value[]"}),
    ],
    ids=["facet name", "other name", "bare array"],
)
def test_linkedin_variants_are_written_and_reviewed_in_branches_and_fitted_to_the_contract(
    contract: dict[str, Any], transform: dict[str, Any]
) -> None:
    # When
    plan = plan_for(linkedin(contract))
    # Then
    assert ids(plan) == LINKEDIN_NODES
    assert edges(plan) == LINKEDIN_EDGES
    made = plan.node("output").transform
    assert made is not None
    assert made["engine"] == "jmespath"
    assert {key: made[key] for key in transform} == transform


def test_a_branch_promises_the_callers_bounds_for_its_one_item() -> None:
    # When
    plan = plan_for(linkedin(object_contract(variants=variants())))
    promised = validator_for(plan.node("linkedinVariants~a").output_schema)
    good = {"headline": "Join us now", "body": "We build robots that are safe.", "callToAction": "Apply"}
    # Then
    assert promised.is_valid({"copyVariants": [good]})
    assert not promised.is_valid({"copyVariants": [good, good]})
    assert not promised.is_valid({"copyVariants": [good | {"headline": "Hey"}]})
    assert not promised.is_valid({"copyVariants": [{"headline": "Join us now", "body": good["body"]}]})


def test_every_node_says_why_it_is_there_and_what_it_lost_against() -> None:
    # Given a second writer that costs more
    dear = like(WRITER, capability_id="z.Writer", cost={"estimatedTokens": 9000, "pricePer1kTokens": 0.09})
    # When
    plan = plan_for(linkedin(), with_capabilities(dear))
    writer = plan.node("linkedinVariants~a")
    # Then
    assert writer.capability_id == WRITER
    assert writer.alternatives == ("z.Writer",)
    assert writer.score["runnersUp"] == [
        {"capabilityId": "z.Writer", "total": pytest.approx(writer.score["total"], abs=0.1), "lostOn": ["cost"]}
    ]
    assert writer.rationale == (
        "Makes copyVariants, which the contract asks for at /copyVariants.",
        "Chosen over z.Writer, which lost on cost.",
    )
    assert (writer.contract.max_attempts, writer.contract.fallback) == (3, "hitl")
    assert plan.node("briefing").contract.max_attempts == 2
    assert writer.provenance["output"][0]["facet"] == "copyVariants"
    assert writer.timeout_seconds == 300.0
    assert all(node.rationale for node in plan.nodes)


def test_a_capability_may_set_its_own_time_limit() -> None:
    slow = like(WRITER, metadata={"timeoutSeconds": 45})
    assert plan_for(linkedin(), with_capabilities(slow)).node("linkedinVariants~b").timeout_seconds == 45.0


def test_each_branch_hears_its_own_instruction_and_the_strategist_hears_all() -> None:
    # When
    plan = plan_for(linkedin())
    # Then
    assert plan.node("briefing").instructions == ("Variant A is about the team.", "Variant B is about growth.")
    assert plan.node("linkedinVariants~b").instructions[0] == "Variant B is about growth."
    assert "Variant A is about the team." not in plan.node("linkedinVariants~b").instructions
    assert plan.node("contentReview~b").instructions == ("Variant B is about growth.",)


def test_the_branch_node_tells_its_branches() -> None:
    branch = plan_for(linkedin()).node("branch")
    assert branch.virtual
    assert branch.metadata["reason"] == "variant_count"
    assert branch.metadata["branches"][1] == {"label": "b", "nodeIds": ["linkedinVariants~b", "contentReview~b"]}


@pytest.mark.parametrize(
    ("inputs", "contract", "expected"),
    [
        ({"variantCount": 3}, object_contract(v=variants(2, 4)), 3),
        ({"variantCount": None}, object_contract(v=variants(4, None)), 4),
        ({"variantCount": None}, object_contract(v=variants(None, 4)), 1),
    ],
    ids=["the input says", "the contract needs", "nobody says"],
)
def test_the_number_of_branches(inputs: dict[str, Any], contract: dict[str, Any], expected: int) -> None:
    plan = plan_for(linkedin(contract, inputs=inputs))
    assert sum(node.capability_id == WRITER for node in plan.nodes) == expected
    assert plan.metadata["variantCount"] == expected
    assert any(node.kind == "branch" for node in plan.nodes) == (expected > 1)


def test_the_topology_policy_counts_branches_too() -> None:
    raw = linkedin(
        object_contract(v=variants(1, 5)),
        inputs={"variantCount": None},
        **policies(topology={"variantCount": 3}),
    )
    assert plan_for(raw).metadata["variantCount"] == 3


def test_one_writer_makes_the_whole_list_when_branches_are_forbidden() -> None:
    # When
    plan = plan_for(linkedin(**policies(topology={"forbiddenKinds": ["branch"]})))
    # Then
    assert ids(plan) == ["briefing", "linkedinVariants", "contentReview", "output"]
    schema = plan.node("linkedinVariants").output_schema["properties"]["copyVariants"]
    assert (schema["minItems"], schema["maxItems"]) == (2, 2)
    assert any("forbiddenKinds" in note for note in plan.metadata["notes"])


def test_items_are_picked_when_the_caller_allows_no_others() -> None:
    # When
    plan = plan_for(linkedin(object_contract(variants=variants(item=ITEM | {"additionalProperties": False}))))
    # Then
    assert plan.node("output").transform["properties"] == {  # type: ignore[index]  # an output node has one
        "variants": 'copyVariants[].value[].pick(@, `["headline", "body", "callToAction"]`)'
    }


def test_one_object_is_the_first_item_of_a_list() -> None:
    plan = plan_for(linkedin(json_contract(ITEM), inputs={"variantCount": None}))
    assert plan.node("output").transform["expression"] == "copyVariants[0]"  # type: ignore[index]  # see above


def test_a_blog_post_is_a_line() -> None:
    # Given
    raw = linkedin(
        object_contract(longFormDraft={"type": "object", "required": ["title", "body"]}),
        inputs={"channel": "blog", "variantCount": None},
    )
    # When
    plan = plan_for(raw)
    # Then
    assert ids(plan) == ["briefing", "blogPost", "contentReview", "output"]
    assert edges(plan) == {("briefing", "blogPost"), ("blogPost", "contentReview"), ("contentReview", "output")}


def test_a_contract_of_facets_needs_no_output_node() -> None:
    plan = plan_for(linkedin(facet_contract("longFormDraft"), inputs={"channel": "blog", "variantCount": None}))
    assert ids(plan) == ["briefing", "blogPost", "contentReview"]
    assert plan.metadata["output"] == {"mode": "facets", "nodeId": None, "facets": ["longFormDraft"]}


def test_a_contract_of_facets_is_joined_when_there_are_branches() -> None:
    plan = plan_for(linkedin(facet_contract("copyVariants")))
    assert ids(plan) == LINKEDIN_NODES
    assert plan.node("output").transform["properties"] == {  # type: ignore[index]  # see above
        "copyVariants": "copyVariants[].value[]"
    }


def test_a_freeform_contract_asks_for_the_facet_that_its_words_mean() -> None:
    contract = {"mode": "freeform", "instructions": "Two pages at most.", "expectedFormat": "blog post"}
    plan = plan_for(linkedin(contract, inputs={"channel": None, "variantCount": None}))
    assert plan.metadata["output"]["facets"] == ["longFormDraft"]


def test_a_freeform_contract_without_a_format_is_known_by_its_instructions() -> None:
    contract = {"mode": "freeform", "instructions": "An article for our blog."}
    plan = plan_for(linkedin(contract, objective="Speak of boats", inputs={"channel": None, "variantCount": None}))
    assert plan.metadata["output"]["facets"] == ["longFormDraft"]


def test_a_freeform_contract_that_says_nothing_is_refused() -> None:
    contract = {"mode": "freeform", "instructions": "Surprise us."}
    raw = linkedin(contract, objective="Do something", inputs={"channel": None, "variantCount": None})
    assert rejection(raw)["code"] == "no_deliverable"


def test_what_is_given_needs_nobody_to_make_it() -> None:
    brief = {"writerBrief": {"angle": "The team", "keyPoints": ["We are hiring"]}}
    plan = plan_for(linkedin(inputs=brief))
    assert "briefing" not in ids(plan)
    assert plan.roots() == ("branch",)


def test_results_that_take_other_results_get_them_joined() -> None:
    # Given a contract that asks for the drafts and for one review of all of them
    contract = object_contract(copyVariants=variants(), qaFindings={"type": "object"})
    # When
    plan = plan_for(linkedin(contract))
    # Then
    assert ids(plan) == [
        "briefing",
        "branch",
        "linkedinVariants~a",
        "linkedinVariants~b",
        "join",
        "contentReview",
        "output",
    ]
    assert plan.node("join").transform["properties"] == {  # type: ignore[index]  # a join has one
        "copyVariants": "copyVariants[].value[]"
    }
    assert plan.node("output").transform["properties"]["copyVariants"] == "copyVariants[]"  # type: ignore[index]  # see above


def test_nothing_to_produce_it_is_refused_with_the_reason_for_every_producer() -> None:
    refused = rejection(linkedin(facet_contract("post_visual")))
    assert refused["code"] == "producer_human"
    assert refused["capabilityId"] == "designer.VisualDesign"
    assert refused["pointer"] == "/outputContract/facets/0"


def test_no_producer_is_refused() -> None:
    snapshot = with_capabilities(without=[WRITER])
    assert rejection(linkedin(), snapshot)["code"] == "no_producer"


def test_an_inactive_producer_is_refused() -> None:
    refused = rejection(linkedin(), with_capabilities(like(WRITER, status="inactive")))
    assert (refused["code"], refused["capabilityId"]) == ("producer_inactive", WRITER)


def test_a_routing_capability_is_not_chosen() -> None:
    refused = rejection(linkedin(), with_capabilities(like(WRITER, kind="routing")))
    assert (refused["code"], refused["capabilityId"]) == ("producer_routing", WRITER)


def test_missing_inputs_are_named() -> None:
    refused = rejection(linkedin(facet_contract("creative_brief"), inputs={"variantCount": None}))
    assert refused["code"] == "missing_inputs"
    assert "post_context" in refused["message"]


def test_a_part_of_the_contract_that_no_facet_fills_is_refused_at_its_place() -> None:
    refused = rejection(linkedin(object_contract(copyVariants=variants(), horoscope={"type": "number"})))
    assert refused["code"] == "contract_part_unmatched"
    assert refused["pointer"] == "/outputContract/schema/properties/horoscope"


def test_a_part_that_contradicts_its_facet_is_refused() -> None:
    schema = variants(item={"type": "object", "required": ["body"], "properties": {"body": {"maxLength": 0}}})
    refused = rejection(linkedin(object_contract(copyVariants=schema)))
    assert refused["code"] == "facet_contract_conflict"


def test_an_empty_registry_is_refused() -> None:
    assert rejection(linkedin(), RegistrySnapshot(()))["code"] == "no_producer"


def test_a_forbidden_capability_is_not_chosen() -> None:
    other = like(WRITER, capability_id="z.Writer")
    raw = linkedin(**policies(selection={"forbid": [WRITER]}))
    plan = plan_for(raw, with_capabilities(other))
    assert plan.node("Writer~a").capability_id == "z.Writer"
    assert plan.node("Writer~a").alternatives == ()
    assert {"capabilityId": WRITER, "reason": "forbidden"} in plan.node("Writer~a").score["refused"]


def test_forbidding_the_only_producer_is_refused() -> None:
    refused = rejection(linkedin(**policies(selection={"forbid": [WRITER]})))
    assert (refused["code"], refused["capabilityId"]) == ("producer_forbidden", WRITER)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [({}, WRITER), ({"prefer": ["z.Writer"]}, "z.Writer"), ({"avoid": [WRITER]}, "z.Writer")],
    ids=["a tie goes by id", "preferred", "avoided"],
)
def test_preferences_settle_the_choice(selection: dict[str, Any], expected: str) -> None:
    snapshot = with_capabilities(like(WRITER, capability_id="z.Writer"))
    plan = plan_for(linkedin(**policies(selection=selection)), snapshot)
    assert expected in {node.capability_id for node in plan.nodes}


def test_a_required_capability_is_part_of_the_plan() -> None:
    # Given a capability that the contract alone would not need
    extra = like(BRIEFING, capability_id="z.Extra", output_facets=("strategicRationale",), output_schema={})
    # When
    plan = plan_for(linkedin(**policies(selection={"require": ["z.Extra"]})), with_capabilities(extra))
    # Then it runs, and the result waits for it
    assert "Extra" in plan.ancestors("output")


def test_a_required_capability_that_cannot_run_is_refused() -> None:
    raw = linkedin(**policies(selection={"require": ["strategist.SocialPosting"]}))
    refused = rejection(raw)
    assert refused["code"] == "pinned_capability_unreachable"
    assert refused["pointer"] == "/policies/planner/selection/require/0"


def test_kinds_can_be_required_and_forbidden() -> None:
    # Given a brief, so that nobody needs to write one
    brief = {"writerBrief": {"angle": "The team", "keyPoints": ["We are hiring"]}}
    # When a structuring node is asked for all the same
    plan = plan_for(linkedin(inputs=brief, **policies(topology={"requiredKinds": ["structuring"]})))
    # Then
    assert "structuring" in {node.kind for node in plan.nodes}
    # And a forbidden reviewer is left out
    plan = plan_for(linkedin(**policies(topology={"forbiddenKinds": ["validation"]})))
    assert "validation" not in {node.kind for node in plan.nodes}


def test_a_required_reviewer_that_is_missing_is_refused() -> None:
    raw = linkedin(**policies(topology={"requiredKinds": ["validation"]}))
    refused = rejection(raw, with_capabilities(without=[REVIEWER]))
    assert refused["code"] == "required_kind_missing"


def test_a_forbidden_transformation_is_refused_where_the_contract_needs_one() -> None:
    refused = rejection(linkedin(**policies(topology={"forbiddenKinds": ["transformation"]})))
    assert refused["code"] == "forbidden_kind_used"


def test_too_deep_a_plan_goes_without_reviewers_and_then_is_refused() -> None:
    plan = plan_for(linkedin(**policies(topology={"maxDepth": 2})))
    assert "validation" not in {node.kind for node in plan.nodes}
    assert any("not reviewed" in note for note in plan.metadata["notes"])
    assert rejection(linkedin(**policies(topology={"maxDepth": 1})))["code"] == "max_depth_exceeded"


def test_what_is_not_acted_on_yet_is_noted() -> None:
    # Given
    asked = policies(optimisation={"maxTokens": 9}, topology={"requiredKinds": ["fallback"]})
    asked["policies"]["planner"]["directives"] = {"mood": "bright"}
    # When
    notes = " ".join(plan_for(linkedin(**asked)).metadata["notes"])
    # Then
    assert all(word in notes for word in ("maxTokens", "'fallback'", "directives.mood"))


def test_the_same_registry_in_another_order_gives_the_same_plan() -> None:
    # Given several equal writers
    twins = [like(WRITER, capability_id=f"twin.{name}") for name in "abc"]
    capabilities = list(with_capabilities(*twins).capabilities)
    first = plan_for(linkedin(), RegistrySnapshot(tuple(capabilities)))
    # When
    for seed in range(5):
        random.Random(seed).shuffle(capabilities)
        again = plan_for(linkedin(), RegistrySnapshot(tuple(capabilities)))
        # Then
        assert plan_to_json(again) == plan_to_json(first)


def test_a_plan_survives_its_stored_form() -> None:
    plan = plan_for(linkedin())
    assert plan_hash(plan_from_json(plan_to_json(plan))) == plan_hash(plan)


def test_the_metadata_tell_how_the_plan_came_about() -> None:
    metadata = plan_for(linkedin()).metadata
    assert metadata["plannerRuntime"] == "deterministic"
    assert metadata["registryDigest"] == registry().digest
    assert metadata["search"]["exact"]
    assert metadata["crcs"]["totalRows"] == 2
    assert metadata["satisfactionScore"] == 1.0
