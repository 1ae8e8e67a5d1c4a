"""The published schemas and the checks that decide know the same members and take the same documents."""

from __future__ import annotations

import re
from typing import Any

import pytest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from jsonschema import Draft202012Validator

from app.schemas.components import register_schemas
from planner.contracts.capabilities import builtin_registrations, check_registration
from planner.contracts.facets import FacetCatalogue, load_catalogue
from planner.envelope import check_envelope, envelope_from_json
from planner.plan.codec import plan_to_json
from planner.plan.graph import Edge, Node, PlanGraph
from planner.plan.identity import Identity
from policies.actions import ACTIONS
from policies.errors import InvalidInputError
from policies.triggers import TRIGGERS
from tests.support.envelopes import freeform_envelope, linkedin_envelope, runtime_policy, writer_registration
from tests.support.malformed import ENVELOPES

UNKNOWN = "zz-unknown"


@pytest.fixture(scope="module")
def catalogue() -> FacetCatalogue:
    return load_catalogue()


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    spec = APISpec("test", "1", "3.1.0", plugins=[MarshmallowPlugin()])
    register_schemas(spec)
    found: dict[str, Any] = spec.to_dict()["components"]["schemas"]
    return found


def validator(name: str, schemas: dict[str, Any]) -> Draft202012Validator:
    document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    return Draft202012Validator(document)


def members_known_to_check(error: InvalidInputError, at: str) -> set[str]:
    """Return the members that the check lists when it refuses an unknown one at `at`."""
    told = [p.message for p in error.problems if p.pointer == f"{at}/{UNKNOWN}" and p.code == "unknown_key"]
    assert told, f"nothing was refused at {at}"
    listed = re.search(r"This object takes: (.*)$", told[0])
    assert listed
    return set(listed[1].split(", "))


def refusal(check: Any, raw: Any, catalogue: FacetCatalogue) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        check(raw, catalogue)
    return caught.value


def with_unknown(**members: Any) -> dict[str, Any]:
    return {UNKNOWN: 1, **members}


def policies(**members: Any) -> dict[str, Any]:
    return freeform_envelope(policies=members)


# Where in an envelope each closed object of the schemas stands: (component, body with an unknown member, pointer).
CLOSED_OBJECTS: list[tuple[str, dict[str, Any], str]] = [
    ("TaskEnvelope", freeform_envelope(**{UNKNOWN: 1}), ""),
    ("Policies", policies(**{UNKNOWN: 1}), "/policies"),
    ("PlannerPolicy", policies(planner=with_unknown()), "/policies/planner"),
    ("Topology", policies(planner={"topology": with_unknown()}), "/policies/planner/topology"),
    ("Selection", policies(planner={"selection": with_unknown()}), "/policies/planner/selection"),
    ("Optimisation", policies(planner={"optimisation": with_unknown()}), "/policies/planner/optimisation"),
    ("RuntimePolicy", policies(runtime=[runtime_policy(**{UNKNOWN: 1})]), "/policies/runtime/0"),
    (
        "Selector",
        policies(runtime=[runtime_policy(trigger={"kind": "onNodeError", "selector": with_unknown()})]),
        "/policies/runtime/0/trigger/selector",
    ),
    (
        "Condition",
        policies(runtime=[runtime_policy(trigger={"kind": "manual", "condition": with_unknown(dsl="true")})]),
        "/policies/runtime/0/trigger/condition",
    ),
    ("QualityRule", policies(quality=with_unknown(threshold=1)), "/policies/quality"),
    ("RetryRule", policies(retries=with_unknown(maxAttempts=1)), "/policies/retries"),
    ("LatencyRule", policies(latency=with_unknown(maxMs=1)), "/policies/latency"),
    ("ChannelRule", policies(channels={"x": with_unknown()}), "/policies/channels/x"),
    (
        "FacetCondition",
        freeform_envelope(goal_condition=[with_unknown(facet="post_copy", path="#", condition={"dsl": "true"})]),
        "/goal_condition/0",
    ),
]


@pytest.mark.parametrize(("name", "raw", "at"), CLOSED_OBJECTS, ids=[row[0] for row in CLOSED_OBJECTS])
def test_schema_and_check_know_the_same_members(
    name: str, raw: dict[str, Any], at: str, schemas: dict[str, Any], catalogue: FacetCatalogue
) -> None:
    known = members_known_to_check(refusal(check_envelope, raw, catalogue), at)
    assert set(schemas[name]["properties"]) == known
    assert schemas[name]["additionalProperties"] is False


def test_a_trigger_has_the_members_of_all_kinds(schemas: dict[str, Any], catalogue: FacetCatalogue) -> None:
    known: set[str] = set()
    for kind in TRIGGERS:
        raw = policies(runtime=[runtime_policy(trigger=with_unknown(kind=kind))])
        known |= members_known_to_check(refusal(check_envelope, raw, catalogue), "/policies/runtime/0/trigger")
    assert set(schemas["Trigger"]["properties"]) == known


def test_an_action_has_the_members_of_all_types(schemas: dict[str, Any], catalogue: FacetCatalogue) -> None:
    known: set[str] = set()
    for kind in ACTIONS:
        raw = policies(runtime=[runtime_policy(action=with_unknown(type=kind))])
        known |= members_known_to_check(refusal(check_envelope, raw, catalogue), "/policies/runtime/0/action")
    assert set(schemas["Action"]["properties"]) == known


def test_a_contract_has_the_members_of_all_modes(schemas: dict[str, Any], catalogue: FacetCatalogue) -> None:
    known: set[str] = set()
    for mode in ("json_schema", "facets", "freeform"):
        raw = freeform_envelope(outputContract=with_unknown(mode=mode))
        known |= members_known_to_check(refusal(check_envelope, raw, catalogue), "/outputContract")
    assert set(schemas["OutputContract"]["properties"]) == known


@pytest.mark.parametrize(
    ("name", "raw", "at"),
    [
        ("CapabilityRegistration", writer_registration(**{UNKNOWN: 1}), ""),
        ("InputTraits", writer_registration(inputTraits=with_unknown()), "/inputTraits"),
        ("Cost", writer_registration(cost=with_unknown()), "/cost"),
        ("Heartbeat", writer_registration(heartbeat=with_unknown()), "/heartbeat"),
        ("Endpoint", writer_registration(endpoint=with_unknown()), "/endpoint"),
    ],
)
def test_the_registration_schema_and_its_rules_know_the_same_members(
    name: str, raw: dict[str, Any], at: str, schemas: dict[str, Any], catalogue: FacetCatalogue
) -> None:
    assert set(schemas[name]["properties"]) == members_known_to_check(refusal(check_registration, raw, catalogue), at)


def full_envelope() -> dict[str, Any]:
    """Return an envelope with a valid value in every member of the schemas' policy half."""
    rules = [
        runtime_policy(id=kind, trigger={"kind": kind, **extra})
        for kind, extra in {
            "onTimeout": {"ms": 5},
            "onMetricBelow": {"metric": "quality", "threshold": 0.8},
            "onBudget": {"maxTokens": 5, "maxCost": 0.5, "maxSeconds": 5},
            "onNodeComplete": {"selector": {"kind": "validation"}, "condition": {"dsl": "run.cost < 5"}},
        }.items()
    ]
    return linkedin_envelope(
        policies={
            "planner": {
                "topology": {"variantCount": 2, "requiredKinds": ["validation"]},
                "selection": {"prefer": ["a.b"]},
                "optimisation": {"objective": "speed", "maxTokens": 5},
                "directives": {"free": True},
            },
            "runtime": rules,
            "quality": 0.5,
            "retries": {"maxAttempts": 2, "capabilities": {"a.b": 1}},
            "channels": {"linkedin": {"maxLength": 1300}},
            "replanAfter": ["qa"],
        },
        goal_condition=[{"facet": "post_copy", "path": "#", "condition": {"dsl": 'value != ""'}}],
        constraints={"budget": {"maxCost": 1}, "reviewPlan": True, "free": 1},
        metadata={"clientId": "c", "free": 1},
    )


@pytest.mark.parametrize("raw", [linkedin_envelope(), freeform_envelope(), full_envelope()])
def test_the_schema_takes_what_the_check_takes(
    raw: dict[str, Any], schemas: dict[str, Any], catalogue: FacetCatalogue
) -> None:
    assert envelope_from_json(raw, catalogue).objective
    assert [error.message for error in validator("TaskEnvelope", schemas).iter_errors(raw)] == []


def test_the_schema_refuses_most_of_what_the_check_refuses(schemas: dict[str, Any]) -> None:
    """A schema cannot tell unknown facets or wrong wording; types, ranges, enumerations and unknown members it can."""
    check = validator("TaskEnvelope", schemas)
    refused = [row.name for row in ENVELOPES if not check.is_valid(row.body)]
    assert len(refused) >= 30


def test_every_built_in_registration_and_its_record_fit_their_schemas(
    schemas: dict[str, Any], catalogue: FacetCatalogue
) -> None:
    registrations = builtin_registrations()
    assert registrations
    for raw in registrations:
        record = check_registration(raw, catalogue).as_json()
        assert [e.message for e in validator("CapabilityRegistration", schemas).iter_errors(raw)] == []
        assert [e.message for e in validator("CapabilityRecord", schemas).iter_errors(record)] == []


def test_every_facet_fits_its_schema(schemas: dict[str, Any], catalogue: FacetCatalogue) -> None:
    for facet in catalogue.values():
        assert [e.message for e in validator("Facet", schemas).iter_errors(facet.as_json())] == []


def test_a_stored_plan_fits_its_schema(schemas: dict[str, Any]) -> None:
    # Given a plan of two nodes
    first = Node(Identity("yard.writer", ("objectiveBrief",), ("copyVariants",), ("a",), 0, 0), "execution", "Write")
    second = Node(Identity("fit", ("copyVariants",), (), (), 0, 0), "transformation", "Fit", executor_type="virtual")
    plan = PlanGraph(1, (first, second), (Edge(first.id, second.id),), {"notes": []})

    # When
    problems = list(validator("PlanGraph", schemas).iter_errors(plan_to_json(plan)))

    # Then
    assert [e.message for e in problems] == []


def test_every_schema_is_one(schemas: dict[str, Any]) -> None:
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        for ref in re.findall(r"#/components/schemas/(\w+)", str(schema)):
            assert ref in schemas, f"{name} refers to {ref}"
