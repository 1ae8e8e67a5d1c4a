"""The description of this API: as OpenAPI for programs, as one plain page for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify, render_template_string
from flask_smorest import Blueprint

from app.api.operations import Reply, json_reply, operation
from app.extensions import services

blueprint = Blueprint("docs", __name__, description="This description")

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ info.title }} API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
code,pre{font:14px/1.45 ui-monospace,monospace;background:#f3f4f6;border-radius:4px}
code{padding:.1em .3em}pre{padding:.8rem;overflow:auto}
article{border-top:1px solid #d8dde3;padding:.6rem 0}
.method{display:inline-block;min-width:4.2rem;font-weight:700}
h2{margin-top:2.5rem}h3{font-size:1rem;margin:.4rem 0}ul{margin:.3rem 0}
@media (prefers-color-scheme:dark){body{color:#e6e9ed;background:#14171a}code,pre{background:#22272d}}
</style></head><body>
<h1>{{ info.title }} API</h1>
<p>{{ info.description }} The same description for programs: <a href="openapi.json">openapi.json</a>.</p>
{% for tag in tags %}<h2>{{ tag.name }}</h2><p>{{ tag.description }}</p>
{% for one in operations if tag.name in one.tags %}
<article id="{{ one.id }}"><h3><span class="method">{{ one.method }}</span> <code>{{ one.path }}</code></h3>
<p>{{ one.summary }}</p>
{% if one.parameters %}<ul>{% for parameter in one.parameters %}
<li><code>{{ parameter.name }}</code> in {{ parameter.in }}{% if parameter.required %}, required{% endif %}</li>
{% endfor %}</ul>{% endif %}
{% if one.body %}<p>Body: <a href="#schema-{{ one.body }}">{{ one.body }}</a></p>{% endif %}
<ul>{% for status, reply in one.responses.items() %}
<li><code>{{ status }}</code> {{ reply.description }}</li>{% endfor %}</ul></article>
{% endfor %}{% endfor %}
<h2>Schemas</h2>
{% for name, schema in schemas.items() %}
<details id="schema-{{ name }}"><summary><code>{{ name }}</code></summary>
<pre>{{ schema | tojson(indent=2) }}</pre></details>{% endfor %}
</body></html>
"""
METHODS = ("get", "post", "put", "patch", "delete")


@operation(
    blueprint, "GET", "/openapi.json", name="readOpenApi", replies={200: json_reply("OpenAPI 3.1", "OpenApiDocument")}
)
def read_open_api() -> Response:
    """Describe every route and schema of this server."""
    return jsonify(services().api.spec.to_dict())


@operation(blueprint, "GET", "/docs", name="readDocs", replies={200: Reply("A page", {"text/html": None})})
def read_docs() -> Response:
    """Show the description as a page that loads nothing from elsewhere."""
    document = services().api.spec.to_dict()
    page = render_template_string(
        PAGE,
        info=document["info"],
        tags=document["tags"],
        operations=_operations(document["paths"]),
        schemas=document["components"]["schemas"],
    )
    return Response(
        page,
        mimetype="text/html",
        headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"},
    )


def _operations(paths: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the page shows of each operation, in the order of the document."""
    return [
        {
            "id": described["operationId"],
            "method": method.upper(),
            "path": path,
            "summary": described.get("summary", ""),
            "tags": described["tags"],
            "parameters": [*members.get("parameters", ()), *described.get("parameters", ())],
            "body": _body_of(described),
            "responses": described["responses"],
        }
        for path, members in paths.items()
        for method, described in members.items()
        if method in METHODS
    ]


def _body_of(described: Mapping[str, Any]) -> str | None:
    for content in described.get("requestBody", {}).get("content", {}).values():
        return str(content["schema"]["$ref"]).rsplit("/", 1)[-1]
    return None
