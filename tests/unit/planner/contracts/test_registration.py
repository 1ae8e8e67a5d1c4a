"""Registrations: what is taken, what is refused and where, and that an export registers again unchanged."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.contracts.capabilities import Capability, builtin_registrations, check_registration
from planner.contracts.facets import load_catalogue
from planner.contracts.json_schema import lint
from planner.refusals import InvalidConditionError
from policies.errors import InvalidInputError
from policies.strict_json import dumps, loads
from tests.support.json_strategies import values

CATALOGUE = load_catalogue()
BUILTINS = builtin_registrations()
BODY = {
    "capabilityId": "writer.Short",
    "version": "1.0.0",
    "displayName": "Short writer",
    "summary": "Writes short texts.",
    "kind": "execution",
    "inputContract": {"mode": "facets", "facets": ["writerBrief", "toneOfVoice"]},
    "optionalInputFacets": ["assetBundle"],
    "outputContract": {"mode": "facets", "facets": ["copyVariants"]},
}


def body(**changes):
    merged = {**copy.deepcopy(BODY), **changes}
    return {key: value for key, value in merged.items() if value is not ...}


def register(raw):
    return check_registration(raw, CATALOGUE)


def pointers(raw):
    with pytest.raises(InvalidInputError) as caught:
        register(raw)
    assert all(problem.message for problem in caught.value.problems)
    return {problem.pointer for problem in caught.value.problems}


def test_facets_are_compiled_to_stored_schemas_with_provenance():
    capability = register(BODY)
    assert capability.input_facets == ("writerBrief", "toneOfVoice")
    assert capability.optional_input_facets == ("assetBundle",)
    assert capability.output_facets == ("copyVariants",)
    assert capability.input_contract["mode"] == "json_schema"
    assert capability.input_contract["schema"] == capability.input_schema
    assert list(capability.input_schema["properties"]) == ["writerBrief", "toneOfVoice", "assets"]
    assert capability.input_schema["required"] == ["writerBrief", "toneOfVoice"]
    assert capability.provenance["input"][2]["pointer"] == "/assets"
    assert capability.output_contract["hints"]["facets"] == capability.provenance["output"]
    assert lint(capability.output_schema) == []
    assert capability.contract("input").to_facets({"assets": []}) == {"assetBundle": []}


def test_the_kind_of_agent_is_ai_unless_said_otherwise():
    assert register(BODY).agent_type == "ai"


@pytest.mark.parametrize("raw", BUILTINS, ids=lambda raw: raw["capabilityId"])
def test_a_built_in_registers_by_the_rules_and_its_export_registers_again_unchanged(raw):
    capability = check_registration(raw, CATALOGUE, builtin=True)
    again = check_registration(loads(dumps(capability.registration())), CATALOGUE, builtin=True)
    assert again == capability
    assert again.registration() == capability.registration()
    assert Capability.from_json(loads(dumps(capability.as_json()))) == capability
    assert check_registration(loads(dumps(capability.as_json())), CATALOGUE, builtin=True) == capability


def test_the_built_in_capabilities_are_the_twelve():
    ids = {raw["capabilityId"] for raw in BUILTINS}
    assert len(BUILTINS) == len(ids) == 12
    assert {"StrategyManagerAgent.briefing", "HumanAgent.clarifyBrief", "designer.VisualDesign"} <= ids
    people = {raw["capabilityId"] for raw in BUILTINS if raw["agentType"] == "human"}
    assert len(people) == 4


def test_a_schema_with_hints_keeps_its_schema_and_gains_provenance():
    schema = {"type": "object", "properties": {"copyVariants": {"type": "array"}}, "additionalProperties": False}
    raw = body(outputContract={"mode": "json_schema", "schema": schema, "hints": {"facets": ["copyVariants"]}})
    capability = register(raw)
    assert capability.output_schema == schema
    assert capability.output_facets == ("copyVariants",)
    assert capability.output_contract["hints"]["facets"][0]["pointer"] == "/copyVariants"
    assert register(capability.registration()) == capability


def test_contracts_without_facets_and_in_free_form_are_taken():
    capability = register(
        body(
            inputContract=...,
            optionalInputFacets=...,
            outputContract={"mode": "freeform", "instructions": "Write what you like"},
        )
    )
    assert capability.input_facets == capability.output_facets == ()
    assert register(capability.registration()) == capability


def test_optional_inputs_may_stand_alone_or_in_the_contract_too():
    alone = register(body(inputContract=..., optionalInputFacets=["assetBundle"]))
    assert (alone.input_facets, alone.optional_input_facets) == ((), ("assetBundle",))
    assert register(alone.registration()) == alone
    both = register(body(optionalInputFacets=["toneOfVoice"]))
    assert (both.input_facets, both.optional_input_facets) == (("writerBrief",), ("toneOfVoice",))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"capabilityId": ...}, {"/capabilityId"}),
        ({"capabilityId": "a b"}, {"/capabilityId"}),
        ({"version": ""}, {"/version"}),
        ({"displayName": 3, "summary": None}, {"/displayName", "/summary"}),
        ({"kind": "branch"}, {"/kind"}),
        ({"kind": ...}, {"/kind"}),
        ({"agentType": "robot"}, {"/agentType"}),
        ({"agentType": "human"}, {"/assignmentDefaults"}),
        (
            {"agentType": "human", "assignmentDefaults": {"role": "x"}, "endpoint": {"url": "https://a.nl"}},
            {"/endpoint"},
        ),
        (
            {"assignmentDefaults": {"onDecline": "cry", "priority": "low"}},
            {"/assignmentDefaults/role", "/assignmentDefaults/onDecline"},
        ),
        ({"assignmentDefaults": {"role": "x", "timeoutSeconds": 0}}, {"/assignmentDefaults/timeoutSeconds"}),
        ({"inputContract": {"mode": "facets", "facets": ["writerBrief", "nope"]}}, {"/inputContract/facets/1"}),
        ({"inputContract": {"mode": "facets", "facets": ["qaFindings"]}}, {"/inputContract/facets/0"}),
        ({"inputContract": {"mode": "facets", "facets": ["feedback", "feedback"]}}, {"/inputContract/facets/1"}),
        ({"inputContract": None}, {"/inputContract"}),
        ({"outputContract": ...}, {"/outputContract"}),
        ({"outputContract": {"mode": "facets", "facets": ["objectiveBrief"]}}, {"/outputContract/facets/0"}),
        ({"outputContract": {"schema": {"type": "x"}}}, {"/outputContract/schema/type"}),
        ({"outputContract": {"schema": {}, "hints": {"facets": "copyVariants"}}}, {"/outputContract/hints/facets"}),
        (
            {"outputContract": {"schema": {}, "hints": {"facets": ["nope", {"facet": "toneOfVoice"}, {}]}}},
            {
                "/outputContract/hints/facets/0",
                "/outputContract/hints/facets/1/facet",
                "/outputContract/hints/facets/2/facet",
            },
        ),
        (
            {"outputContract": {"schema": {"additionalProperties": False}, "hints": {"facets": ["copyVariants"]}}},
            {"/outputContract/hints/facets/0"},
        ),
        (
            {"optionalInputFacets": ["nope", "post", "feedback", "feedback"]},
            {f"/optionalInputFacets/{i}" for i in (0, 1, 3)},
        ),
        ({"inputContract": {"schema": {}}, "optionalInputFacets": ["feedback"]}, {"/optionalInputFacets/0"}),
        ({"supportedFacets": ["nope", "post", "post"]}, {"/supportedFacets/0", "/supportedFacets/2"}),
        ({"inputTraits": {"formats": "x", "taste": []}}, {"/inputTraits/formats", "/inputTraits/taste"}),
        (
            {"cost": {"estimatedTokens": -1, "pricePer1kTokens": -0.1}},
            {"/cost/estimatedTokens", "/cost/pricePer1kTokens"},
        ),
        (
            {"cost": {"estimatedTokens": 10**350, "pricePer1kTokens": 1e308}},
            {"/cost/estimatedTokens", "/cost/pricePer1kTokens"},
        ),
        ({"metadata": {"timeoutSeconds": "soon"}}, {"/metadata/timeoutSeconds"}),
        ({"metadata": {"timeoutSeconds": 0}}, {"/metadata/timeoutSeconds"}),
        ({"metadata": {"timeoutSeconds": 1e300}}, {"/metadata/timeoutSeconds"}),
        (
            {"heartbeat": {"intervalSeconds": 10**300, "timeoutSeconds": 10**15}},
            {"/heartbeat/intervalSeconds", "/heartbeat/timeoutSeconds"},
        ),
        ({"preferredModels": [""]}, {"/preferredModels/0"}),
        (
            {"heartbeat": {"intervalSeconds": 0, "timeoutSeconds": 1.5}},
            {"/heartbeat/intervalSeconds", "/heartbeat/timeoutSeconds"},
        ),
        ({"heartbeat": {}}, {"/heartbeat/intervalSeconds"}),
        ({"instructionTemplates": {}}, {"/instructionTemplates/app"}),
        (
            {"instructionTemplates": {"app": " ", "other": 3}},
            {"/instructionTemplates/app", "/instructionTemplates/other"},
        ),
        ({"metadata": []}, {"/metadata"}),
        ({"metadata": {"postConditionPolicy": {"maxRetries": -1}}}, {"/metadata/postConditionPolicy/maxRetries"}),
        ({"systemPrompt": "Use writerBrief and copyVariants."}, {"/systemPrompt"}),
        ({"endpoint": {}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "ftp://a.nl"}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "http://"}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "http://a.nl:99999/"}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "http://user@a.nl/"}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "http://a.nl/ b"}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "http://[::1"}}, {"/endpoint/url"}),
        ({"endpoint": {"url": "http://a.nl", "secret": "not base64!", "x": 1}}, {"/endpoint/secret", "/endpoint/x"}),
        ({"endpoint": {"url": "http://a.nl", "secret": "c2VjcmV0"}}, {"/endpoint/secret"}),
        ({"endpoint": {"url": "http://a.nl", "secret": "whsec_"}}, {"/endpoint/secret"}),
        ({"toolsAllowlist": "x"}, {"/toolsAllowlist"}),
        ({"postConditions": None}, {"/postConditions"}),
        (
            {"postConditions": [{"facet": "", "path": "", "condition": {"dsl": "x > 1"}}]},
            {"/postConditions/0/facet", "/postConditions/0/path"},
        ),
        ({"status": "active", "tenantId": "x"}, {"/status", "/tenantId"}),
    ],
)
def test_every_fault_is_told_at_its_place_and_no_other(changes, expected):
    assert pointers(body(**changes)) == expected


def test_all_faults_are_told_at_once():
    found = pointers({"kind": "x", "outputContract": {"mode": "facets", "facets": ["nope"]}, "heartbeat": 3, "z": 1})
    required = {"/capabilityId", "/version", "/displayName", "/summary"}
    assert found == required | {"/kind", "/outputContract/facets/0", "/heartbeat", "/z"}


@pytest.mark.parametrize("raw", [None, [], "x", 3])
def test_a_body_that_is_no_object_is_refused(raw):
    assert pointers(raw) == {""}


@given(st.dictionaries(st.sampled_from([*BODY, "endpoint", "heartbeat", "cost", "postConditions", "metadata"]), values))
def test_whatever_is_sent_is_taken_or_refused_with_pointers(changes):
    try:
        register(body(**changes))
    except InvalidInputError as error:
        assert error.problems  # noqa: PT017  # either way out is right


def test_a_prompt_is_composed_from_identity_facets_and_schema():
    capability = register(body(instructionTemplates={"app": "Be brief."}))
    prompt = capability.system_prompt
    assert "Short writer" in prompt
    assert "Be brief." in prompt
    for name in ("writerBrief", "toneOfVoice", "assetBundle", "copyVariants"):
        assert CATALOGUE.get(name).semantics in prompt
    assert '"headline"' in prompt


def test_a_given_prompt_is_kept_and_must_name_each_facet_as_a_word():
    prompt = "From writerBrief, toneOfVoice and assetBundle make copyVariants."
    assert register(body(systemPrompt=prompt)).system_prompt == prompt
    similar = "From writerBrief, toneOfVoice and assetBundles make copyVariants."
    with pytest.raises(InvalidInputError, match="assetBundle"):
        register(body(systemPrompt=similar))


def test_conditions_are_stored_and_named_twice_at_one_place_refused():
    one = {"facet": "copyVariants", "path": "/0/headline", "condition": {"dsl": 'headline != ""'}}
    capability = register(body(postConditions=[one]))
    assert capability.post_conditions[0]["condition"]["dsl"] == one["condition"]["dsl"]
    assert capability.as_json()["metadata"]["postConditionGuards"] == [
        {"facet": "copyVariants", "paths": ["/0/headline"]}
    ]
    assert register(capability.registration()) == capability
    assert pointers(body(postConditions=[one, one])) == {"/postConditions/1"}


def test_condition_texts_alone_are_a_fault_of_their_own_kind():
    def conditions(text):
        return [{"facet": "copyVariants", "path": "/0/headline", "condition": {"dsl": text}}]

    with pytest.raises(InvalidConditionError) as caught:
        register(body(postConditions=conditions("headline == ")))
    assert caught.value.problems[0].pointer.startswith("/postConditions/0/condition")
    with pytest.raises(InvalidInputError) as mixed:
        register(body(postConditions=conditions("headline == "), kind="x"))
    assert not isinstance(mixed.value, InvalidConditionError)


def test_the_record_of_a_remote_agent_lacks_the_secret_that_its_registration_needs():
    remote = register(body(endpoint={"url": "https://a.nl/run", "secret": "whsec_c2VjcmV0"}))
    assert register(remote.registration()) == remote
    assert pointers(remote.as_json()) == {"/endpoint/secret"}


def test_metadata_that_the_registry_writes_itself_is_not_taken_from_outside():
    capability = register(body(metadata={"mine": 1, "facets": {"input": ["lies"]}}))
    assert capability.metadata == {"mine": 1}
    assert capability.as_json()["metadata"]["facets"]["output"] == ["copyVariants"]
