"""The schemas that the OpenAPI document names."""

from __future__ import annotations

from typing import Any

from apispec import APISpec

from app.schemas.components import register_schemas

TEXT = {"type": "string"}
MOMENT = {"type": "string", "format": "date-time"}
COUNT = {"type": "integer", "minimum": 0}
FREE = {"type": "object", "additionalProperties": True}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _page(item: str) -> dict[str, Any]:
    return _object(("data", "nextCursor"), data=_array(ref(item)), nextCursor={"type": ["string", "null"]})


PROBLEM = _object(
    ("type", "title", "status", "detail", "instance", "code", "retryable", "errors", "statusCode", "data"),
    type=TEXT,
    title=TEXT,
    status={"type": "integer", "minimum": 400, "maximum": 599},
    detail=TEXT,
    instance=TEXT,
    code=TEXT,
    retryable={"type": "boolean"},
    errors=_array(_object(("pointer", "message"), pointer=TEXT, message=TEXT, code=TEXT, range=FREE, suggestion=TEXT)),
    runId=TEXT,
    correlationId=TEXT,
    statusCode={"type": "integer"},
    statusMessage=TEXT,
    data=_object(("code",), code=TEXT),
)

RUN = _object(
    ("runId", "status", "planVersion", "objective", "createdAt", "updatedAt"),
    runId=TEXT,
    status=TEXT,
    reason=TEXT,
    waitingFor=TEXT,
    planVersion=COUNT,
    objective=TEXT,
    createdAt=MOMENT,
    updatedAt=MOMENT,
)

COMPONENTS: dict[str, dict[str, Any]] = {
    "Problem": PROBLEM,
    "Run": RUN,
    "RunPage": _page("Run"),
    "RunSnapshot": _object(
        ("ok", "run", "output", "planVersions", "latestSnapshot", "nodes", "decisions", "policyMap"),
        ok={"const": True},
        run=ref("Run"),
        output={"type": ["object", "null"]},
        planVersions=_array(FREE),
        latestSnapshot={"type": ["object", "null"]},
        planDrafts=_array(FREE),
        nodes=_array(FREE),
        decisions=_array(ref("Frame")),
        hitlRequests=_array(FREE),
        policyMap=FREE,
        goalConditionResults=_array(FREE),
        costs=FREE,
    ),
    "FramePage": _object(("data", "nextAfter"), data=_array(ref("Frame")), nextAfter=COUNT),
    "PlanPreview": _object(
        ("status", "plan", "cost", "diagnostics", "explanation", "mermaid"),
        status={"enum": ["accepted", "accepted_with_findings", "rejected"]},
        plan={"oneOf": [ref("PlanGraph"), {"type": "null"}]},
        cost=_object(("total", "parts"), total={"type": "number"}, parts=_array(FREE)),
        diagnostics=_object(
            ("failures", "warnings", "infos", "satisfactionScore"),
            failures=_array(FREE),
            warnings=_array(FREE),
            infos=_array(FREE),
            satisfactionScore={"type": "number", "minimum": 0, "maximum": 1},
        ),
        explanation=FREE,
        mermaid={"type": ["string", "null"]},
    ),
    "CapabilityPage": _page("CapabilityRecord"),
    "CapabilityRegistered": _object(
        ("ok", "record", "registry"),
        ok={"const": True},
        record=ref("CapabilityRecord"),
        registry=_object(("active", "count"), active=_array(TEXT), count=COUNT),
    ),
    "CapabilityHeartbeat": {
        "type": "object",
        "properties": {"status": {"const": "active"}},
        "additionalProperties": False,
    },
    "FacetPage": _page("Facet"),
    "OperatorNote": {
        "type": "object",
        "properties": {"operator": ref("Operator"), "note": TEXT},
        "additionalProperties": False,
    },
    "Operator": {
        "type": "object",
        "properties": {"id": TEXT, "displayName": TEXT, "email": TEXT},
        "additionalProperties": False,
    },
    "HitlResolution": {
        **_object(
            ("requestId", "responses"),
            runId=TEXT,
            threadId=TEXT,
            requestId=TEXT,
            responses={"type": "array", "minItems": 1, "items": ref("HitlResponse")},
            operator=ref("Operator"),
            note=TEXT,
        ),
        "additionalProperties": False,
    },
    "HitlResponse": {
        **_object(
            requestId=TEXT,
            responseType={"enum": ["option", "approval", "rejection", "freeform"]},
            selectedOptionId=TEXT,
            freeformText=TEXT,
            approved={"type": "boolean"},
            responderId=TEXT,
            responderDisplayName=TEXT,
            metadata=FREE,
            output={},
        ),
        "additionalProperties": False,
    },
    "HitlPending": _object(
        ("ok", "runs", "data", "nextCursor"),
        ok={"const": True},
        runs=_array(FREE),
        data=_array(FREE),
        nextCursor={"type": ["string", "null"]},
    ),
    "HitlDecision": _object(
        ("ok", "runId", "status", "requests", "responses", "decision"),
        ok={"const": True},
        runId=TEXT,
        status=TEXT,
        pendingRequestId={"type": ["string", "null"]},
        requests=_array(FREE),
        responses=_array(FREE),
        decision={"type": ["object", "null"]},
        action={"type": ["string", "null"]},
    ),
    "AuditPage": _page("AuditRow"),
    "AuditRow": _object(
        ("id", "at", "operation", "status"),
        id=TEXT,
        at=MOMENT,
        operation=TEXT,
        target={"type": ["string", "null"]},
        status={"type": "integer"},
        keyId={"type": ["string", "null"]},
        keyPrefix={"type": ["string", "null"]},
        operator={"type": ["object", "null"]},
        peer={"type": ["string", "null"]},
        correlationId={"type": ["string", "null"]},
    ),
    "Health": FREE,
    "OpenApiDocument": FREE,
}


def register(spec: APISpec) -> None:
    """Add every component to the document."""
    register_schemas(spec)
    for name, schema in COMPONENTS.items():
        spec.components.schema(name, schema)
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer"})
