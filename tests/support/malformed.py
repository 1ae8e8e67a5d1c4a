"""Documents that must be refused: what is wrong with each, where the problems point, and how the service answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.envelopes import (
    freeform_envelope,
    linkedin_envelope,
    runtime_policy,
    variants_contract,
    writer_registration,
)


@dataclass(frozen=True)
class Malformed:
    """A body, the pointers of all its problems, and the answer over HTTP."""

    name: str
    body: Any
    pointers: frozenset[str]
    code: str = "validation_failed"
    status: int = 422


def _bad(name: str, body: Any, *pointers: str, code: str = "validation_failed", status: int = 422) -> Malformed:
    return Malformed(name, body, frozenset(pointers), code, status)


def _without(body: dict[str, Any], *members: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in members}


def _inputs(**members: Any) -> dict[str, Any]:
    return linkedin_envelope(inputs={"channel": "linkedin", **members})


def _policies(**members: Any) -> dict[str, Any]:
    return freeform_envelope(policies=members)


def _runtime(*policies: Any) -> dict[str, Any]:
    return _policies(runtime=list(policies))


def _schema(schema: Any) -> dict[str, Any]:
    return freeform_envelope(outputContract={"mode": "json_schema", "schema": schema})


def _goal(**members: Any) -> dict[str, Any]:
    condition = {"facet": "planKnobs", "path": "/structure", "condition": {"dsl": "lengthLevel > 0.5"}}
    return freeform_envelope(goal_condition=[{**condition, **members}])


RUNTIME = "/policies/runtime/0"

ENVELOPES: tuple[Malformed, ...] = (
    _bad("not an object", ["objective"], ""),
    _bad("null", None, ""),
    _bad("empty", {}, "/objective", "/outputContract"),
    _bad("objective missing", _without(linkedin_envelope(), "objective"), "/objective"),
    _bad("objective blank", linkedin_envelope(objective="  "), "/objective"),
    _bad("objective a number", linkedin_envelope(objective=7), "/objective"),
    _bad("contract missing", _without(linkedin_envelope(), "outputContract"), "/outputContract"),
    _bad("contract null", linkedin_envelope(outputContract=None), "/outputContract"),
    _bad("contract of unknown mode", freeform_envelope(outputContract={"mode": "xml"}), "/outputContract/mode"),
    _bad(
        "contract without its schema",
        freeform_envelope(outputContract={"mode": "json_schema"}),
        "/outputContract/schema",
    ),
    _bad(
        "contract with unknown and doubled facets",
        freeform_envelope(outputContract={"mode": "facets", "facets": ["post_copy", "post_copi", "post_copy"]}),
        "/outputContract/facets/1",
        "/outputContract/facets/2",
    ),
    _bad(
        "contract with an input facet",
        freeform_envelope(outputContract={"mode": "facets", "facets": ["objectiveBrief"]}),
        "/outputContract/facets/0",
    ),
    _bad("schema of no known type", _schema({"type": "text"}), "/outputContract/schema/type"),
    _bad("schema with a broken pattern", _schema({"type": "string", "pattern": "("}), "/outputContract/schema/pattern"),
    _bad(
        "schema that refers elsewhere",
        _schema({"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}}),
        "/outputContract/schema/properties/a/$ref",
    ),
    _bad(
        "schema of an unknown draft",
        _schema({"$schema": "https://example.org/draft"}),
        "/outputContract/schema/$schema",
    ),
    _bad("unknown member at the top", linkedin_envelope(objectiv="again"), "/objectiv"),
    _bad(
        "unknown member of the contract",
        freeform_envelope(outputContract={"schema": {}, "strict": True}),
        "/outputContract/strict",
    ),
    _bad("inputs a list", linkedin_envelope(inputs=[]), "/inputs"),
    _bad("variant count a text", _inputs(variantCount="2"), "/inputs/variantCount"),
    _bad("variant count a boolean", _inputs(variantCount=True), "/inputs/variantCount"),
    _bad("variant count out of range", _inputs(variantCount=7), "/inputs/variantCount"),
    _bad("instructions a text", linkedin_envelope(specialInstructions="short"), "/specialInstructions"),
    _bad("an instruction a number", linkedin_envelope(specialInstructions=["short", 2]), "/specialInstructions/1"),
    _bad("metadata with a numeric client", linkedin_envelope(metadata={"clientId": 12}), "/metadata/clientId"),
    _bad(
        "correlation id that no header takes",
        linkedin_envelope(metadata={"correlationId": "a\nb"}),
        "/metadata/correlationId",
    ),
    _bad(
        "approval wanted by a text",
        linkedin_envelope(constraints={"requiresHitlApproval": "yes"}),
        "/constraints/requiresHitlApproval",
    ),
    _bad(
        "budget below zero", linkedin_envelope(constraints={"budget": {"maxCost": -1}}), "/constraints/budget/maxCost"
    ),
    _bad("policies a list", _without(freeform_envelope(policies=[])), "/policies"),
    _bad("unknown policy key", _policies(plannr={}), "/policies/plannr"),
    _bad("unknown planner key", _policies(planner={"topologie": {}}), "/policies/planner/topologie"),
    _bad(
        "topology of wrong types",
        _policies(planner={"topology": {"variantCount": 0, "maxDepth": 1.5, "requiredKinds": ["magic"]}}),
        "/policies/planner/topology/variantCount",
        "/policies/planner/topology/maxDepth",
        "/policies/planner/topology/requiredKinds/0",
    ),
    _bad(
        "capability required and forbidden",
        _policies(planner={"selection": {"require": ["a.b"], "forbid": ["a.b"]}}),
        "/policies/planner/selection/forbid",
    ),
    _bad(
        "unknown objective of the search",
        _policies(planner={"optimisation": {"objective": "fame"}}),
        "/policies/planner/optimisation/objective",
    ),
    _bad("runtime policy of nothing", _runtime({}), f"{RUNTIME}/id", f"{RUNTIME}/trigger", f"{RUNTIME}/action"),
    _bad("two policies of one name", _runtime(runtime_policy(), runtime_policy()), "/policies/runtime/1/id"),
    _bad("unknown trigger", _runtime(runtime_policy(trigger={"kind": "onFullMoon"})), f"{RUNTIME}/trigger/kind"),
    _bad("time-out without a time", _runtime(runtime_policy(trigger={"kind": "onTimeout"})), f"{RUNTIME}/trigger/ms"),
    _bad(
        "trigger with a foreign member",
        _runtime(runtime_policy(trigger={"kind": "onStart", "ms": 5})),
        f"{RUNTIME}/trigger/ms",
    ),
    _bad("old name of an action", _runtime(runtime_policy(action={"type": "hitl_pause"})), f"{RUNTIME}/action/type"),
    _bad(
        "nested action of an unknown type",
        _runtime(
            runtime_policy(
                action={"type": "hitl", "approveAction": {"type": "hitl", "rejectAction": {"type": "shout"}}}
            )
        ),
        f"{RUNTIME}/action/approveAction/rejectAction/type",
    ),
    _bad(
        "selectors that select nothing known",
        _runtime(
            runtime_policy(
                trigger={"kind": "onNodeError", "selector": {"facet": "postcopy"}},
                **{"except": [{"agentType": "robot"}]},
            )
        ),
        f"{RUNTIME}/trigger/selector/facet",
        f"{RUNTIME}/except/0/agentType",
    ),
    _bad(
        "condition without a form",
        _runtime(runtime_policy(trigger={"kind": "onStart", "condition": {}})),
        f"{RUNTIME}/trigger/condition",
    ),
    _bad(
        "condition a text",
        _runtime(runtime_policy(trigger={"kind": "onStart", "condition": "true"})),
        f"{RUNTIME}/trigger/condition",
    ),
    _bad(
        "condition of wrong wording",
        _runtime(runtime_policy(trigger={"kind": "onStart", "condition": {"dsl": "run.cost <"}})),
        f"{RUNTIME}/trigger/condition/dsl",
        code="invalid_condition_dsl",
        status=400,
    ),
    _bad("goals empty", freeform_envelope(goal_condition=[]), "/goal_condition"),
    _bad("goal on an unknown facet", _goal(facet="planKnob"), "/goal_condition/0/facet"),
    _bad("goal without a condition", _goal(condition={}), "/goal_condition/0/condition"),
    _bad(
        "goal that names what the facet lacks",
        _goal(condition={"dsl": "lengthLevl > 0.5"}),
        "/goal_condition/0/condition/dsl",
        code="invalid_condition_dsl",
        status=400,
    ),
    _bad(
        "wording and shape wrong at once",
        {**_goal(condition={"dsl": "lengthLevel >"}), "objective": ""},
        "/objective",
        "/goal_condition/0/condition/dsl",
    ),
    _bad("quality bar beyond one", _policies(quality={"threshold": 80}), "/policies/quality/threshold"),
    _bad(
        "channel limits the wrong way round",
        _policies(channels={"linkedin": {"minLength": 9, "maxLength": 3}}),
        "/policies/channels/linkedin/minLength",
    ),
    _bad(
        "old keys of wrong types",
        _policies(variantCount="2", brandVoice=1, replanAfter=[{"reason": "x"}]),
        "/policies/variantCount",
        "/policies/brandVoice",
        "/policies/replanAfter/0",
    ),
    _bad(
        "more variants than the contract takes",
        linkedin_envelope(inputs={"variantCount": 3}),
        "/inputs/variantCount",
        "/outputContract/schema/properties/copyVariants/maxItems",
        code="contract_unsatisfiable",
    ),
    _bad(
        "runtime policy, later",
        _runtime(runtime_policy()),
        RUNTIME,
        code="not_available_yet",
    ),
    _bad("goal, later", _goal(), "/goal_condition", code="not_available_yet"),
    _bad(
        "approval, review and budget, later",
        linkedin_envelope(
            constraints={"requiresHitlApproval": True, "reviewPlan": True, "budget": {"maxTokens": 5}},
            outputContract=variants_contract("variants"),
        ),
        "/constraints/requiresHitlApproval",
        "/constraints/reviewPlan",
        "/constraints/budget",
        code="not_available_yet",
    ),
)

REGISTRATIONS: tuple[Malformed, ...] = (
    _bad("not an object", "yard.writer", ""),
    _bad(
        "empty",
        {},
        "/capabilityId",
        "/version",
        "/displayName",
        "/summary",
        "/kind",
        "/outputContract",
    ),
    _bad("unknown kind and agent type", writer_registration(kind="painting", agentType="robot"), "/kind", "/agentType"),
    _bad("branch is no kind of capability", writer_registration(kind="branch"), "/kind"),
    _bad("unknown member", writer_registration(owner="yard"), "/owner"),
    _bad("output contract missing", _without(writer_registration(), "outputContract"), "/outputContract"),
    _bad(
        "unknown facet",
        writer_registration(outputContract={"mode": "facets", "facets": ["copyVariant"]}),
        "/outputContract/facets/0",
    ),
    _bad(
        "facets in the wrong direction",
        writer_registration(
            inputContract={"mode": "facets", "facets": ["qaFindings"]},
            outputContract={"mode": "facets", "facets": ["objectiveBrief"]},
        ),
        "/inputContract/facets/0",
        "/outputContract/facets/0",
    ),
    _bad(
        "facet named twice",
        writer_registration(inputContract={"mode": "facets", "facets": ["objectiveBrief", "objectiveBrief"]}),
        "/inputContract/facets/1",
    ),
    _bad(
        "heartbeat without an interval",
        writer_registration(heartbeat={"timeoutSeconds": 0}),
        "/heartbeat/intervalSeconds",
        "/heartbeat/timeoutSeconds",
    ),
    _bad(
        "cost below zero",
        writer_registration(cost={"estimatedTokens": -1, "pricePer1kTokens": -0.1}),
        "/cost/estimatedTokens",
        "/cost/pricePer1kTokens",
    ),
    _bad(
        "templates without app",
        writer_registration(instructionTemplates={"summary": "short"}),
        "/instructionTemplates/app",
    ),
    _bad(
        "assignment without a role",
        writer_registration(agentType="human", assignmentDefaults={"onDecline": "shrug"}),
        "/assignmentDefaults/role",
        "/assignmentDefaults/onDecline",
    ),
    _bad("prompt that names no facet", writer_registration(systemPrompt="Write well."), "/systemPrompt"),
    _bad(
        "endpoint that is no address", writer_registration(endpoint={"url": "ftp://example.org/agent"}), "/endpoint/url"
    ),
    _bad(
        "traits of wrong types",
        writer_registration(inputTraits={"languages": "en", "colour": []}),
        "/inputTraits/languages",
        "/inputTraits/colour",
    ),
    _bad(
        "post-condition of wrong wording",
        writer_registration(
            postConditions=[{"facet": "planKnobs", "path": "/structure", "condition": {"dsl": "lengthLevel >"}}]
        ),
        "/postConditions/0/condition/dsl",
        code="invalid_condition_dsl",
        status=400,
    ),
    _bad(
        "post-condition on an unknown facet",
        writer_registration(postConditions=[{"facet": "copy", "path": "#", "condition": {"dsl": "true"}}]),
        "/postConditions/0/facet",
    ),
)
