"""Ordinary inputs become facet values: what the caller says stands, rules fill the rest, and everything is told."""

from __future__ import annotations

from typing import Any

import pytest

from planner.bundles import read_bundles, summarise
from planner.contracts.facets import FacetCatalogue, load_catalogue
from planner.envelope import envelope_from_json
from planner.intake import RULES, Intake, default_facets, facets_from
from planner.salvage import fits, salvage
from tests.support.envelopes import freeform_envelope, linkedin_envelope


@pytest.fixture(scope="module")
def catalogue() -> FacetCatalogue:
    return load_catalogue()


def take(catalogue: FacetCatalogue, inputs: dict[str, Any], **members: Any) -> Intake:
    intake = facets_from(envelope_from_json(freeform_envelope(inputs=inputs, **members), catalogue), catalogue)
    assert all(fits(value, catalogue[name].schema) for name, value in intake.values.items())
    return intake


def test_the_linkedin_envelope_gives_the_writers_what_they_need(catalogue: FacetCatalogue) -> None:
    # When
    intake = facets_from(envelope_from_json(linkedin_envelope(), catalogue), catalogue)

    # Then
    assert intake.values == {
        "objectiveBrief": {
            "objective": "Write two LinkedIn posts that bring welders to Harbour Boats",
            "successCriteria": ["attract_new_employees"],
            "notes": "Channel: linkedin.",
        },
        "audienceProfile": {"persona": "welders"},
        "planKnobs": {"variantCount": 2, "formatType": "text"},
        "assetBundle": [
            {
                "type": "company_profile",
                "payload": {"companyName": "Harbour Boats", "coreValue": "Built to be mended"},
                "summary": "Company name: Harbour Boats. Core value: Built to be mended.",
            }
        ],
        "company_information": {
            "name": "Harbour Boats",
            "special_instructions": "Core value: Built to be mended.",
            "brand_assets": [],
            "preferred_channels": "linkedin",
            "audience_segments": "welders",
        },
    }
    assert (intake.variant_count, intake.channel, intake.language) == (2, "linkedin", None)


def test_every_rule_is_told_of(catalogue: FacetCatalogue) -> None:
    intake = facets_from(envelope_from_json(linkedin_envelope(), catalogue), catalogue)
    assert "inputs.audience was read as audienceProfile" in intake.notes
    assert "inputs.contextBundles was read as assetBundle, company_information" in intake.notes


def test_the_table_speaks_of_facets_that_exist(catalogue: FacetCatalogue) -> None:
    """Every rule, given something it understands, offers only facets of the catalogue."""
    samples: list[Any] = [
        "a text",
        ["a", "b"],
        2,
        {"companyName": "X", "market": "boats"},
        [{"questionId": "q", "question": "?"}],
    ]
    for rule in RULES:
        offered = {offer.facet for sample in samples for offer in rule.offers(sample)}
        assert offered, rule.source
        assert offered <= set(catalogue.names())


def test_a_facet_given_by_the_caller_passes_through_and_is_filled_not_overridden(catalogue: FacetCatalogue) -> None:
    intake = take(
        catalogue,
        {"planKnobs": {"formatType": "video", "variantCount": 3}, "variantCount": 2, "format": "carousel"},
    )
    assert intake.values["planKnobs"] == {"formatType": "video", "variantCount": 3}
    assert intake.variant_count == 2


def test_a_facet_may_be_named_by_its_property_key(catalogue: FacetCatalogue) -> None:
    assets = [{"type": "logo", "uri": "https://example.com/logo.svg"}]
    intake = take(catalogue, {"assets": assets, "contextBundles": [{"type": "note", "payload": {"a": "b"}}]})
    assert [entry["type"] for entry in intake.values["assetBundle"]] == ["logo", "note"]


def test_members_that_do_not_fit_are_left_out_and_told(catalogue: FacetCatalogue) -> None:
    # Given the caller's knobs and brief, each with one part that their facets refuse
    knobs = {"formatType": "linkedin_post", "structure": {"lengthLevel": 0.5}}
    brief = {"angle": "slow", "keyPoints": ["a"], "knobs": {"formatType": "text", "variantCount": 2}}

    # When
    intake = take(
        catalogue, {"planKnobs": knobs, "writerBrief": brief, "audienceProfile": {"persona": "p", "segments": []}}
    )

    # Then
    assert intake.values["planKnobs"] == {"structure": {"lengthLevel": 0.5}, "formatType": "text"}
    assert intake.values["writerBrief"]["knobs"] == {"formatType": "text"}
    assert intake.values["audienceProfile"] == {"persona": "p"}
    told = " ".join(intake.notes)
    assert "/formatType" in told
    assert "/knobs/variantCount" in told
    assert "/segments" in told


def test_a_facet_beyond_repair_is_left_out_and_told(catalogue: FacetCatalogue) -> None:
    intake = take(catalogue, {"positioning_context": {"market": "boats"}, "handoff_summary": "a text"})
    assert "positioning_context" not in intake.values
    assert "handoff_summary" not in intake.values
    assert sum("was left out" in note for note in intake.notes) == 2


@pytest.mark.parametrize(
    ("tone", "label", "guidelines"),
    [
        ("Warm & Friendly", "Warm & Friendly", "Warm & Friendly"),
        ("Plain and sure", None, "Plain and sure"),
        (["confident", "kind"], None, "confident, kind"),
    ],
)
def test_a_free_tone_becomes_guidelines(
    tone: Any, label: str | None, guidelines: str, catalogue: FacetCatalogue
) -> None:
    intake = take(catalogue, {"toneOfVoice": tone})
    assert intake.values.get("toneOfVoice") == label
    assert intake.values["toneGuidelines"] == guidelines


def test_old_policy_keys_reach_the_facets(catalogue: FacetCatalogue) -> None:
    intake = take(catalogue, {}, policies={"brandVoice": "dry", "persona": "buyer", "variantCount": 3})
    assert intake.values["toneGuidelines"] == "dry"
    assert intake.values["audienceProfile"] == {"persona": "buyer"}
    assert intake.values["planKnobs"] == {"variantCount": 3, "formatType": "text"}
    assert intake.variant_count == 3


def test_six_variants_are_planned_though_the_knobs_hold_five(catalogue: FacetCatalogue) -> None:
    intake = take(catalogue, {"variantCount": 6})
    assert intake.variant_count == 6
    assert intake.values["planKnobs"] == {"formatType": "text"}


def test_the_policys_count_comes_before_the_inputs(catalogue: FacetCatalogue) -> None:
    policies = {"planner": {"topology": {"variantCount": 4}}}
    assert take(catalogue, {"variantCount": 2}, policies=policies).variant_count == 4
    assert take(catalogue, {"planKnobs": {"formatType": "text", "variantCount": 5}}).variant_count == 5
    assert take(catalogue, {}).variant_count is None


def test_the_language_comes_from_the_inputs_or_the_brief(catalogue: FacetCatalogue) -> None:
    brief = {"angle": "a", "keyPoints": ["b"], "language": "nl"}
    assert take(catalogue, {"writerBrief": brief}).language == "nl"
    assert take(catalogue, {"writerBrief": brief, "language": "en"}).language == "en"


@pytest.mark.parametrize(
    ("audience", "profile"),
    [
        ("cooks", {"persona": "cooks"}),
        (["cooks", "waiters"], {"persona": "cooks", "segments": ["cooks", "waiters"]}),
        ({"persona": "cooks", "regions": ["north"]}, {"persona": "cooks", "regions": ["north"]}),
    ],
)
def test_an_audience_may_be_a_text_several_or_a_profile(audience: Any, profile: Any, catalogue: FacetCatalogue) -> None:
    assert take(catalogue, {"audience": audience}).values["audienceProfile"] == profile


def test_what_no_rule_reads_travels_on_as_reference_material(catalogue: FacetCatalogue) -> None:
    intake = take(catalogue, {"deadline": "friday", "numbers": {"sold": 3}, "post": {"copy": "an output"}})
    assert [(entry["label"], entry["payload"]) for entry in intake.values["assetBundle"]] == [
        ("deadline", {"deadline": "friday"}),
        ("numbers", {"sold": 3}),
        ("post", {"copy": "an output"}),
    ]
    assert sum("fits no facet" in note for note in intake.notes) == 3


def test_what_a_rule_cannot_use_is_told(catalogue: FacetCatalogue) -> None:
    intake = take(catalogue, {"audience": 7, "channel": [], "contextBundles": "none"})
    assert {note for note in intake.notes if "could not be used" in note} == {
        f"inputs.{name} could not be used" for name in ("audience", "channel", "contextBundles")
    }
    assert intake.channel is None


def test_a_company_profile_with_a_market_gives_a_position_too(catalogue: FacetCatalogue) -> None:
    profile = {"name": "Harbour Boats", "positioning": "Boats to keep", "website": "not a uri", "competitors": ["Quay"]}
    values = take(catalogue, {"companyProfile": profile}).values
    assert values["positioning_context"] == {
        "company": "Harbour Boats",
        "competitors": ["Quay"],
        "differentiators": ["Boats to keep"],
    }
    assert "website" not in values["company_information"]


def test_bundles_are_read_by_their_type(catalogue: FacetCatalogue) -> None:
    # Given one bundle of every type that stands for a facet, and one that is no bundle
    bundles = [
        {"type": "positioning_context", "payload": {"company": "Harbour Boats"}},
        {"type": "open_questions", "payload": {"items": [{"questionId": "q1", "prompt": "Which yard?"}, {"id": "q2"}]}},
        {"type": "new_employee", "payload": {"employee_name": "Person", "role": "Welder"}},
        {"label": "loose", "text": "no type"},
        "not a bundle",
    ]

    # When
    values = take(catalogue, {"contextBundles": bundles}).values

    # Then
    assert values["positioning_context"] == {"company": "Harbour Boats"}
    assert values["clarificationRequest"] == {"pendingQuestions": [{"id": "q1", "question": "Which yard?"}]}
    assert values["post_context"] == {"type": "new_employee", "data": {"employee_name": "Person", "role": "Welder"}}
    assert [entry["type"] for entry in values["assetBundle"]][-1] == "context"
    assert len(values["assetBundle"]) == 4


def test_a_payload_of_any_shape_is_reference_material() -> None:
    (offer,) = read_bundles([{"type": "quote", "payload": "Boats last.", "label": " wall "}])
    assert offer.value == [
        {"type": "quote", "payload": {"value": "Boats last."}, "label": "wall", "summary": "Boats last."}
    ]


def test_a_summary_reads_as_sentences() -> None:
    assert summarise({"recentEvent": "New hall.", "core_value": ["care", "time"], "size": 4}) == (
        "Recent event: New hall. Core value: care, time."
    )


def test_salvage_keeps_what_fits_at_every_depth() -> None:
    # Given
    item = {
        "type": "object",
        "required": ["n"],
        "additionalProperties": False,
        "properties": {"n": {"type": "integer"}},
    }
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": item}}}

    # When
    kept, dropped = salvage({"items": [{"n": 1}, {"n": "x"}, {"n": 2, "extra": 0}, 5], "free": True}, schema)

    # Then
    assert kept == {"items": [{"n": 1}, {"n": 2}], "free": True}
    assert dropped == ("/items/1", "/items/2/extra", "/items/3")


@pytest.mark.parametrize(
    ("words", "facet"),
    [
        (("blog post", "linkedin", "x"), "longFormDraft"),
        ((None, "linkedin", "Write an article"), "copyVariants"),
        ((None, None, "Write a post about boats"), "post_copy"),
        (("markdown", None, "A long-form piece"), "longFormDraft"),
        ((None, None, "Find our positioning"), "positioning_recommendation"),
        ((None, None, "Count the boats"), None),
        ((None, None, None), None),
    ],
)
def test_a_freeform_contract_is_known_by_its_words(words: tuple[str | None, ...], facet: str | None) -> None:
    assert default_facets(*words) == facet


def test_deliverables_are_facets(catalogue: FacetCatalogue) -> None:
    for words in ("blog", "messaging", "positioning", "creative brief", "image", "linkedin", "caption"):
        found = default_facets(words, None, None)
        assert found is not None
        assert catalogue[found].fits("output")
