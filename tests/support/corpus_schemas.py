"""Schemas as projects have them, for tests of containment.

They are ours, in the manner of package manifests, workflow files, API descriptions, structured CVs, linked data,
content models and the payloads of social networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT = {"type": "string"}
URI = {"type": "string", "format": "uri"}
DATE = {"type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"}
SEMVER = "^[0-9]+\\.[0-9]+\\.[0-9]+$"


def texts(**more: Any) -> dict[str, Any]:
    return {"type": "array", "items": dict(TEXT), **more}


def record(required: tuple[str, ...] = (), /, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object that may hold further members."""
    return {"type": "object", "properties": properties, "required": list(required)}


def closed(required: tuple[str, ...] = (), /, **properties: Any) -> dict[str, Any]:
    return {**record(required, **properties), "additionalProperties": False}


_WITH: dict[str, Any] = {"with": {"$ref": "#/definitions/env"}}

SCHEMAS: Mapping[str, dict[str, Any]] = {
    "manifest": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **record(
            ("name", "version"),
            name={"type": "string", "maxLength": 214, "minLength": 1, "pattern": "^[a-z][a-z0-9-]*$"},
            version={"type": "string", "pattern": SEMVER},
            private={"type": "boolean"},
            license=TEXT,
            keywords=texts(uniqueItems=True),
            author={"anyOf": [TEXT, record(("name",), name=TEXT, email={"type": "string", "format": "email"})]},
            dependencies={"$ref": "#/definitions/dependencies"},
            devDependencies={"$ref": "#/definitions/dependencies"},
            engines=record(node=TEXT),
        ),
        "definitions": {"dependencies": {"type": "object", "additionalProperties": TEXT}},
    },
    "workflow": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **closed(
            ("on", "jobs"),
            name=TEXT,
            on={
                "oneOf": [{"$ref": "#/definitions/event"}, {"type": "array", "items": {"$ref": "#/definitions/event"}}]
            },
            env={"$ref": "#/definitions/env"},
            jobs={
                "type": "object",
                "minProperties": 1,
                "patternProperties": {"^[_a-zA-Z][a-zA-Z0-9_-]*$": {"$ref": "#/definitions/job"}},
                "additionalProperties": False,
            },
        ),
        "definitions": {
            "event": {"type": "string", "enum": ["push", "pull_request", "schedule", "release"]},
            "env": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
            "job": record(
                ("runs-on", "steps"),
                **{"runs-on": TEXT, "timeout-minutes": {"type": "integer", "minimum": 1, "maximum": 360}},
                env={"$ref": "#/definitions/env"},
                steps={"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/step"}},
            ),
            "step": {
                **record(id=TEXT, uses=TEXT, run=TEXT, **_WITH),
                "oneOf": [{"required": ["uses"]}, {"required": ["run"]}],
            },
        },
    },
    "api order": {
        **closed(
            ("id", "status", "lines", "total"),
            id={"type": "string", "format": "uuid"},
            status={"enum": ["new", "paid", "shipped"]},
            customer={"$ref": "#/$defs/Customer"},
            lines={"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Line"}},
            total={"$ref": "#/$defs/Money"},
            note={"type": ["string", "null"], "maxLength": 500},
            createdAt={"type": "string", "format": "date-time"},
        ),
        "$defs": {
            "Money": closed(
                ("amount", "currency"),
                amount={"type": "number", "minimum": 0, "multipleOf": 0.01},
                currency={"type": "string", "minLength": 3, "maxLength": 3},
            ),
            "Line": closed(
                ("sku", "quantity"),
                sku=TEXT,
                quantity={"type": "integer", "minimum": 1},
                price={"$ref": "#/$defs/Money"},
            ),
            "Customer": record(("email",), email={"type": "string", "format": "email"}, name=TEXT),
        },
    },
    "api page": record(
        ("items", "total"),
        items={"type": "array", "items": record(("id",), id={"type": "integer"}, title=TEXT)},
        total={"type": "integer", "minimum": 0},
        next={"type": ["string", "null"]},
        links={"type": "object", "additionalProperties": URI},
    ),
    "api error": closed(
        ("code", "message"),
        code={"type": "string", "pattern": "^[a-z_]+$"},
        message={"type": "string", "minLength": 1},
        details={"type": "array", "items": record(("pointer", "problem"), pointer=TEXT, problem=TEXT)},
        status={"type": "integer", "minimum": 400, "maximum": 599},
    ),
    "webhook": {
        "oneOf": [
            closed(("type", "order"), type={"const": "order.created"}, order=record(("id",), id=TEXT)),
            closed(
                ("type", "refund"), type={"const": "refund.made"}, refund=record(("amount",), amount={"type": "number"})
            ),
        ]
    },
    "cv": {
        **record(
            ("basics",),
            basics=record(
                ("name",),
                name=TEXT,
                label=TEXT,
                email={"type": "string", "format": "email"},
                url=URI,
                summary=TEXT,
                location=record(city=TEXT, countryCode={"type": "string", "minLength": 2, "maxLength": 2}),
                profiles={"type": "array", "items": record(("network",), network=TEXT, username=TEXT, url=URI)},
            ),
            work={
                "type": "array",
                "items": record(("name", "startDate"), name=TEXT, startDate=DATE, endDate=DATE, highlights=texts()),
            },
            skills={
                "type": "array",
                "items": record(("name",), name=TEXT, level={"enum": ["basic", "good", "expert"]}, keywords=texts()),
            },
        ),
    },
    "linked person": {
        **record(
            ("@type", "name"),
            **{"@context": {"const": "https://schema.org"}, "@type": {"const": "Person"}},
            name=TEXT,
            sameAs={"anyOf": [URI, {"type": "array", "items": URI}]},
            worksFor={"$ref": "#/$defs/organization"},
            knows={"type": "array", "items": {"$ref": "#"}},
        ),
        "$defs": {"organization": record(("name",), name=TEXT, url=URI)},
    },
    "linked event": record(
        ("@type", "name", "startDate"),
        **{"@type": {"enum": ["Event", "MusicEvent", "BusinessEvent"]}},
        name={"type": "string", "minLength": 1},
        startDate={"type": "string", "format": "date"},
        endDate={"type": "string", "format": "date"},
        location={"oneOf": [TEXT, record(("address",), name=TEXT, address=TEXT)]},
        offers={
            "type": "array",
            "items": record(("price",), price={"type": "number", "minimum": 0}, priceCurrency=TEXT),
        },
    ),
    "article": {
        **closed(
            ("title", "slug", "body"),
            title={"type": "string", "minLength": 1, "maxLength": 120},
            slug={"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
            summary={"type": "string", "maxLength": 300},
            body={"type": "array", "items": {"$ref": "#/$defs/block"}, "minItems": 1},
            tags=texts(maxItems=10, uniqueItems=True),
            state={"enum": ["draft", "review", "published"]},
            seo=record(title={"type": "string", "maxLength": 60}, noindex={"type": "boolean"}),
        ),
        "$defs": {
            "block": {
                "oneOf": [
                    closed(("kind", "text"), kind={"const": "paragraph"}, text=TEXT),
                    closed(("kind", "text"), kind={"const": "heading"}, text=TEXT, level={"enum": [2, 3, 4]}),
                    closed(("kind", "src"), kind={"const": "image"}, src=URI, alt=TEXT),
                ]
            }
        },
    },
    "menu": {
        "$ref": "#/$defs/entry",
        "$defs": {
            "entry": closed(
                ("label",),
                label={"type": "string", "minLength": 1},
                href=TEXT,
                children={"type": "array", "items": {"$ref": "#/$defs/entry"}},
            )
        },
    },
    "post": closed(
        ("text",),
        text={"type": "string", "minLength": 1, "maxLength": 280},
        media={
            "type": "array",
            "maxItems": 4,
            "items": closed(("url",), url=URI, alt={"type": "string", "maxLength": 1000}),
        },
        replyTo=TEXT,
        poll=closed(
            ("options",),
            options={"type": "array", "minItems": 2, "maxItems": 4, "items": {"type": "string", "maxLength": 25}},
            minutes={"type": "integer", "minimum": 5, "maximum": 10080},
        ),
        visibility={"enum": ["public", "followers", "direct"]},
    ),
    "network post": record(
        ("author", "commentary", "visibility"),
        author={"type": "string", "pattern": "^urn:li:(person|organization):[A-Za-z0-9_-]+$"},
        commentary={"type": "string", "maxLength": 3000},
        visibility={"enum": ["PUBLIC", "CONNECTIONS"]},
        content={
            "anyOf": [
                record(("article",), article=record(("source", "title"), source=URI, title=TEXT)),
                record(("media",), media=record(("id",), id=TEXT)),
            ]
        },
        lifecycleState={"const": "PUBLISHED"},
    ),
    "variants": {
        "type": "array",
        "minItems": 2,
        "maxItems": 5,
        "items": record(
            ("headline", "body", "callToAction"),
            headline={"type": "string", "minLength": 5, "maxLength": 90},
            body={"type": "string", "minLength": 20, "maxLength": 1300},
            callToAction={"type": "string", "minLength": 2},
            hashtags=texts(maxItems=5, uniqueItems=True),
        ),
    },
    "brief": record(
        ("objective", "audience"),
        objective={"type": "string", "minLength": 1},
        audience={"type": "string"},
        channel={"enum": ["linkedin", "blog", "email"]},
        tone={"type": "array", "items": {"enum": ["warm", "bold", "plain"]}, "minItems": 1, "uniqueItems": True},
        budget=closed(("amount",), amount={"type": "number", "exclusiveMinimum": 0}, currency={"const": "EUR"}),
        deadline={"type": ["string", "null"]},
    ),
    "review": closed(
        ("verdict", "score", "findings"),
        verdict={"enum": ["pass", "revise", "fail"]},
        score={"type": "number", "minimum": 0, "maximum": 1},
        findings={
            "type": "array",
            "items": closed(("message",), message=TEXT, severity={"enum": ["info", "warning", "error"]}),
        },
    ),
    "settings": {
        **closed(
            ("theme",),
            theme={"enum": ["light", "dark"]},
            fontSize={"type": "integer", "minimum": 8, "maximum": 32, "multipleOf": 2},
            rulers={"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": True},
            proxy={"type": "string"},
            proxyPort={"type": "integer", "minimum": 1, "maximum": 65535},
        ),
        "dependentRequired": {"proxyPort": ["proxy"]},
    },
    "payment": {
        **record(
            ("method",),
            method={"enum": ["card", "invoice"]},
            card=record(("number",), number={"type": "string", "pattern": "^[0-9]{12,19}$"}),
            address=TEXT,
        ),
        "if": {"properties": {"method": {"const": "card"}}, "required": ["method"]},
        "then": {"required": ["card"]},
        "else": {"required": ["address"]},
    },
    "map": {
        "type": "object",
        "required": ["type", "coordinates"],
        "properties": {
            "type": {"const": "Point"},
            "coordinates": {
                "type": "array",
                "prefixItems": [
                    {"type": "number", "minimum": -180, "maximum": 180},
                    {"type": "number", "minimum": -90, "maximum": 90},
                ],
                "items": {"type": "number"},
                "minItems": 2,
                "maxItems": 3,
            },
        },
    },
    "headers": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z-]+$"},
        "patternProperties": {"^X-": TEXT},
        "additionalProperties": {"type": ["string", "integer"]},
    },
}
