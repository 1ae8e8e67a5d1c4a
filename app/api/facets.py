"""The facet catalogue, as forms and agents read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, jsonify
from flask_smorest import Blueprint

from app.api.arguments import FacetsQuery
from app.api.operations import json_reply, operation
from app.extensions import services

blueprint = Blueprint(
    "facets", __name__, url_prefix="/api/v1/flex", description="The words in which capabilities speak"
)


@operation(
    blueprint,
    "GET",
    "/facets",
    name="listFacets",
    replies={200: json_reply("The facets, by name", "FacetPage")},
    query=FacetsQuery,
)
def list_facets(query: Mapping[str, Any]) -> Response:
    """List the facets."""
    found = services().catalogue.list(direction=query.get("direction"), tag=query.get("tag"))
    return jsonify({"data": [facet.as_json() for facet in found], "nextCursor": None})
